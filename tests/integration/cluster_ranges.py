"""Ranges of keys that are split through the command line while clients go on: no request fails, every object has its bytes, and
all that goes over several keys at once goes over the boundaries: listings, deletions, copies, uploads, buckets. On one node and
on three, and after a restart of all."""

import base64
import hashlib
import json
import xml.etree.ElementTree as ET

import payload
from cluster import Cluster, check_cluster, filled
from load import KIB, MIB, PART
from outcome import check, check_equal, run_test, say, wait_until
from ranges import StrictLoad, begin_split, list_delimited, ranges, split, wait_settled
from s3 import NAMESPACE, object_path, xml_text

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)


def refusals(cluster):
    """One range at first; what cannot be split is refused with the reason, and nothing happens without a yes."""
    items = wait_settled(cluster, 1)
    check_equal(items[0]["group"], 0, "the group that has everything")
    plan = cluster.admin("--json", "range", "split", "--bucket", BUCKET, "--key", "seed/", code=1)
    check(json.loads(plan.stdout)["id"] in plan.stderr, "how to apply the plan is not told")
    cluster.admin("range", "split", "--bucket", BUCKET, "--key", "seed/", "--dry-run")
    wait_settled(cluster, 1)
    cluster.admin("range", "split", "--bucket", "nothing", "--yes", code=4)
    cluster.admin("range", "split", "--bucket", BUCKET, "--key", "k" * 1025, "--yes", code=2)
    cluster.admin("range", "split", "--bucket", BUCKET, "--key", "seed/", "--plan-id", "000000000000", code=6)
    cluster.admin("range", "split", "--bucket", BUCKET, "--key", "seed/", "--plan-id", json.loads(plan.stdout)["id"],
                  "--wait=120", timeout=180)
    again = cluster.admin("range", "split", "--bucket", BUCKET, "--key", "seed/", "--yes", code=5)
    check("begins there already" in again.stderr, f"it does not say why: {again.stderr}")
    lines = cluster.admin("range", "ls").stdout.splitlines()
    check(len(lines) == 2 and lines[1].startswith(f"{BUCKET}/seed/\t-\t1\t"), f"lines for scripts: {lines}")


def under_load(cluster, ledger):
    """Splits at keys that are being written, at the beginning of the bucket and after all of its keys."""
    load = StrictLoad(cluster, ledger, BUCKET, workers=4, sizes=SIZES, multipart=True, seed=8).start()
    for key in ("w1/k5", "", "w2/", "zzz", "w1/k2"):
        split(cluster, BUCKET, key)
    load.stop()
    check_equal((ledger.unknowns, ledger.refusals), (0, 0), "requests without an answer, and with a refusal")
    check(len(load.successes) > 100, f"only {len(load.successes)} requests prove little")
    check_cluster(cluster, ledger, f"with ranges split under {len(load.successes)} requests")
    return 7


def listings(client):
    """The boundary is at "list/m": inside of what one common prefix stands for, and of no importance to anybody."""
    keys = [f"list/{letter}/{n}" for letter in "almz" for n in range(5)] + ["list/m", "list/m0", "list/lz"]
    for key in keys:
        check(client.put(BUCKET, key, b"x").ok, "put")
    for page in (1, 2, 3, 1000):
        found, prefixes = list_delimited(client, BUCKET, "list/", page=page)
        check_equal(found, ["list/lz", "list/m", "list/m0"], f"keys, {page} a page")
        check_equal(prefixes, ["list/a/", "list/l/", "list/m/", "list/z/"], f"common prefixes, {page} a page")
        _, outer = list_delimited(client, BUCKET, "l", page=page)
        check_equal(outer, ["list/"], "a common prefix over the boundary comes once")
    check_equal(sorted(client.list(BUCKET, prefix="list/", page=4)), sorted(keys), "all keys")
    return keys


def deletions(client, keys):
    """Keys of both groups in one request; the results are in the order of the request."""
    asked = [*reversed(keys), "list/none", "list/z/none"]
    body = f"<Delete>{''.join(f'<Object><Key>{key}</Key></Object>' for key in asked)}</Delete>".encode()
    digest = base64.b64encode(hashlib.md5(body).digest()).decode()
    answer = client.request("POST", f"/{BUCKET}", query=[("delete", "")], headers={"content-md5": digest}, body=body)
    check(answer.ok, f"DeleteObjects: {answer}")
    deleted = [item.find(NAMESPACE + "Key").text for item in ET.fromstring(answer.body).iter(NAMESPACE + "Deleted")]
    check_equal(deleted, asked, "what was deleted, in order")
    check_equal(client.list(BUCKET, prefix="list/"), {}, "what is left")


def copies(client):
    """A copy in another group shares the bytes and keeps them when the source is gone, also of parts."""
    for size in (300, 200 * KIB, 9 * MIB):
        data = payload.stream(size, size)
        check(client.put(BUCKET, "list/a", data).ok, "put")
        check(client.copy(BUCKET, "list/z", BUCKET, "list/a").error_code() == "", "copy")
        check(client.copy(BUCKET, "list/b", BUCKET, "list/z").error_code() == "", "copy back")
        check(client.delete(BUCKET, "list/a").ok, "delete")
        for key in ("list/z", "list/b"):
            check(client.get(BUCKET, key).body == data, f"{key}: a copy of {size} bytes over the boundary")
    whole = payload.stream(1, PART + 100 * KIB)
    check(client.multipart(BUCKET, "list/whole", [whole[:PART], whole[PART:]]).ok, "multipart")
    path = object_path(BUCKET, "list/a-parts")
    upload = xml_text(client.request("POST", path, query=[("uploads", "")]).body, "UploadId")
    part = client.request("PUT", path, query=[("partNumber", "1"), ("uploadId", upload)],
                          headers={"x-amz-copy-source": object_path(BUCKET, "list/whole"),
                                   "x-amz-copy-source-range": f"bytes=1000-{PART + 2000}"})
    check(part.ok and part.error_code() == "", f"UploadPartCopy: {part}")
    complete(client, path, upload, [xml_text(part.body, "ETag")])
    check(client.delete(BUCKET, "list/whole").ok, "delete")
    check(client.get(BUCKET, "list/a-parts").body == whole[1000:PART + 2001], "a part that was copied over the boundary")


