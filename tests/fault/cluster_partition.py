"""A leader that is cut off from the other nodes while clients still reach it: it neither acknowledges what the others do not
have nor tells what is out of date, the others go on, and after the partition everything is one again. Then two nodes at once
that only reach each other. Needs network namespaces."""

import time

import payload
from cluster import REQUEST_SECONDS, Cluster, ClusterLoad, check_cluster, filled
from load import KIB, MIB
from outcome import check, run_test, say
from s3 import Unknown
from server import pause

BUCKET, APART = "data", "apart"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)
PARTITION_SECONDS = 8


def put_until_taken(client, key, number):
    data = payload.make(99, number, APART, key, 500, number)
    for _ in range(20):
        try:
            if client.put(APART, key, data).ok:
                return
        except Unknown:
            pass
        time.sleep(0.5)
    check(False, "the majority takes no writes")


def no_stale_answers(cluster, leader):
    """Writes through the majority, reads through the one that is cut off."""
    others = [name for name in cluster.nodes if name != leader]
    majority, isolated = cluster.s3(only=others, timeout=10), cluster.s3(leader, timeout=3)
    refused = 0
    for number in range(1, 6):
        put_until_taken(majority, "fresh", number)
        try:
            answer = isolated.get(APART, "fresh")
        except Unknown:
            refused += 1
            continue
        if answer.status == 200:
            check(payload.parse(answer.body).op == number, f"the isolated leader told operation {payload.parse(answer.body).op}, "
                                                           f"{number} was acknowledged before")
        else:
            check(answer.status in (500, 503), f"the isolated leader answered {answer}")
            refused += 1
    say(f"the isolated leader refused {refused} of 5 reads and told nothing out of date")


def body(directory):
    with Cluster(directory / "cluster", nodes=6, partitions=True) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=2)
        load = ClusterLoad(cluster, ledger, BUCKET, workers=6, sizes=SIZES, seed=7).start()
        check(cluster.s3().create_bucket(APART).ok, "the bucket cannot be made")
        pause(1)
        leader = cluster.leader()
        acknowledged, began = ledger.acks, time.monotonic()
        cluster.partition(leader)
        no_stale_answers(cluster, leader)
        pause(max(0.0, PARTITION_SECONDS - (time.monotonic() - began)))
        check(ledger.acks > acknowledged, "nothing was acknowledged while the leader was cut off")
        say(f"leader {leader} cut off: longest time without a success {load.longest_gap(began):.1f} s")
        cluster.heal()
        cluster.wait_up()
        pause(1)
        pair, began, acknowledged = list(cluster.nodes)[-2:], time.monotonic(), ledger.acks
        cluster.partition(*pair)
        pause(PARTITION_SECONDS)
        say(f"{' and '.join(pair)} cut off: {ledger.acks - acknowledged} acknowledged meanwhile")
        cluster.heal()
        cluster.wait_up()
        load.stop()
        pause(REQUEST_SECONDS)
        ledger.quiesce()
        check_cluster(cluster, ledger, "after the partitions")


if __name__ == "__main__":
    run_test(body)
