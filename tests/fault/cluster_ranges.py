"""Ranges that are split while the cluster is in trouble: the leader of the group that splits is killed, or the one that carries
the split out; a member stands still, is cut off, or is down all the while and comes back to groups that it has never heard of. Every
split comes to its end, and nothing acknowledged is lost."""

import json
import time

from cluster import REQUEST_SECONDS, Cluster, ClusterLoad, check_cluster, filled
from faults import can_partition
from load import KIB, MIB
from outcome import check, check_equal, run_test, say, wait_until
from ranges import begin_split, ranges, wait_settled
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)


class Trouble:
    """Splits one key after the other, each with something that happens to the cluster just then."""

    def __init__(self, cluster):
        self.cluster, self.count = cluster, 1
        self.keys = iter(f"w{worker}/k{key}" for key in (6, 3, 9, 1) for worker in range(4))

    def begin(self):
        begin_split(self.cluster, BUCKET, next(self.keys))
        self.count += 1

    def name_of(self, number):
        """How tools/cluster names the node that the cluster knows as n1, n2, ..."""
        item = next(item for item in self.cluster.admin_json("node", "ls")["items"] if item["name"] == number)
        return self.cluster.name_at(item["address"])

    def leader_of_fullest(self):
        """Of the group that the next split takes keys from, as far as can be told: the one with the most objects."""
        item = max(ranges(self.cluster)["items"], key=lambda item: item.get("objects", 0))
        return self.name_of(item["leader"])

    def end(self, what):
        wait_settled(self.cluster, self.count)
        say(f"{what}: the split was carried out, {self.count} ranges")

    def killed(self, victim, delay, what):
        self.begin()
        pause(delay)
        self.cluster.kill(victim)
        pause(2)
        self.cluster.start(victim)
        self.cluster.wait_up()
        self.end(f"{what} killed {delay} s after it began")

    def stands_still(self, victim, what):
        self.cluster.pause(victim)
        self.begin_patiently(victim)
        pause(6)
        self.cluster.resume(victim)
        self.cluster.wait_up()
        self.end(f"{what} stood still")

    def cut_off(self, victim, what):
        self.cluster.partition(victim)
        self.begin_patiently(victim)
        pause(6)
        self.cluster.heal()
        self.cluster.wait_up()
        self.end(f"{what} was cut off")

    def begin_patiently(self, away):
        """Where the one that led is away, somebody else has to be elected first. What was asked in vain may have been done."""
        key, via = next(self.keys), next(name for name in self.cluster.nodes if name != away)

        def begun():
            done = self.cluster.admin("--json", "range", "ls", code=None, via=via)
            if done.returncode != 0:
                return False
            listed = json.loads(done.stdout)
            starts = [item["start"] for item in listed["items"] if "start" in item] + [item["at"] for item in listed["splits"]]
            if any(start["key"] == key for start in starts):
                return True
            self.cluster.admin("range", "split", "--bucket", BUCKET, "--key", key, "--yes", code=None, via=via)
            return False
        wait_until(begun, 90, "a split is decided", step=0.3)
        self.count += 1


def kills(trouble):
    for delay in (0, 0.3, 1):
        trouble.killed(trouble.leader_of_fullest(), delay, "the leader of a group")
        trouble.killed(trouble.cluster.leader(), delay, "the leader of group 0")


def absent_member(trouble):
    """A member that was down when groups were made gets them when it is back, and can then be one of the two that decide."""
    cluster = trouble.cluster
    members = [m["node"] for m in cluster.admin_json("raft", "status")["items"][0]["members"]]
    absent = next(name for name in map(trouble.name_of, members) if name != cluster.leader())
    cluster.kill(absent)
    for _ in range(3):
        trouble.begin_patiently(absent)
    wait_settled(cluster, trouble.count)
    cluster.start(absent)
    cluster.wait_up()
    number = cluster.number_of(absent)

    def caught_up():
        groups = cluster.admin_json("raft", "status")["items"]
        of_it = [m for g in groups for m in g["members"] if m["node"] == number]
        return (len(groups) == len(of_it) == trouble.count and
                all(m.get("matched", 0) > 0 and m["behind"] < 1000 for m in of_it))
    wait_until(caught_up, 60, f"{absent} has caught up in all groups", step=0.5)
    other = next(name for name in map(trouble.name_of, members) if name != absent)
    cluster.kill(other)
    wait_settled(cluster, trouble.count)
    say(f"{absent} was away during three splits, and is needed now that {other} is")
    return other


def leaves(trouble):
    """A member that is drained leaves every group before it can be removed."""
    cluster = trouble.cluster
    members = [m["node"] for m in cluster.admin_json("raft", "status")["items"][0]["members"]]
    leader = cluster.number_of(cluster.leader())
    number = next(m for m in members if m != leader)
    name = trouble.name_of(number)
    cluster.admin("node", "drain", number, "--yes", "--wait=180", timeout=240)

    def removed():
        done = cluster.admin("node", "remove", number, "--yes", code=None)
        check(done.returncode in (0, 5, 9), f"removing a drained node: {done.stderr}")
        return done.returncode == 0
    wait_until(removed, 60, f"{number} has left all groups", step=0.5)
    check_equal(cluster.admin_json("ring", "show")["previousEpochs"], [], "rings that are kept")
    for group in cluster.admin_json("raft", "status")["items"]:
        check(number not in [m["node"] for m in group["members"]], f"{number} was removed and is in group {group['group']}")
    cluster.kill(name, signal="TERM")
    del cluster.nodes[name]
    cluster.wait_up()
    say(f"{name} has left all groups and the cluster")


def body(directory):
    with Cluster(directory / "cluster", nodes=5, partitions=can_partition()) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=2)
        load = ClusterLoad(cluster, ledger, BUCKET, workers=4, sizes=SIZES, seed=31).start()
        trouble = Trouble(cluster)
        began = time.monotonic()
        kills(trouble)
        trouble.stands_still(cluster.leader(), "the leader of group 0")
        trouble.stands_still(trouble.leader_of_fullest(), "the leader of a group")
        if cluster.partitions:
            trouble.cut_off(cluster.leader(), "the leader of group 0")
            trouble.cut_off(trouble.leader_of_fullest(), "the leader of a group")
        away = absent_member(trouble)
        acknowledged = ledger.acks
        wait_until(lambda: ledger.acks > acknowledged + 20, 30, "the clients go on with the member that was absent", step=0.2)
        cluster.start(away)
        cluster.wait_up()
        load.stop()
        pause(REQUEST_SECONDS)
        ledger.quiesce()
        say(f"{ledger.acks} acknowledged, {ledger.unknowns} unknown in {time.monotonic() - began:.0f} s")
        check_cluster(cluster, ledger, "after all that")
        load.start()
        leaves(trouble)
        load.stop()
        pause(REQUEST_SECONDS)
        ledger.quiesce()
        check_cluster(cluster, ledger, "with a member gone")
        for name in cluster.nodes:
            cluster.kill(name)
        cluster.start(*cluster.nodes)
        cluster.wait_up()
        wait_settled(cluster, trouble.count)
        check_cluster(cluster, ledger, "after every node was killed at once")


if __name__ == "__main__":
    run_test(body)
