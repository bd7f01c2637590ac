"""All nodes are restarted one after the other, in order, under load: no acknowledged object is lost, and clients that go to
another gateway are never without service for more than five seconds."""

import time

from cluster import Cluster, ClusterLoad, check_cluster, filled
from load import KIB, MIB
from outcome import check, run_test, say

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)
GAP_SECONDS = 5


def body(directory):
    with Cluster(directory / "cluster", nodes=6) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=2)
        load = ClusterLoad(cluster, ledger, BUCKET, workers=4, sizes=SIZES, multipart=True, seed=9).start()
        began = time.monotonic()
        for name in cluster.nodes:
            cluster.kill(name, signal="TERM")
            cluster.start(name)
            cluster.wait_up()
        gap = load.longest_gap(began)
        load.stop()
        say(f"six restarts in {time.monotonic() - began:.0f} s, {ledger.acks} acknowledged, {ledger.unknowns} unknown, longest "
            f"time without a success {gap:.1f} s")
        check(gap <= GAP_SECONDS, f"for {gap:.1f} s nothing succeeded")
        ledger.quiesce()
        check_cluster(cluster, ledger, "after the restarts")


if __name__ == "__main__":
    run_test(body)
