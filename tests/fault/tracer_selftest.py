"""The syscall sweep finds what it must: a program that replaces a file through a rename survives a kill and an error at each
of its calls, one that overwrites it in place does not."""

import subprocess
import sys

from outcome import check, check_equal, run_test, say
from tracer import count, inject, most_per_thread, need_strace, spread

# Replaces the file's content ten times; each content is one letter, 3000 times.
SAFE = """
import os, sys
for letter in b"abcdefghij":
    fd = os.open(sys.argv[1] + ".new", os.O_CREAT | os.O_TRUNC | os.O_WRONLY)
    for _ in range(3): os.pwrite(fd, bytes([letter]) * 1000, _ * 1000)
    os.fdatasync(fd); os.close(fd)
    os.rename(sys.argv[1] + ".new", sys.argv[1])
"""
UNSAFE = """
import os, sys
for letter in b"abcdefghij":
    fd = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
    for _ in range(3): os.pwrite(fd, bytes([letter]) * 1000, _ * 1000)
    os.fdatasync(fd); os.close(fd)
"""


def bad_points(directory, program):
    path = directory / "file"
    subprocess.run([*count(directory / "calls"), sys.executable, "-S", "-c", program, str(path)], check=True)
    most = most_per_thread(directory / "calls")
    check_equal(most["pwrite64"], 30, "counted writes")
    bad = 0
    points = spread(most, 60)
    for call, at in points:
        for what in ("signal=KILL", "error=EIO"):
            path.write_bytes(b"-" * 3000)
            subprocess.run([*inject(call, what, at), sys.executable, "-S", "-c", program, str(path)], check=False,
                           stderr=subprocess.DEVNULL)
            bad += len(set(path.read_bytes())) != 1
    say(f"{2 * len(points)} points, {bad} bad")
    return bad


def body(directory):
    check_equal(bad_points(directory, SAFE), 0, "bad points of the safe program")
    check(bad_points(directory, UNSAFE) > 0, "the unsafe program was not caught")


if __name__ == "__main__":
    need_strace()
    run_test(body)
