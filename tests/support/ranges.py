"""Key ranges of a cluster for tests: splitting them through the command line, and load during which every request succeeds."""

import json
import urllib.parse
import xml.etree.ElementTree as ET

from cluster import ClusterLoad
from load import Load
from outcome import check, check_equal, wait_until
from s3 import NAMESPACE, xml_text


def ranges(cluster):
    return cluster.admin_json("range", "ls")


def begin_split(cluster, bucket, key="", code=0):
    """Decides a split; the number of the new group."""
    done = cluster.admin("range", "split", "--bucket", bucket, *(["--key", key] if key else []), "--yes", code=code)
    return int(done.stdout) if code == 0 and done.returncode == 0 else None


def split(cluster, bucket, key="", seconds=120):
    """Splits and waits until nothing is left to do for it; the number of the new group."""
    done = cluster.admin("--json", "range", "split", "--bucket", bucket, *(["--key", key] if key else []), "--yes",
                         f"--wait={seconds}", timeout=seconds + 60)
    made = json.loads(done.stdout)
    check_equal((made["state"], made["at"]["bucket"], made["at"]["key"]), ("done", bucket, key), "the split")
    return made["group"]


def settled(cluster):
    """The ranges, when no split is pending, every group has a leader, and none has rows that are not its own; else None."""
    done = cluster.admin("--json", "range", "ls", code=None)
    if done.returncode != 0:
        return None
    listed = json.loads(done.stdout)
    fine = not listed["splits"] and all(item["leader"] and not item["removing"] for item in listed["items"])
    return listed["items"] if fine else None


def wait_settled(cluster, count, seconds=120):
    """All splits are carried out to their end and this many ranges are there, without a gap."""
    items = wait_until(lambda: settled(cluster), seconds, "all splits are carried out", step=0.3)
    check_equal(len(items), count, "ranges")
    check("start" not in items[0] and "end" not in items[-1], "the ranges do not have all keys")
    for before, after in zip(items, items[1:]):
        check_equal(before["end"], after["start"], "the end of a range")
    check_equal(len({item["group"] for item in items}), count, "groups")
    return items


def list_delimited(client, bucket, prefix="", delimiter="/", page=3):
    """All keys and common prefixes as they come, over as many pages as it takes."""
    token, keys, prefixes = None, [], []
    while True:
        query = [("list-type", "2"), ("prefix", prefix), ("delimiter", delimiter), ("max-keys", str(page)),
                 ("encoding-type", "url")]
        answer = client.request("GET", f"/{bucket}", query=query + ([("continuation-token", token)] if token else []))
        check(answer.ok, f"LIST: {answer}")
        tree = ET.fromstring(answer.body)
        keys += [urllib.parse.unquote(item.find(NAMESPACE + "Key").text) for item in tree.iter(NAMESPACE + "Contents")]
        prefixes += [urllib.parse.unquote(item.find(NAMESPACE + "Prefix").text)
                     for item in tree.iter(NAMESPACE + "CommonPrefixes")]
        if xml_text(answer.body, "IsTruncated") != "true":
            return keys, prefixes
        token = xml_text(answer.body, "NextContinuationToken")


class StrictLoad(ClusterLoad):
    """Every request must succeed: a split is nothing that a client notices."""

    def _step(self, client, rng, keys):
        refusals = client.refusals
        answered = Load._step(self, client, rng, keys)
        if not answered or client.refusals != refusals:
            self.problems.append("a request was not answered, or with 5xx")
        else:
            self.note_success()
        return not self.problems
