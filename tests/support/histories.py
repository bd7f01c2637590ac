"""Histories of S3 objects as registers, from many clients on one clock, and the checker of linearizability over them.

Each value is written once, so that bytes, and the ETag in a listing, tell which write they are of. A change that was not
answered, or with 5xx, may have happened at any time since. tests/support/linear_check decides; selftest() shows that it would.
"""

import os
import subprocess
import threading
import time
from pathlib import Path

from outcome import check, skip

ABSENT = 0


class Histories:
    def __init__(self):
        self._lock = threading.Lock()
        self._lines = []
        self._next = 1
        self._etags = {}
        self.operations = {}

    def new_value(self):
        with self._lock:
            self._next += 1
            return self._next

    def name_etag(self, etag, value):
        """From now on this ETag means this value."""
        with self._lock:
            self._etags[etag] = value

    def value_of(self, etag):
        with self._lock:
            return self._etags.get(etag)

    def add(self, key, kind, began, value=ABSENT, expected=ABSENT, ended=None):
        """`ended` is None for now, and "?" for a change whose outcome is unknown."""
        if ended is None:
            ended = time.monotonic_ns()
        with self._lock:
            self._lines.append(f"{key} {kind} {began} {ended} {value} {expected}")
            self.operations[kind] = self.operations.get(kind, 0) + 1

    def check(self, directory):
        with self._lock:
            text = "\n".join(self._lines) + "\n"
        (Path(directory) / "histories").write_text(text)
        return run_checker(text)


def run_checker(text):
    """What is wrong with these histories, or an empty string."""
    program = Path(os.environ.get("GABION_TOOLS", "")) / "linear_check"
    if not program.exists():
        skip(f"{program} is not built")
    done = subprocess.run([str(program), "20000000"], input=text, capture_output=True, text=True, timeout=600, check=False)
    check(done.returncode in (0, 1), f"linear_check ended with {done.returncode}: {done.stdout[:500]}{done.stderr[:500]}")
    return done.stdout.strip()


def selftest():
    """The checker finds what it is there to find."""
    good = ("k put 1 2 1 0\nk swap 3 4 2 1\nk mismatch 5 6 0 1\nk remove 7 8 0 0\nk get 9 10 0 0\n"
            "k put 11 ? 3 0\nk get 12 13 3 0\n")
    check(run_checker(good) == "", "a good history is refused")
    for name, bad in {
            "stale read": "k put 1 2 1 0\nk put 3 4 2 0\nk get 5 6 1 0\n",
            "resurrection": "k put 1 2 1 0\nk remove 3 4 0 0\nk get 5 6 1 0\n",
            "two winners": "k put 1 2 1 0\nk swap 3 6 2 1\nk swap 3 6 3 1\n",
            "lost update": "k put 1 2 1 0\nk swap 3 4 2 1\nk get 5 6 1 0\n",
            "false mismatch": "k put 1 2 1 0\nk mismatch 3 4 0 1\n",
            "unwritten": "k get 1 2 7 0\n",
            "unknown write taken back": "k put 1 2 1 0\nk put 3 ? 2 0\nk get 4 5 2 0\nk get 6 7 1 0\n"}.items():
        check(run_checker(bad) != "", f"{name} goes unnoticed")
