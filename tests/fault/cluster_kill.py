"""kill -9 of nodes of a cluster under mixed load, every other time of the one that leads, in the end of all at once: the others
go on within five seconds and read everything, and afterwards every acknowledged object is read back byte for byte through every
gateway. GABION_CLUSTER_ROUNDS asks for more."""

import random
import time

from cluster import Cluster, ClusterLoad, check_cluster, filled
from ledger import judge
from load import KIB, MIB
from outcome import check, run_test, say
from rounds import how_many
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)
GAP_SECONDS = 5


def read_seeds(cluster, ledger, names):
    """With one node gone no read fails."""
    clients = [cluster.s3(name) for name in names]
    for number, (bucket, key) in enumerate(k for k in ledger.keys() if k[1].startswith("seed/")):
        answer = clients[number % len(clients)].get(bucket, key)
        problem = judge(ledger, bucket, key, answer.status, answer.body)
        check(not problem, f"with one node gone: {problem}")


def body(directory):
    rng = random.Random(5)
    with Cluster(directory / "cluster", nodes=6) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=2)
        load = ClusterLoad(cluster, ledger, BUCKET, workers=4, sizes=SIZES, multipart=True, seed=5).start()
        worst = 0.0
        for number in range(how_many("GABION_CLUSTER_ROUNDS", 4)):
            pause(rng.uniform(0.5, 2))
            victim = cluster.leader() if number % 2 == 0 else rng.choice(list(cluster.nodes))
            began = time.monotonic()
            cluster.kill(victim)
            pause(GAP_SECONDS + 1)
            worst = max(worst, load.longest_gap(began))
            read_seeds(cluster, ledger, [name for name in cluster.nodes if name != victim])
            cluster.start(victim)
            cluster.wait_up()
        pause(1)
        cluster.kill(*cluster.nodes)
        cluster.start(*cluster.nodes)
        cluster.wait_up()
        pause(1)
        load.stop()
        say(f"after a node was killed, the longest time without a success was {worst:.1f} s")
        check(worst <= GAP_SECONDS, f"for {worst:.1f} s after a node was killed nothing succeeded")
        check(ledger.acks > 50, f"only {ledger.acks} acknowledged operations prove little")
        ledger.quiesce()
        check_cluster(cluster, ledger, "after the kills")


if __name__ == "__main__":
    run_test(body)
