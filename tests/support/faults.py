"""Faults of all kinds in a cluster, at random and one node at a time."""

import os
import shutil
import time

from server import pause


def can_partition():
    """Whether nodes can be given network namespaces here."""
    return os.geteuid() == 0 and shutil.which("ip") is not None


def strike(cluster, rng, end):
    """One fault after the other until the end; the cluster is whole again when it returns. The number of faults."""
    count = 0
    while time.monotonic() < end - 6:
        pause(rng.uniform(0.5, 2))
        kinds = ["kill", "stop", "kill leader", "stop leader", "transfer"]
        kind = rng.choice(kinds + (["part", "part leader"] if cluster.partitions else []))
        victim = cluster.leader() if "leader" in kind else rng.choice(list(cluster.nodes))
        if kind == "transfer":
            members = [item["name"] for item in cluster.admin_json("node", "ls")["items"] if "metadata" in item["roles"]]
            cluster.admin("raft", "transfer", rng.choice(members), code=None)
        elif "part" in kind:
            cluster.partition(victim)
            pause(rng.uniform(1, 7))
            cluster.heal()
        elif "kill" in kind:
            cluster.kill(victim)
            pause(rng.uniform(0.2, 7))
            cluster.start(victim)
        else:
            cluster.pause(victim)
            pause(rng.uniform(1, 7))
            cluster.resume(victim)
        count += 1
    return count
