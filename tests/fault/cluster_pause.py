"""Nodes that stand still for a while (SIGSTOP), first the one that leads and then another: the others go on, and what a node
does when it wakes up neither undoes nor resurrects anything."""

import time

from cluster import REQUEST_SECONDS, Cluster, ClusterLoad, check_cluster, filled
from load import KIB, MIB
from outcome import check, run_test, say
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)
PAUSE_SECONDS = 8


def body(directory):
    with Cluster(directory / "cluster", nodes=6) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=2)
        load = ClusterLoad(cluster, ledger, BUCKET, workers=6, sizes=SIZES, seed=6).start()
        pause(1)
        for what, victim in (("leader", cluster.leader()), ("another node", list(cluster.nodes)[-1])):
            acknowledged, began = ledger.acks, time.monotonic()
            cluster.pause(victim)
            pause(PAUSE_SECONDS)
            gap = load.longest_gap(began)
            check(ledger.acks > acknowledged, f"nothing was acknowledged while the {what} stood still")
            cluster.resume(victim)
            say(f"{what} ({victim}) stood still: longest time without a success {gap:.1f} s")
            cluster.wait_up()
            pause(1)
        load.stop()
        pause(REQUEST_SECONDS)
        ledger.quiesce()
        check_cluster(cluster, ledger, "after the pauses")


if __name__ == "__main__":
    run_test(body)
