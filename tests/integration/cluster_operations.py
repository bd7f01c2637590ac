"""What operators do to a cluster that serves: a drive is added to a running node, drained and removed; a node is drained, taken
back, drained again and removed; jobs are paused, resumed and cancelled. Every object has its bytes after each step, and a
restart finds everything as it was left."""

from pathlib import Path

from cluster import Cluster, check_cluster, filled
from load import KIB, MIB
from outcome import check, check_equal, run_test, say, wait_until

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)


def drive(cluster, name):
    return next((d for d in cluster.drives() if d["name"] == name), None)


def drives(cluster, ledger):
    home = Path(cluster.nodes["n4"]["drives"][0]).parent
    added, strange = home / "extra", home / "strange"
    added.mkdir()
    strange.mkdir()
    (strange / "file").write_text("somebody's")
    done = cluster.admin("drive", "add", "n4", strange, "--yes", code=2)
    check("not empty" in done.stderr, f"it does not say why: {done.stderr}")
    cluster.admin("drive", "add", "n4", home / "missing", "--yes", code=2)
    plan = cluster.admin_json("drive", "add", "n4", added, "--dry-run")
    check_equal((plan["before"]["drives"], plan["after"]["drives"]), (15, 16), "drives before and after")
    check_equal(list(added.iterdir()), [], "a dry run writes nothing")
    cluster.admin("drive", "add", "n4", added, "--yes", "--wait=120", timeout=180)
    wait_until(lambda: drive(cluster, "n4/extra")["shards"] > 0, 20, "the new drive holds shards", step=0.3)
    cluster.wait_repaired()
    check_cluster(cluster, ledger, "with a drive added")
    cluster.kill("n4", signal="TERM")
    cluster.start("n4")
    cluster.wait_up()
    wait_until(lambda: drive(cluster, "n4/extra")["state"] == "up", 20, "the node knows the new drive after a restart", step=0.3)
    cluster.admin("drive", "remove", "n4/extra", "--yes", code=5)
    cluster.admin("drive", "drain", "n4/extra", "--yes", "--wait=120", timeout=180)
    cluster.admin("drive", "drain", "n4/extra", "--yes", code=1)  # it is so already
    cluster.admin("drive", "remove", "n4/extra", "--yes")
    check(drive(cluster, "n4/extra") is None, "the removed drive is still listed")
    check_cluster(cluster, ledger, "with the drive removed")


def nodes(cluster, ledger):
    cluster.admin("node", "drain", "n4", "--yes")
    check_equal([n["state"] for n in cluster.admin_json("node", "ls")["items"] if n["name"] == "n4"], ["draining"], "n4")
    cluster.admin("node", "undrain", "n4", "--yes", "--wait=120", timeout=180)
    cluster.wait_jobs()
    check_cluster(cluster, ledger, "with a node drained and taken back")


def leader(cluster, ledger):
    """The node that leads leaves the cluster: it hands over, leaves the metadata and gives its data away."""
    name = cluster.leader()
    number = cluster.number_of(name)
    cluster.admin("node", "drain", number, "--yes", "--wait=120", timeout=180)
    cluster.wait_jobs()
    wait_until(lambda: number not in [m["node"] for m in cluster.admin_json("raft", "status")["items"][0]["members"]], 30,
               "the drained node leaves the metadata", step=0.3)
    cluster.admin("node", "remove", number, "--yes")
    check(cluster.leader() != name, "a node that was removed leads")
    cluster.kill(name, signal="TERM")
    del cluster.nodes[name]
    cluster.wait_up()
    check_cluster(cluster, ledger, "with the leader gone")


def jobs(cluster):
    job = cluster.admin("ring", "rebalance", "--yes").stdout.split()[-1]
    paused = cluster.admin("job", "pause", job, code=None)
    if paused.returncode == 0:
        cluster.admin("job", "watch", job, "--wait=2", code=7)
        check_equal(cluster.admin("job", "resume", job).stdout, "running\n", "the state of a resumed job")
    else:
        check_equal(paused.returncode, 6, "a job that is over cannot be paused")
    cluster.admin("job", "watch", job, "--wait=60", code=0)
    cluster.admin("job", "cancel", job, code=6)
    scrub = cluster.admin("scrub", "start").stdout.strip()
    cancelled = cluster.admin("job", "cancel", scrub, code=None).returncode
    check(cancelled in (0, 6), f"cancelling a scrub ended with {cancelled}")
    say("jobs are paused, resumed and cancelled")


def body(directory):
    with Cluster(directory / "cluster", nodes=5, drives_per_node=3) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=6)
        drives(cluster, ledger)
        nodes(cluster, ledger)
        jobs(cluster)
        leader(cluster, ledger)
        for name in cluster.nodes:
            cluster.kill(name, signal="TERM")
        cluster.start(*cluster.nodes)
        cluster.wait_up()
        check_cluster(cluster, ledger, "after a restart of all")


if __name__ == "__main__":
    run_test(body)
