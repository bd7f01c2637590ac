"""lossyfs loses exactly what was not synced: a record log that syncs passes every crash, and each flawed one is caught."""

import errno
import os
import random
import subprocess
import sys
from pathlib import Path

import reclog
from lossy import LossyDisk
from outcome import check, check_equal, run_test, say

PROGRAM = [sys.executable, reclog.__file__]


def append_until_killed(path, flaw, acks):
    """Runs the log program, kills it after it acknowledged `acks` records; returns how many it acknowledged in all."""
    process = subprocess.Popen([*PROGRAM, str(path), "append", "100000", flaw], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL)
    for _ in range(acks):
        if not process.stdout.readline():
            break
    process.kill()
    rest = process.stdout.read().split()
    process.wait()
    return acks + len(rest)


def crash_rounds(disk, flaw, torn, rounds=8):
    """How many of the rounds lost an acknowledged record or served a wrong one."""
    bad = 0
    rng = random.Random(5)
    for round_number in range(rounds):
        path = disk.path / f"log-{flaw}-{torn}-{round_number}"
        acknowledged = append_until_killed(path, flaw, rng.randrange(3, 60))
        disk.command(f"crash torn {round_number}" if torn else "crash drop")
        shown = subprocess.run([*PROGRAM, str(path), "show", "0", flaw], capture_output=True, text=True, check=True)
        records, whole = map(int, shown.stdout.split())
        if whole < acknowledged or whole < records:
            bad += 1
    return bad


def failed_sync(disk, flaw):
    """A sync that fails once: whether an acknowledged record was lost, and what the program did afterwards."""
    path = disk.path / f"failing-{flaw}"
    disk.command(f"fail sync 20 failing-{flaw}")
    done = subprocess.run([*PROGRAM, str(path), "append", "20", flaw], capture_output=True, text=True, check=False)
    acknowledged = len(done.stdout.split())
    counters = disk.counters()
    disk.command("crash drop")
    shown = subprocess.run([*PROGRAM, str(path), "show", "0", flaw], capture_output=True, text=True, check=True)
    return int(shown.stdout.split()[1]) < acknowledged, counters


def file_operations(disk):
    """It is an ordinary file system as long as nothing crashes."""
    base = disk.path / "ordinary"
    base.mkdir()
    (base / "a").write_bytes(b"x" * 10000)
    with open(base / "a", "r+b") as file:
        file.seek(5000)
        file.write(b"y" * 3000)
        file.truncate(6000)
        file.seek(7000)
        file.write(b"z")
    want = b"x" * 5000 + b"y" * 1000 + bytes(1000) + b"z"
    check((base / "a").read_bytes() == want, "overwrite, truncate and grow")
    os.rename(base / "a", base / "b")
    os.link(base / "b", base / "c")
    (base / "b").unlink()
    check((base / "c").read_bytes() == want, "rename, link and unlink")
    check_equal(os.listdir(base), ["c"], "names")
    for failure, number in (("fail write ordinary", errno.EIO), ("fail space ordinary", errno.ENOSPC)):
        disk.command(failure)
        try:
            (base / "d").write_bytes(b"1")
            check(False, "a write must fail")
        except OSError as error:
            check_equal(error.errno, number, failure)
        disk.command("heal")
    disk.command("crash drop")
    check("ordinary" not in os.listdir(disk.path), "an unsynced directory is gone after a crash")


def unsynced_names(disk):
    """A replaced file whose directory was not synced comes back as it was."""
    path = disk.path / "replaced"
    for content, sync_directory in ((b"old", True), (b"new", False)):
        with open(f"{path}.tmp", "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{path}.tmp", path)
        if sync_directory:
            disk.sync_root()
    check_equal(path.read_bytes(), b"new", "before the crash")
    disk.command("crash drop")
    check_equal(path.read_bytes(), b"old", "after the crash")


def body(directory):
    with LossyDisk(directory) as disk:
        file_operations(disk)
        unsynced_names(disk)
        for torn in (False, True):
            check_equal(crash_rounds(disk, "", torn), 0, f"bad rounds of the correct program (torn={torn})")
            for flaw in ("no-sync", "no-dir-sync"):
                bad = crash_rounds(disk, flaw, torn)
                check(bad > 0, f"{flaw} was not caught (torn={torn})")
                say(f"{flaw}, torn={torn}: caught in {bad} of 8 rounds")
        lost, counters = failed_sync(disk, "retry-sync")
        check(lost and counters["syncs_after_failure"] > 0, "a retried sync was not caught")
        before = counters["syncs_after_failure"]
        lost, counters = failed_sync(disk, "")
        check(not lost and counters["syncs_after_failure"] == before, "the correct program stops at a failed sync")
        say(f"counters: {disk.counters()}")


if __name__ == "__main__":
    run_test(body)