def complete(client, path, upload, etags):
    listing = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in enumerate(etags, 1))
    answer = client.request("POST", path, query=[("uploadId", upload)],
                            body=f"<CompleteMultipartUpload>{listing}</CompleteMultipartUpload>".encode())
    check(answer.ok and answer.error_code() == "", f"CompleteMultipartUpload: {answer}")


def uploads(cluster, client):
    """An upload that was begun before its key got another group is completed there."""
    path, etags = object_path(BUCKET, "up/load"), []
    upload = xml_text(client.request("POST", path, query=[("uploads", "")]).body, "UploadId")
    parts = [payload.stream(7, PART), payload.stream(8, 1000)]
    for number, part in enumerate(parts, 1):
        answer = client.request("PUT", path, query=[("partNumber", str(number)), ("uploadId", upload)], body=part)
        check(answer.ok, f"UploadPart: {answer}")
        etags.append(answer.headers["etag"])
        if number == 1:
            split(cluster, BUCKET, "up/")
    listed = client.request("GET", f"/{BUCKET}", query=[("uploads", "")])
    check_equal(xml_text(listed.body, "UploadId"), upload, "the upload in the list")
    complete(client, path, upload, etags)
    check(client.get(BUCKET, "up/load").body == b"".join(parts), "an upload over a split")


def buckets(cluster, client):
    """A bucket whose keys are in several groups is deleted when it is empty, and not while one has something of it."""
    check(client.create_bucket("several").ok, "bucket")
    for key in ("g", "p"):
        split(cluster, "several", key)
    for key in ("a", "h", "q"):
        check(client.put("several", key, b"x").ok, "put")
    for key in ("h", "a", "q"):
        refused = client.request("DELETE", "/several")
        check_equal((refused.status, refused.error_code()), (409, "BucketNotEmpty"), f"deleting a bucket that has {key}")
        check(client.delete("several", key).ok, "delete")
    check_equal(client.request("DELETE", "/several").status, 204, "deleting an empty bucket")
    for key in ("a", "h", "q"):
        check_equal(client.put("several", key, b"x").error_code(), "NoSuchBucket", f"a put of {key} after that")
    listed = ranges(cluster)["items"]
    check_equal([item["start"]["bucket"] for item in listed if item.get("start", {}).get("key") in ("g", "p")], ["", ""],
                "the names of ranges whose bucket is gone")
    check(client.create_bucket("several").ok, "the bucket again")
    for key in ("a", "h", "q"):
        check(client.put("several", key, b"y").ok and client.get("several", key).body == b"y", "a put in the new bucket")


def leaderships(cluster):
    """Every group is seen and handed over, wherever it is led."""
    groups = cluster.admin_json("raft", "status")["items"]
    check_equal([g["group"] for g in groups], sorted(item["group"] for item in ranges(cluster)["items"]), "groups")
    for group in groups[:3]:
        check_equal(len(group["members"]), 3, f"members of group {group['group']}")
        other = next(m["node"] for m in group["members"] if not m["leader"])
        cluster.admin("raft", "transfer", "--group", group["group"], "--to", other)

        def handed_over(number=group["group"], leader=other):
            return next(g for g in cluster.admin_json("raft", "status")["items"] if g["group"] == number)["leader"] == leader
        wait_until(handed_over, 10, f"{other} leads group {group['group']}", step=0.2)
    cluster.admin("raft", "transfer", "--group", "99", "--to", "n1", code=4)
    status = cluster.admin_json("cluster", "status")
    check_equal((status["groups"], status["groupsLed"]), (len(groups), len(groups)), "groups that are led")


def on(directory, nodes, drives):
    home = directory / str(nodes)
    home.mkdir()
    with Cluster(home / "cluster", nodes=nodes, drives_per_node=drives) as cluster:
        ledger = filled(cluster, home, BUCKET, SIZES, count=3, run=nodes)
        refusals(cluster)
        count = under_load(cluster, ledger)
        client = cluster.s3()
        split(cluster, BUCKET, "list/m")
        deletions(client, listings(client))
        copies(client)
        uploads(cluster, client)
        buckets(cluster, client)
        count += 4
        if nodes > 1:
            leaderships(cluster)
        before = [(item["group"], item.get("start")) for item in wait_settled(cluster, count)]
        for name in cluster.nodes:
            cluster.kill(name, signal="TERM")
        cluster.start(*cluster.nodes)
        cluster.wait_up()
        after = [(item["group"], item.get("start")) for item in wait_settled(cluster, count)]
        check_equal(after, before, "the ranges after a restart of all")
        client = cluster.s3()
        for key in ("list/z", "list/b", "list/a-parts", "up/load"):
            check(client.get(BUCKET, key).ok, f"{key} after a restart of all")
            check(client.delete(BUCKET, key).ok, "delete")
        check_cluster(cluster, ledger, f"on {nodes} nodes, after a restart of all")
        check(begin_split(cluster, BUCKET, "seed/3") is not None, "a split after the restart")
        wait_settled(cluster, count + 1)
    say(f"ranges on {nodes} nodes")


def body(directory):
    on(directory, nodes=1, drives=6)
    on(directory, nodes=3, drives=2)


if __name__ == "__main__":
    run_test(body)
