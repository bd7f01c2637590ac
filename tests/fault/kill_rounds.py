"""kill -9 during mixed load, thirty rounds at random moments, some of them during the recovery from the one before: every
acknowledged object is read back byte for byte, every other one is absent or whole. GABION_KILL_ROUNDS asks for more."""

from outcome import check, run_test
from rounds import how_many, run_rounds
from server import Server


def body(directory):
    rounds = how_many("GABION_KILL_ROUNDS", 30)
    problems = run_rounds(Server(directory / "server"), directory, rounds, lambda _: None, seed=11, multipart=True)
    check(not problems, "; ".join(problems[:3]))


if __name__ == "__main__":
    run_test(body)
