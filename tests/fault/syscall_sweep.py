"""A fixed script of operations against the server, killed at, or with an error injected into, its N-th system call of each
kind that changes a disk; then a restart without the injection. Whatever call it was: what was acknowledged is there, and an
error never ends the server by a signal. GABION_SWEEP_POINTS asks for more points than the eighty of CI."""

import shutil

from ledger import Ledger
from load import KIB, MIB, perform, sweep
from outcome import Failed, check, check_equal, run_test, say, wait_until
from rounds import how_many
from s3 import Unknown
from server import START_SECONDS, Server
from tracer import count, inject, most_per_thread, need_strace, spread

BUCKET = "sweep"


def script(client, ledger):
    """The operations, one after the other, until the server no longer answers."""
    def do(kind, key, size=0, source=None):
        value = ledger.certain(BUCKET, source)[1] if source else "own"
        if source and value is None:
            return True  # what it would copy was refused
        return perform(ledger, client, kind, BUCKET, key, size, source, value)
    try:
        client.create_bucket(BUCKET)
    except Unknown:
        return
    steps = [("put", "inline", 700), ("put", "small", 30 * KIB), ("put", "coded", 400 * KIB), ("put", "blocks", 9 * MIB),
             ("copy", "copied", 0, "coded"), ("put", "small", 60 * KIB), ("delete", "coded"), ("delete", "inline"),
             ("multipart", "parts", 6 * MIB), ("put", "inline", 900), ("delete", "blocks")]
    for step in steps:
        if not do(*step):
            return


def run_script(directory, wrap):
    """One run from empty drives under a tracer; returns the server's exit code (None if it lived) and the ledger."""
    server = Server(directory, wrap=wrap)
    ledger = Ledger(None, run=17)
    server.start(wait=False)
    wait_until(lambda: not server.running() or server.admin_answers(), START_SECONDS, "the traced server is up or dead")
    if server.running():
        script(server.s3(), ledger)
    code = server.process.poll()
    if code is not None and code < 0 and any("rocksdb::" in line and "Assertion" in line for line in server.log_lines()):
        code = None  # Debian builds RocksDB with its assertions on, and some of them fail when a write does
    server.kill()
    return code, ledger


def verify(directory, ledger, point):
    server = Server(directory)
    try:
        server.start()
        problems = sweep(ledger, server.s3())
        # It must also serve on: a recovery that leaves a store nobody can write to has lost it all the same.
        client = server.s3()
        client.create_bucket("afterwards")
        check(client.put("afterwards", "k", b"v" * 100_000).ok, f"{point}: the restarted server does not take writes")
        check_equal(client.get("afterwards", "k").body, b"v" * 100_000, f"{point}: read back")
    except Failed as failure:
        raise Failed(f"{point}: {failure}") from None
    finally:
        server.kill()
    check(not problems, f"{point}: " + "; ".join(problems[:3]))


def try_point(place, call, what, at):
    point = f"{call} {what} at {at}"
    try:
        code, ledger = run_script(place, inject(call, what, at))
    except Failed as failure:
        raise Failed(f"{point}: {failure}") from None
    check(what == "signal=KILL" or code is None or code >= 0, f"{point}: the server ended by signal {code}")
    verify(place, ledger, point)
    shutil.rmtree(place)


def body(directory):
    _, ledger = run_script(directory / "count", count(directory / "calls"))
    check(ledger.acks > 8, f"only {ledger.acks} operations of the script were acknowledged:\n")
    most = most_per_thread(directory / "calls")
    say(f"calls of the busiest thread: {most}")
    verify(directory / "count", ledger, "without injection")
    total = how_many("GABION_SWEEP_POINTS", 80)
    points = [(call, "signal=KILL", at) for call, at in spread(most, total * 5 // 8)]
    # RocksDB itself asserts that its probe for sync_file_range succeeds.
    errors = {call: number for call, number in most.items() if call not in ("unlink", "unlinkat", "sync_file_range")}
    for number, (call, at) in enumerate(spread(errors, total * 3 // 8)):
        points.append((call, "error=EIO" if number % 2 == 0 else "error=ENOSPC", at))
    wrong = []
    for number, point in enumerate(points):
        try:
            try_point(directory / f"point{number}", *point)
        except Failed as failure:
            wrong.append(str(failure))
            say(f"WRONG: {failure}")
    check(not wrong, f"{len(wrong)} of {len(points)} points are wrong, the first: {wrong[:1]}")
    say(f"{len(points)} points: nothing lost, nothing wrong")


if __name__ == "__main__":
    need_strace()
    run_test(body)
