"""The checker of histories that tests of clusters rely on finds stale reads, resurrections, two winners and lost updates."""

from histories import selftest
from outcome import run_test, say


def body(directory):
    selftest()
    say("planted violations are found")


if __name__ == "__main__":
    run_test(body)
