"""How a test script ends: 0 all claims held, 1 one did not, 77 it could not run here (ctest reports it as skipped).

Claims are checked with check(); the first that does not hold ends the script with the reason on the last line.
"""

import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

SKIPPED = 77
at_end = []  # called when a test ends, however it ends: what it started must not outlive it


class Failed(Exception):
    """A claim did not hold."""


def check(claim, text):
    if not claim:
        raise Failed(text)


def check_equal(got, want, text):
    if got != want:
        raise Failed(f"{text}: got {_short(got)}, want {_short(want)}")


def skip(reason):
    """This machine lacks what the test needs; says what, so that a skipped test is never a silent one."""
    print(f"SKIPPED: {reason}", flush=True)
    sys.exit(SKIPPED)


def need(*programs):
    """Skips unless all of these are installed."""
    for program in programs:
        if shutil.which(program, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            skip(f"{program} is not installed")


def say(text):
    print(text, flush=True)


def wait_until(condition, seconds, what, step=0.02):
    """Waits for a condition with a deadline; returns what the condition returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        check(time.monotonic() < end, f"after {seconds} s still not: {what}")
        time.sleep(step)


def run_test(body):
    """Runs body(directory) in a fresh temporary directory, which stays for inspection when a claim fails."""
    directory = Path(tempfile.mkdtemp(prefix="gabion-test-"))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by SIGTERM"))
    try:
        try:
            body(directory)
        finally:
            for end in at_end:
                end()
    except Failed as failure:
        say(f"kept for inspection: {directory}")
        say(f"FAILED: {failure}")
        sys.exit(1)
    except SystemExit:
        shutil.rmtree(directory, ignore_errors=True)
        raise
    except BaseException:  # an error of the test itself is a failure too
        traceback.print_exc()
        say(f"kept for inspection: {directory}")
        sys.exit(1)
    shutil.rmtree(directory, ignore_errors=True)
    say("all claims held")


def _short(value):
    text = repr(value)
    return text if len(text) <= 200 else text[:200] + "..."
