"""A node that stays away is given up: what it held is rebuilt on the others by themselves, and then another node may go. When it
comes back an operator takes it in again, with what it has."""

from cluster import REQUEST_SECONDS, Cluster, ClusterLoad, check_cluster, filled
from load import KIB, MIB
from outcome import check, run_test, say, wait_until
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)


def state_of(cluster, number):
    return next(n["state"] for n in cluster.admin_json("node", "ls")["items"] if n["name"] == number)


def body(directory):
    with Cluster(directory / "cluster", nodes=7, settings=["cluster.out_after=3"]) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=4)
        load = ClusterLoad(cluster, ledger, BUCKET, workers=3, sizes=SIZES, seed=13).start()
        number = cluster.number_of("n7")
        cluster.kill("n7")
        wait_until(lambda: state_of(cluster, number) == "out", 40, "the lost node is given up", step=0.3)
        cluster.wait_jobs()
        load.stop()
        cluster.wait_repaired()
        ledger.quiesce()
        left = [name for name in cluster.nodes if name != "n7"]
        check_cluster(cluster, ledger, "with a node given up", names=left)
        jobs = [job for job in cluster.admin_json("job", "ls")["items"] if "lost" in job["reason"]]
        check(jobs and jobs[-1]["state"] == "done" and jobs[-1]["failedBlocks"] == 0, f"the job of the rebuild: {jobs}")
        cluster.kill("n6")
        check_cluster(cluster, ledger, "with another one gone", names=[name for name in left if name != "n6"])
        cluster.start("n6", "n7")
        cluster.wait_up("n6")
        if state_of(cluster, cluster.number_of("n6")) == "out":
            cluster.admin("node", "undrain", cluster.number_of("n6"), "--yes")
        cluster.admin("node", "undrain", number, "--yes")
        cluster.wait_up()
        cluster.wait_jobs()
        pause(REQUEST_SECONDS)
        check_cluster(cluster, ledger, "with the node back")
        say("a node was given up, and taken back")


if __name__ == "__main__":
    run_test(body)
