"""Shards that nothing refers to do not stay: those of PUTs whose gateway was killed, and those on a node that was given up, on which
deleted objects still lie when it comes back. `gabion admin orphans start` removes exactly them, and the space is free again."""

import hashlib
import socket
import threading
import time

from cluster import Cluster, check_cluster, filled
from load import MIB, perform
from outcome import check, check_equal, run_test, say, wait_until
from s3 import object_path

BUCKET = "data"
SIZE = 1 * MIB
OBJECTS = 12
LARGE = 40 * MIB


def shards(cluster, node=None):
    return sum(drive["shards"] or 0 for drive in cluster.drives() if node in (None, drive["node"]))


def steady(cluster, node=None):
    """How many shards there are, once that does not change any more: nodes tell twice a second."""
    last = [shards(cluster, node), time.monotonic()]

    def unchanged():
        now = shards(cluster, node)
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return time.monotonic() - last[1] > 3
    wait_until(unchanged, 60, "the number of shards is steady", step=0.5)
    return last[0]


def half_a_put(cluster, name, key):
    """Sends the first half of an object and no more. The socket, which keeps the upload open."""
    client = cluster.s3(name)
    body = hashlib.sha256(key.encode()).digest() * (LARGE // 32)
    target, headers = client.head_of("PUT", object_path(BUCKET, key), payload_hash=hashlib.sha256(body).hexdigest())
    head = f"PUT {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + f"content-length: {LARGE}\r\n\r\n"
    stream = socket.create_connection((client.host, client.port), timeout=30)
    stream.sendall(head.encode() + body[:LARGE // 2])
    return stream


def search(cluster):
    job = cluster.admin("orphans", "start", "--wait=120", timeout=180)
    check_equal(job.returncode, 0, "the exit code of a search for orphans")
    status = cluster.admin_json("orphans", "status")["job"]
    check_equal((status["type"], status["state"], status["failedBlocks"]), ("orphans", "done", 0), "the search")
    return status


def killed_gateway(cluster, ledger):
    live = steady(cluster)
    check_equal(search(cluster)["bytesMoved"], 0, "bytes freed where there is nothing to free")
    check_equal(steady(cluster), live, "shards after a search that found nothing")
    victim = next(name for name in cluster.nodes if name != cluster.leader())
    streams = []

    def upload(number):
        streams.append(half_a_put(cluster, victim, f"large/{number}"))
    uploads = [threading.Thread(target=upload, args=(number,)) for number in range(4)]
    for thread in uploads:
        thread.start()
    for thread in uploads:
        thread.join()
    wait_until(lambda: shards(cluster) > live, 30, "halves of objects are stored", step=0.3)
    cluster.kill(victim)
    for stream in streams:
        stream.close()
    cluster.start(victim)
    cluster.wait_up()
    cluster.wait_repaired()
    orphans = steady(cluster) - live
    check(orphans > 0, "a killed gateway left nothing")
    freed = search(cluster)["bytesMoved"]
    check(freed > 4 * MIB, f"only {freed} bytes were freed")
    check_equal(steady(cluster), live, "shards after the search")
    check_cluster(cluster, ledger, "after the search for what a killed gateway left")
    say(f"{orphans} shards of a killed gateway, {freed} bytes, are gone")


def node_that_returns(cluster, ledger):
    live = steady(cluster)
    victim = next(name for name in cluster.nodes if name != cluster.leader())
    number = cluster.number_of(victim)
    cluster.kill(victim)

    def given_up():
        return any(n["name"] == number and n["state"] == "out" for n in cluster.admin_json("node", "ls")["items"])
    wait_until(given_up, 60, "the node is given up", step=0.3)
    cluster.wait_jobs()
    cluster.wait_repaired()
    client = cluster.s3(only=[name for name in cluster.nodes if name != victim])
    for i in range(OBJECTS // 2):
        perform(ledger, client, "delete", BUCKET, f"seed/{SIZE}-{i}")
    wait_until(lambda: steady(cluster) <= live // 2, 180, "deleted objects are erased from the others", step=1)
    cluster.start(victim)
    cluster.admin("node", "undrain", number, "--yes", "--wait=120", timeout=180)
    cluster.wait_up()
    cluster.wait_jobs()
    cluster.wait_repaired()
    cluster.admin("scrub", "start", "--wait=120", timeout=180)
    cluster.wait_repaired()
    check(steady(cluster) > live // 2, "the node came back without what it had")
    search(cluster)
    check_equal(steady(cluster), live // 2, "shards after the search")
    check_cluster(cluster, ledger, "after the search for what lay on a node that came back")
    say("a node that was given up came back, and keeps nothing that was deleted meanwhile")


def body(directory):
    settings = ["cluster.out_after=15", "background.gc_grace=1"]
    with Cluster(directory / "cluster", nodes=5, drives_per_node=3, settings=settings) as cluster:
        ledger = filled(cluster, directory, BUCKET, [SIZE], count=OBJECTS)
        cluster.wait_jobs()
        killed_gateway(cluster, ledger)
        node_that_returns(cluster, ledger)


if __name__ == "__main__":
    run_test(body)
