"""One node of four drives becomes a cluster with its data, grows to six and to nine nodes, and shrinks to five, all under load;
after each step every object has its bytes. Drains move little more than they must."""

from cluster import REQUEST_SECONDS, Cluster, ClusterLoad, check_cluster, filled
from load import KIB, MIB
from outcome import check, run_test, say
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)


def step(cluster, ledger, directory, when, change):
    load = ClusterLoad(cluster, ledger, BUCKET, workers=2, sizes=SIZES, seed=when).start()
    change()
    cluster.wait_jobs(300)
    load.stop()
    cluster.wait_repaired()
    pause(REQUEST_SECONDS)
    ledger.quiesce()
    check_cluster(cluster, ledger, when)


def drain_and_remove(cluster, name):
    number = cluster.number_of(name)
    plan = cluster.admin_json("node", "drain", number, "--dry-run")
    check(plan["placesMoved"] <= 1.1 * plan["placesMinimum"] + 8,
          f"draining {number} moves {plan['placesMoved']} places, {plan['placesMinimum']} would do")
    cluster.admin("node", "remove", number, "--yes", code=5)  # refused while it is in use
    cluster.admin("node", "drain", number, "--yes", "--wait=300", timeout=400)
    cluster.admin("node", "remove", number, "--yes")
    cluster.kill(name, signal="TERM")
    del cluster.nodes[name]
    say(f"{number} drained and removed; {plan['placesMoved']} of {plan['placesTotal']} places moved")


def body(directory):
    cluster = Cluster(directory / "cluster", nodes=1, drives_per_node=4, settings=["background.repair_rate=268435456"])
    with cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=4)
        check_cluster(cluster, ledger, "one node")
        step(cluster, ledger, directory, "six nodes", lambda: [cluster.add(2) for _ in range(5)])
        step(cluster, ledger, directory, "nine nodes", lambda: [cluster.add(2) for _ in range(3)])
        step(cluster, ledger, directory, "five nodes",
             lambda: [drain_and_remove(cluster, name) for name in ("n9", "n8", "n7", "n6")])
        check(len(cluster.admin_json("node", "ls")["items"]) == 5, "five nodes are left")


if __name__ == "__main__":
    run_test(body)
