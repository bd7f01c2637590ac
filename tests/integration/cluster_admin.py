"""`gabion admin` against a cluster: what each noun shows, through each node; plans that are shown, applied and go stale;
refusals with their exit codes; and nothing for whoever does not sign."""

import json
import subprocess
import time
import urllib.error
import urllib.request

from cluster import Cluster
from outcome import check, check_equal, run_test, say, wait_until
from server import binary


def unsigned(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def shows(cluster):
    for name in cluster.nodes:
        status = cluster.admin_json("cluster", "status", via=name)
        counts = [status[n] for n in ("nodes", "nodesUp", "drives", "drivesUp", "metadataMembers")]
        check_equal(counts, [4, 4, 8, 8, 3], f"status from {name}")
    nodes = cluster.admin_json("node", "ls")["items"]
    check_equal(sorted(n["name"] for n in nodes), ["n1", "n2", "n3", "n4"], "nodes")
    check_equal(sum(n["leader"] for n in nodes), 1, "leaders")
    drives = cluster.drives()
    check(all(d["state"] == "up" and d["capacityBytes"] > 0 and d["places"] > 0 for d in drives), f"drives: {drives}")
    ring = cluster.admin_json("ring", "show")
    check_equal(sum(d["places"] for d in ring["drives"]), ring["partitions"] * ring["width"], "places of the ring")
    check(cluster.admin_json("capacity")["total"]["rawBytes"] > 0, "capacity")
    check_equal(cluster.admin_json("repair", "status")["waitingBlocks"], 0, "blocks that wait")
    group = cluster.admin_json("raft", "status")["items"][0]
    check_equal(len(group["members"]), 3, "members of the group")
    lines = cluster.admin("node", "ls").stdout.splitlines()
    check(len(lines) == 4 and all(line.count("\t") == 9 for line in lines), f"lines for scripts: {lines}")
    say("every node tells the same")


def changes(cluster):
    plan = cluster.admin("--json", "node", "drain", "n4", code=1)  # nobody says yes
    plan_id = json.loads(plan.stdout)["id"]
    check(plan_id in plan.stderr, "how to apply the plan is not told")
    cluster.admin("node", "remove", "n4", "--yes", code=5)
    cluster.admin("node", "drain", "n9", "--dry-run", code=4)
    cluster.admin("node", "drain", "four", "--dry-run", code=2)
    job = cluster.admin("scrub", "start").stdout.strip()
    cluster.admin("node", "drain", "n4", "--plan-id", plan_id, code=6)  # the scrub has changed the cluster's state
    cluster.admin("job", "watch", job, "--wait=60")
    check_equal(cluster.admin_json("job", "show", job)["state"], "done", "the scrub")
    check_equal(cluster.admin_json("scrub", "status")["job"]["failedBlocks"], 0, "bad blocks")
    cluster.admin("job", "show", "J-999", code=4)
    say("plans, refusals and a scrub")


def leadership(cluster):
    leader = next(n["name"] for n in cluster.admin_json("node", "ls")["items"] if n["leader"])
    other = next(m["node"] for m in cluster.admin_json("raft", "status")["items"][0]["members"] if m["node"] != leader)
    cluster.admin("raft", "transfer", other)
    check_equal(cluster.admin_json("raft", "status")["items"][0]["leader"], other, "the leader after a transfer")
    cluster.admin("raft", "transfer", "n4", code=5)  # no member
    # All nodes find the new leader by themselves, also those that are no members and have nothing else to ask.
    end = time.monotonic() + 7
    while time.monotonic() < end:
        time.sleep(0.5)
        states = {n["name"]: n["state"] for n in cluster.admin_json("node", "ls")["items"]}
        check(set(states.values()) == {"up"}, f"a node is lost after a transfer: {states}")
    say("leadership moves where it is told")


def joining(cluster, directory):
    """The command that `node add` prints, run as it is but for the address and the drive."""
    address = cluster.nodes["n1"]["cluster_address"].rpartition(":")[0].rpartition(".")[0] + ".99"
    (directory / "drive").mkdir()
    printed = cluster.admin("node", "add").stdout.strip()
    command = printed.replace("ADDRESS", address).replace("DRIVE...", str(directory / "drive")).split()
    check_equal(command[:2], ["gabion", "serve"], "the command to run")
    with open(directory / "joined.log", "wb") as log:
        process = subprocess.Popen([binary(), *command[1:], "--listen", f"{address}:9000", "--admin-listen", f"{address}:9001"],
                                   stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        def up():
            nodes = cluster.admin_json("node", "ls")["items"]
            return any(n["address"] == f"{address}:9002" and n["state"] == "up" and n["drivesUp"] == 1 for n in nodes)
        wait_until(up, 30, "the new node is up", step=0.3)
        cluster.wait_jobs()
        number = next(n["name"] for n in cluster.admin_json("node", "ls")["items"] if n["address"] == f"{address}:9002")
        cluster.admin("node", "drain", number, "--yes", "--wait=60", timeout=120)
        cluster.admin("node", "remove", number, "--yes")
    finally:
        process.terminate()
        process.wait(40)
    say("a machine joins with the command that is printed, and leaves")


def strangers(cluster):
    for name, node in cluster.nodes.items():
        for path in ("/admin/v1/nodes", "/admin/v1/nothing"):
            status, body = unsigned(node["admin_endpoint"] + path)
            check_equal((status, json.loads(body)["error"]["code"]), (403, "denied"), f"an unsigned request to {name}")
    secret = cluster.description["credentials"]["secret_key"]
    cluster.description["credentials"]["secret_key"] = "not-the-secret"
    cluster.admin("node", "ls", code=3)
    cluster.description["credentials"]["secret_key"] = secret
    say("strangers are told nothing")


def body(directory):
    with Cluster(directory / "cluster", nodes=4) as cluster:
        check(cluster.s3().create_bucket("first").ok, "bucket")
        for number in range(20):
            check(cluster.s3().put("first", f"k{number}", b"x" * 30_000).ok, "put")
        shows(cluster)
        changes(cluster)
        leadership(cluster)
        joining(cluster, directory)
        strangers(cluster)


if __name__ == "__main__":
    run_test(body)
