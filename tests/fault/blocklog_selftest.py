"""Block-log replay finds what it must: a record log that syncs loses nothing in any crash state, one that does not does."""

import subprocess
import sys

import reclog
from blocklog import BlockRecorder, CrashStates
from outcome import check, check_equal, run_test, say


def bad_states(directory, flaw, states):
    directory.mkdir()
    recorder = BlockRecorder(directory, megabytes=32)
    try:
        log = reclog.RecordLog(str(recorder.path / "log"), flaw)
        recorder.mark("-1")
        for number in range(60):
            log.append(reclog.record_bytes(number))
            recorder.mark(str(number))
        log.close()
        recorder.close()
        bad = 0
        for marks, path in CrashStates(recorder, states, seed=3):
            shown = subprocess.run([sys.executable, reclog.__file__, str(path / "log"), "show", "0", flaw], capture_output=True,
                                   text=True, check=True)
            records, whole = map(int, shown.stdout.split())
            bad += whole < int(marks[-1]) + 1 or whole < records
        return bad
    finally:
        recorder.remove()


def body(directory):
    check_equal(bad_states(directory / "correct", "", 25), 0, "bad states of the correct program")
    bad = bad_states(directory / "flawed", "no-sync", 25)
    check(bad > 0, "the program that does not sync was not caught")
    say(f"no-sync: caught in {bad} of 25 states")


if __name__ == "__main__":
    run_test(body)
