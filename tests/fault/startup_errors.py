"""Start-up that meets EIO or runs out of descriptors deletes nothing: whatever it decides (serve without a drive, or end with
one clear line), a start without the fault finds every acknowledged object and every segment."""

import subprocess
import sys

from load import check_sweep, sweep
from outcome import Failed, check, run_test, say
from rounds import how_many
from scenario import files_of, filled
from server import Server
from tracer import count, inject, most_per_thread, need_strace, spread

READING = ("openat", "pread64", "preadv2", "read", "getdents64", "newfstatat", "fstat")
# Runs a command with few descriptors left; prlimit would count its own.
FEW = """import os, resource, sys
limit = int(sys.argv[1])
resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
os.execv(sys.argv[2], sys.argv[2:])"""


def kept(drives):
    """What no start may ever remove: identities and segments, by drive."""
    return {(d.name, n) for d in drives for n in files_of(d) if n.endswith((".seg", "gabion.drive"))}


def start_with_fault(server, wrap):
    """Starts the server under a fault until it is ready or has ended."""
    server.wrap = wrap
    server.start(wait=False)
    try:
        for _ in range(200):
            if not server.running() or server.ready():
                break
            try:
                server.process.wait(0.05)
            except subprocess.TimeoutExpired:
                pass
        code = server.process.poll()
        return code
    finally:
        server.kill()
        server.wrap = []


def try_fault(server, ledger, before, what, wrap):
    """One start under a fault and one without; whether the first was refused."""
    code = start_with_fault(server, wrap)
    check(code is None or code >= 0, f"{what}: the server ended by signal {code}\n{server.log_tail()}")
    lost = before - kept(server.drives)
    check(not lost, f"{what}: start-up removed {sorted(lost)}")
    server.start()
    problems = sweep(ledger, server.s3())
    check(not problems, f"after {what}: " + "; ".join(problems[:3]))
    server.kill()
    return code is not None


def body(directory):
    server, ledger = filled(directory / "server", count=2)
    server.kill()
    before = kept(server.drives)
    calls = directory / "calls"
    start_with_fault(server, count(calls, READING))
    most = most_per_thread(calls)
    lasting = {call: number for call, number in most.items() if call in ("openat", "pread64", "getdents64")}
    faults = [(f"{call} EIO at {at}", inject(call, "error=EIO", at))
              for call, at in spread(most, how_many("GABION_STARTUP_FAULTS", 36))]
    faults += [(f"{call} EIO from {at} on", inject(call, "error=EIO", f"{at}+")) for call, at in spread(lasting, 9)]
    faults += [(f"{limit} descriptors", [sys.executable, "-c", FEW, str(limit)]) for limit in (24, 40, 60, 80, 110)]
    ended, wrong = 0, []
    for what, wrap in faults:
        try:
            ended += try_fault(server, ledger, before, what, wrap)
        except Failed as failure:
            wrong.append(str(failure))
            say(f"WRONG: {failure}")
            server.kill()
    check(not wrong, f"{len(wrong)} of {len(faults)} faulty starts are wrong, the first: {wrong[:1]}")
    server.start()
    check_sweep(ledger, server.s3(), f"after {len(faults)} faulty starts, of which {ended} were refused")
    server.stop()
    say("start-up deletes nothing")


if __name__ == "__main__":
    need_strace()
    run_test(body)
