"""strace as an injector: kills a program at, or fails, its N-th call of one kind. strace counts per thread."""

import collections
import re
import subprocess

from outcome import need, skip

# What changes a disk. RocksDB and the drive engine use different ones of them.
CHANGING = ("write", "pwrite64", "pwritev", "pwritev2", "fdatasync", "fsync", "rename", "renameat", "renameat2", "unlink",
            "unlinkat", "ftruncate", "mkdirat", "fallocate", "sync_file_range")


def need_strace():
    need("strace")
    tried = subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if tried.returncode != 0:
        skip("strace may not trace here")


def count(log, calls=CHANGING):
    """A prefix for a command line that logs its calls of these kinds."""
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-e", f"trace={','.join(calls)}", "-o", str(log)]


def most_per_thread(log):
    """By call, how often the busiest thread made it."""
    counts = collections.Counter()
    for line in log.read_text(errors="replace").splitlines():
        found = re.match(r"(\d+)\s+([a-z0-9_]+)\(", line)
        if found:
            counts[(found.group(2), found.group(1))] += 1
    most = {}
    for (call, _), number in counts.items():
        most[call] = max(most.get(call, 0), number)
    return most


def inject(call, what, at):
    """A prefix that does `what` (signal=KILL, error=EIO) at the `at`-th call of a thread; "5+" means from the fifth on."""
    return ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "signal=none", "-e", f"trace={call}", "-e",
            f"inject={call}:{what}:when={at}", "-o", "/dev/null"]


def spread(most, total):
    """About `total` pairs (call, N) over all calls: each call's first, its last, and evenly between."""
    calls = {call: number for call, number in sorted(most.items()) if number > 0}
    share = max(2, total // max(1, len(calls)))
    points = []
    for call, number in calls.items():
        steps = min(share, number)
        points += [(call, 1 + round(i * (number - 1) / max(1, steps - 1))) for i in range(steps)]
    return points
