"""Rounds of mixed load, a cut at a random moment, a restart, and the sweep that finds what the cut destroyed."""

import os
import random

from ledger import Ledger
from load import KIB, MIB, Load, sweep
from outcome import Failed, check, say, wait_until
from server import pause

BUCKET = "rounds"
ROUND_ACKS = 4  # with fewer a cut proves little; a busy machine takes its time
# Inline, copied and coded objects; large ones would only make each round longer.
SIZES = (200, 3 * KIB, 20 * KIB, 100 * KIB, 300 * KIB, 1 * MIB)


def how_many(variable, default):
    """The number of rounds or states; the environment variable asks for more than CI has time for."""
    return int(os.environ.get(variable, default))


def run_rounds(server, directory, rounds, cut, seed, seconds=(0.05, 0.4), sizes=SIZES, cut_recovery=True, multipart=False):
    """Runs the rounds until one finds a problem; returns the list of problems.

    `cut(round)` is called when the server has been killed, to do to its disks what a cut does. In one round of four the
    recovery that follows is cut as well.
    """
    rng = random.Random(seed)
    ledger = Ledger(directory / "ledger", run=seed)
    server.start()
    check(server.s3().create_bucket(BUCKET).ok, "the bucket cannot be made")
    cuts = 0
    for number in range(rounds):
        load = Load(server, ledger, BUCKET, workers=4, keys_per_worker=8, sizes=sizes,
                    multipart=multipart, seed=f"{seed}/{number}")
        enough = ledger.acks + ROUND_ACKS
        load.start()
        pause(rng.uniform(*seconds))
        wait_until(lambda: ledger.acks >= enough or load.problems, 60, "a few operations are acknowledged", step=0.005)
        server.kill()
        try:
            load.stop()
        except Failed as failure:
            return [f"round {number}: {failure}"]
        cut(number)
        cuts += 1
        if cut_recovery and rng.random() < 0.25:
            server.start(wait=False)
            pause(rng.uniform(0, 0.3))
            server.kill()
            cut(number + rounds)
            cuts += 1
        server.start()
        problems = sweep(ledger, server.s3())
        if problems:
            server.kill()
            return [f"round {number}: {problem}" for problem in problems]
    server.stop()
    say(f"{cuts} cuts, {ledger.acks} acknowledged and {ledger.unknowns} unanswered operations, "
        f"{len(ledger.keys())} keys: nothing lost, nothing wrong")
    return []
