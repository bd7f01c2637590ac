"""A drive of a node is wiped under load and replaced at its path while the node runs; after a restart the other one. Nothing is
lost meanwhile, metadata and keys included, everything is rebuilt on the new ones, and afterwards another node may go."""

from cluster import REQUEST_SECONDS, Cluster, ClusterLoad, check_cluster, filled
from load import KIB, MIB
from outcome import check, run_test, say, wait_until
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)


def drive(cluster, name):
    return next(d for d in cluster.drives() if d["name"] == name)


def replace(cluster, ledger, number):
    """Wipes a drive of n5 and puts a new one in its place, where it was."""
    victim = f"{cluster.number_of('n5')}/drive{number}"
    before = drive(cluster, victim)["id"]
    cluster.tool("wipe-drive", "n5", str(number))
    wait_until(lambda: drive(cluster, victim)["state"] == "down", 30, "the wiped drive is seen down", step=0.3)
    acknowledged = ledger.acks
    wait_until(lambda: ledger.acks > acknowledged + 10, 20, "writes go on without the drive")
    cluster.admin("drive", "replace", victim, "--with", cluster.nodes["n5"]["drives"][number - 1], "--yes", "--wait=120",
                  timeout=180)
    cluster.wait_repaired()
    fresh = drive(cluster, victim)
    check(fresh["id"] != before, "the drive in its place has the name of the lost one")
    check(fresh["state"] == "up" and fresh["shards"] > 0, f"the new drive holds nothing: {fresh}")
    say(f"the new {victim} has {fresh['shards']} shards")


def body(directory):
    with Cluster(directory / "cluster", nodes=6) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=3)
        load = ClusterLoad(cluster, ledger, BUCKET, workers=3, sizes=SIZES, seed=8).start()
        pause(1)
        for number in (2, 1):
            replace(cluster, ledger, number)
            # With a restart between them, the second loss leaves a copy of what only the first drive's successor has.
            cluster.kill("n5", signal="TERM")
            cluster.start("n5")
            cluster.wait_up()
            found = drive(cluster, f"{cluster.number_of('n5')}/drive{number}")
            check(found["state"] == "up" and found["shards"] > 0, f"after a restart: {found}")
        load.stop()
        pause(REQUEST_SECONDS)
        ledger.quiesce()
        check_cluster(cluster, ledger, "with the drive replaced")
        cluster.kill("n6")
        check_cluster(cluster, ledger, "with another node gone", names=[n for n in cluster.nodes if n != "n6"])
        cluster.start("n6")


if __name__ == "__main__":
    run_test(body)
