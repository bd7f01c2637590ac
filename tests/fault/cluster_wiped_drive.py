"""A drive of a node is wiped under load and replaced while the node runs: nothing is lost meanwhile, everything is rebuilt on
the new one, and afterwards another node may go."""

from pathlib import Path

from cluster import REQUEST_SECONDS, Cluster, ClusterLoad, check_cluster, filled
from load import KIB, MIB
from outcome import check, run_test, say, wait_until
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)


def drive(cluster, name):
    return next(d for d in cluster.admin_json("drive", "ls")["items"] if d["name"] == name)


def body(directory):
    with Cluster(directory / "cluster", nodes=6) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=3)
        load = ClusterLoad(cluster, ledger, BUCKET, workers=3, sizes=SIZES, seed=8).start()
        pause(1)
        victim = f"{cluster.number_of('n5')}/drive2"
        cluster.tool("wipe-drive", "n5", "2")
        wait_until(lambda: drive(cluster, victim)["state"] == "down", 30, "the wiped drive is seen down", step=0.3)
        acknowledged = ledger.acks
        wait_until(lambda: ledger.acks > acknowledged + 10, 20, "writes go on without the drive")
        lost = cluster.nodes["n5"]["drives"][1]
        cluster.admin("drive", "replace", victim, "--with", lost, "--yes", code=2)  # the node has it open still
        fresh = Path(cluster.nodes["n5"]["drives"][0]).parent / "drive3"
        fresh.mkdir()
        cluster.admin("drive", "replace", victim, "--with", fresh, "--yes", "--wait=120", timeout=180)
        load.stop()
        cluster.wait_repaired()
        replaced = drive(cluster, f"{cluster.number_of('n5')}/drive3")
        check(replaced["state"] == "up" and replaced["shards"] > 0, f"the new drive holds nothing: {replaced}")
        say(f"the new drive has {replaced['shards']} shards")
        pause(REQUEST_SECONDS)
        ledger.quiesce()
        check_cluster(cluster, ledger, "with the drive replaced")
        cluster.kill("n6")
        check_cluster(cluster, ledger, "with another node gone", names=[n for n in cluster.nodes if n != "n6"])
        cluster.start("n6")


if __name__ == "__main__":
    run_test(body)
