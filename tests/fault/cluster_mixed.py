"""Faults of all kinds, one node at a time, under mixed load: kills, standstills, changes of the leader and, where there are
network namespaces, partitions. In the end every acknowledged object is there, byte for byte, through every gateway, and nothing
waits for repair. GABION_MIXED_SECONDS and GABION_MIXED_SEED ask for more."""

import random
import time

from cluster import REQUEST_SECONDS, Cluster, ClusterLoad, check_cluster, filled
from faults import can_partition, strike
from load import KIB, MIB
from outcome import check, run_test, say
from rounds import how_many
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB, 3 * MIB)


def body(directory):
    seed = how_many("GABION_MIXED_SEED", 21)
    # With so little grace the collector erases what is overwritten while the faults go on.
    settings = ["background.gc_grace=1"]
    with Cluster(directory / "cluster", nodes=6, partitions=can_partition(), settings=settings) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=2)
        load = ClusterLoad(cluster, ledger, BUCKET, workers=6, sizes=SIZES, multipart=True, seed=seed).start()
        count = strike(cluster, random.Random(seed), time.monotonic() + how_many("GABION_MIXED_SECONDS", 40))
        cluster.wait_up()
        load.stop()
        pause(REQUEST_SECONDS)
        ledger.quiesce()
        check(count > 0 and ledger.acks > 50, f"{count} faults and {ledger.acks} acknowledged operations prove little")
        check_cluster(cluster, ledger, f"after {count} faults")
        cluster.wait_repaired()
        check_cluster(cluster, ledger, "with all repaired")
        say(f"{ledger.acks} acknowledged, {ledger.unknowns} unknown")


if __name__ == "__main__":
    run_test(body)
