"""The node that leads is killed every two seconds, again and again, under load: whoever leads next is found at once, nothing
acknowledged is lost. GABION_LEADER_SECONDS asks for more."""

import time

from cluster import Cluster, ClusterLoad, check_cluster, filled
from load import KIB, MIB
from outcome import check, run_test, say
from rounds import how_many
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)
EVERY_SECONDS = 2


def body(directory):
    with Cluster(directory / "cluster", nodes=5) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=2)
        load = ClusterLoad(cluster, ledger, BUCKET, workers=4, sizes=SIZES, seed=12).start()
        began, kills = time.monotonic(), 0
        while time.monotonic() < began + how_many("GABION_LEADER_SECONDS", 30):
            victim, struck = cluster.leader(), time.monotonic()
            cluster.kill(victim)
            cluster.start(victim, wait=False)
            kills += 1
            pause(max(0.0, EVERY_SECONDS - (time.monotonic() - struck)))
        gap = load.longest_gap(began)
        cluster.wait_up()
        pause(1)
        load.stop()
        say(f"{kills} leaders killed in {time.monotonic() - began:.0f} s; {ledger.acks} acknowledged, {ledger.unknowns} unknown, "
            f"longest time without a success {gap:.1f} s")
        check(ledger.acks > 10 * kills, "hardly anything was acknowledged")
        ledger.quiesce()
        check_cluster(cluster, ledger, "after the kills")


if __name__ == "__main__":
    run_test(body)
