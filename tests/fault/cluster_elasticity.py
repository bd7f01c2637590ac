"""One node of four drives becomes a cluster with its data, grows to six and to nine nodes, takes a drive of another size, and
shrinks to five nodes, fewer than its storage class is wide, all under load; after each step every object has its bytes. Drains
move little more than they must."""

import os
import subprocess
from pathlib import Path

from cluster import REQUEST_SECONDS, Cluster, ClusterLoad, check_cluster, fill, filled
from load import KIB, MIB
from outcome import at_end, check, check_equal, run_test, say
from server import pause

BUCKET = "data"
STILL = 4  # objects of a MiB that are as wide as the widest class, and that the load does not write anew
ODD_MIB = 1500
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


def unmount(path):
    if os.path.ismount(path):
        subprocess.run(["umount", "-l", path], check=False)


def add_odd_drive(cluster, name):
    number = cluster.number_of(name)
    odd = Path(cluster.nodes[name]["drives"][0]).parent / "odd"
    odd.mkdir()
    if os.geteuid() == 0:
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ODD_MIB}m", "gabion", odd], check=True)
        at_end.append(lambda: unmount(odd))
    before = cluster.nodes[name]["pid"]
    cluster.admin("drive", "add", number, odd, "--yes", "--wait=300", timeout=400)
    check_equal(cluster.nodes[name]["pid"], before, "the process of the node that got a drive")


def drain_and_remove(cluster, name):
    number = cluster.number_of(name)
    plan = cluster.admin_json("node", "drain", number, "--dry-run")
    check(plan["placesMoved"] <= 1.1 * plan["placesMinimum"] + 8,
          f"draining {number} moves {plan['placesMoved']} places, {plan['placesMinimum']} would do")
    cluster.admin("node", "remove", number, "--yes", code=5)  # refused while it is in use
    cluster.admin("node", "drain", number, "--yes", "--wait=300", timeout=900)
    cluster.admin("node", "remove", number, "--yes")
    cluster.kill(name, signal="TERM")
    for drive in Path(cluster.nodes[name]["drives"][0]).parent.iterdir():
        unmount(drive)
    del cluster.nodes[name]
    say(f"{number} drained and removed; {plan['placesMoved']} of {plan['placesTotal']} places moved: {plan['summary']}")
    return plan


def shrink(cluster):
    """Four nodes leave, at last the first one, which has four drives: five are left, and blocks have had six shards."""
    for name in ("n9", "n8", "n7"):
        check("storage class" not in drain_and_remove(cluster, name)["summary"], "the class need not change yet")
    last = drain_and_remove(cluster, "n1")
    check(last["summary"].startswith("storage class becomes 2+2"), f"the plan does not say what it takes: {last['summary']}")
    jobs = cluster.admin_json("job", "ls")["items"]
    recoded = [job for job in jobs if job["type"] == "reencode"]
    check_equal([job["state"] for job in recoded], ["done"], "the jobs that coded anew")
    check(recoded[0]["bytesMoved"] >= STILL * MIB, f"only {recoded[0]['bytesMoved']} bytes were coded anew")


def body(directory):
    cluster = Cluster(directory / "cluster", nodes=1, drives_per_node=4, settings=["background.repair_rate=268435456"])
    with cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=4)
        check_cluster(cluster, ledger, "one node")
        step(cluster, ledger, directory, "six nodes", lambda: [cluster.add(1) for _ in range(5)])
        step(cluster, ledger, directory, "nine nodes", lambda: [cluster.add(1) for _ in range(3)])
        fill(cluster, ledger, "still", [1 * MIB], count=STILL)
        step(cluster, ledger, directory, "a drive of another size", lambda: add_odd_drive(cluster, "n9"))
        step(cluster, ledger, directory, "five nodes", lambda: shrink(cluster))
        check_equal(len(cluster.admin_json("node", "ls")["items"]), 5, "nodes that are left")


if __name__ == "__main__":
    run_test(body)
