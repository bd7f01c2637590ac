"""A cluster shrinks below the width of its storage class while nodes, whoever leads among them, are killed and come back: what is
stored is coded anew by those that are up, the drain that had to wait follows by itself, and every object has its bytes. Its
keys are in two metadata groups that share manifests."""

from cluster import REQUEST_SECONDS, Cluster, ClusterLoad, check_cluster, filled
from load import KIB, MIB
from outcome import check, check_equal, run_test, say, wait_until
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 3 * MIB)
KILLS = 4


def jobs(cluster, kind):
    return [job for job in cluster.admin_json("job", "ls")["items"] if job["type"] == kind]


def recoding(cluster):
    return any(job["state"] == "running" for job in jobs(cluster, "reencode"))


def kill_while_it_works(cluster, leaving):
    """The number of nodes that were killed while something was coded anew; the one that leaves is spared."""
    killed = 0
    for round_ in range(KILLS):
        if not recoding(cluster):
            break
        leader = cluster.leader()
        others = sorted(name for name in cluster.nodes if name not in (leader, leaving))
        victim = leader if round_ % 2 == 0 and leader != leaving else others[round_ % len(others)]
        cluster.kill(victim)
        killed += 1
        pause(2)
        cluster.start(victim)
    return killed


def body(directory):
    cluster = Cluster(directory / "cluster", nodes=7, drives_per_node=1, settings=["background.repair_rate=1048576"])
    with cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=8)
        cluster.admin("range", "split", "--bucket", BUCKET, "--key", "seed/2", "--yes", "--wait=60", timeout=90)
        seventh = cluster.number_of("n7")
        cluster.admin("node", "drain", seventh, "--yes", "--wait=300", timeout=400)
        cluster.admin("node", "remove", seventh, "--yes")
        cluster.kill("n7", signal="TERM")
        del cluster.nodes["n7"]
        check_equal(jobs(cluster, "reencode"), [], "jobs that code anew, with six drives for 4+2")
        load = ClusterLoad(cluster, ledger, BUCKET, workers=2, sizes=SIZES, seed="narrowing").start()
        cluster.admin("node", "drain", cluster.number_of("n6"), "--yes")
        wait_until(lambda: recoding(cluster), 20, "a job codes anew", step=0.2)
        killed = kill_while_it_works(cluster, "n6")
        check(killed > 1, "it was over before anything could happen to it")
        say(f"{killed} nodes were killed meanwhile")
        cluster.wait_jobs(400)
        load.stop()
        check_equal([job["state"] for job in jobs(cluster, "reencode")], ["done"], "the job that coded anew")
        cluster.admin("node", "remove", cluster.number_of("n6"), "--yes")
        cluster.kill("n6", signal="TERM")
        del cluster.nodes["n6"]
        cluster.wait_repaired()
        pause(REQUEST_SECONDS)
        ledger.quiesce()
        check_cluster(cluster, ledger, "five nodes")


if __name__ == "__main__":
    run_test(body)
