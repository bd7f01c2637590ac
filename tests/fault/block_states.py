"""Block-level crash states of the whole server: a mixed load on ext4 over a recording disk, then the disk as a power cut at
random moments could have left it, each state recovered by ext4 and by the server. What was acknowledged before the moment
must be there. GABION_BLOCK_STATES asks for more than the sixty of CI."""

from blocklog import BlockRecorder, CrashStates
from ledger import Ledger
from load import Load, sweep
from outcome import check, run_test, say
from rounds import BUCKET, SIZES, how_many
from server import Server, pause

RUN = 13
DISK_MEGABYTES = 512


def record(directory, recorder):
    """Runs the load; returns the ledger's path and its marks as they went into the block log."""
    path = directory / "ledger"
    marks = [0]

    def mark(lines):
        marks.append(lines)
        recorder.mark(str(lines))
    ledger = Ledger(path, RUN, mark)
    server = Server(directory / "server", drives=[recorder.path / f"drive{i}" for i in range(1, 7)])
    server.start()
    check(server.s3().create_bucket(BUCKET).ok, "the bucket cannot be made")
    recorder.mark("0")
    load = Load(server, ledger, BUCKET, workers=4, keys_per_worker=6, sizes=SIZES, seed=RUN).start()
    pause(3)
    load.stop()
    server.stop()
    recorder.close()
    say(f"recorded {ledger.acks} acknowledged operations")
    return path, marks


def body(directory):
    states = how_many("GABION_BLOCK_STATES", 60)
    recorder = BlockRecorder(directory, DISK_MEGABYTES)
    try:
        ledger_path, marks = record(directory, recorder)
        following = dict(zip(marks, marks[1:] + [10**9]))
        for number, (reached, path) in enumerate(CrashStates(recorder, states, seed=RUN)):
            settled = int(reached[-1])
            ledger = Ledger.at(ledger_path, RUN, settled, following[settled])
            server = Server(directory / f"state{number}", drives=[path / f"drive{i}" for i in range(1, 7)])
            try:
                server.start()
                problems = sweep(ledger, server.s3())
            finally:
                server.kill()
            check(not problems, f"state {number} after {settled} ledger lines: " + "; ".join(problems[:3]))
        say(f"{states} states: nothing lost, nothing wrong")
    finally:
        recorder.remove()


if __name__ == "__main__":
    run_test(body)
