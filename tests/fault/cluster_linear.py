"""Histories of concurrent PUT, conditional PUT, GET, DELETE and LIST through different gateways, while nodes are killed, stand
still, lead in turn and, where there are network namespaces, are cut off from the others, are linearizable. GABION_LINEAR_SECONDS
and GABION_LINEAR_SEED ask for more."""

import random
import threading
import time

import payload
from cluster import Cluster
from faults import can_partition, strike
from histories import ABSENT, Histories, selftest
from outcome import check, run_test, say
from rounds import how_many
from s3 import Unknown
import xml.etree.ElementTree as ET

BUCKET = "registers"
KEYS = [f"key{n}" for n in range(6)]
SIZES = (300, 20_000)
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
UNKNOWN_STATUSES = (500, 502, 503, 504)


class Worker:
    """One client after the other on one gateway; an operation whose outcome is unknown is noted as such."""

    def __init__(self, cluster, histories, number):
        self.histories, self.rng = histories, random.Random(number)
        names = list(cluster.nodes)
        self.clients = [cluster.s3(name, timeout=8) for name in names]
        self.current = number % len(names)
        self.known = {}  # key -> (value, etag) as last seen

    def run(self, end):
        while time.monotonic() < end:
            key = self.rng.choice(KEYS)
            action = self.rng.choices((self.put, self.swap, self.get, self.delete, self.list), (3, 3, 5, 1, 1))[0]
            action(self.clients[self.current], key)

    def send(self, request):
        """The answer, or None where nothing can be known; the next operation then goes to another gateway."""
        try:
            answer = request()
        except Unknown:
            answer = None
        if answer is None or answer.status in UNKNOWN_STATUSES:
            self.current = (self.current + 1) % len(self.clients)
            time.sleep(0.02)
            return None
        return answer

    def write(self, client, key, kind, expected, headers):
        value = self.histories.new_value()
        data = payload.make(1, value, BUCKET, key, self.rng.choice(SIZES), value)
        began = time.monotonic_ns()
        answer = self.send(lambda: client.put(BUCKET, key, data, headers))
        if answer is None:
            self.histories.add(key, kind, began, value, expected, "?")
        elif answer.ok:
            self.histories.add(key, kind, began, value, expected)
            self.histories.name_etag(answer.headers["etag"], value)
            self.known[key] = (value, answer.headers["etag"])
        elif kind == "swap" and answer.status in (404, 412):
            self.histories.add(key, "mismatch", began, ABSENT, expected)
            self.known.pop(key, None)
        else:
            check(answer.status == 409, f"PUT: {answer}")  # a conflict: it did not happen

    def put(self, client, key):
        self.write(client, key, "put", ABSENT, {})

    def swap(self, client, key):
        value, etag = self.known.get(key, (ABSENT, None))
        self.write(client, key, "swap", value, {"If-Match": etag} if etag else {"If-None-Match": "*"})

    def get(self, client, key):
        began = time.monotonic_ns()
        answer = self.send(lambda: client.get(BUCKET, key))
        if answer is None:
            return
        check(answer.status in (200, 404), f"GET: {answer}")
        value = payload.parse(answer.body).op if answer.status == 200 else ABSENT
        self.histories.add(key, "get", began, value)
        if value == ABSENT:
            self.known.pop(key, None)
        else:
            self.histories.name_etag(answer.headers["etag"], value)
            self.known[key] = (value, answer.headers["etag"])

    def delete(self, client, key):
        began = time.monotonic_ns()
        answer = self.send(lambda: client.delete(BUCKET, key))
        check(answer is None or answer.ok, f"DELETE: {answer}")
        self.histories.add(key, "remove", began, ended="?" if answer is None else None)

    def list(self, client, _):
        """A page that holds all keys is a read of each of them."""
        began = time.monotonic_ns()
        answer = self.send(lambda: client.request("GET", f"/{BUCKET}", query=[("list-type", "2")]))
        if answer is None:
            return
        check(answer.ok, f"LIST: {answer}")
        ended = time.monotonic_ns()
        listed = {item.find(NAMESPACE + "Key").text: item.find(NAMESPACE + "ETag").text
                  for item in ET.fromstring(answer.body).iter(NAMESPACE + "Contents")}
        for key in KEYS:
            value = self.histories.value_of(listed[key]) if key in listed else ABSENT
            if value is not None:  # else a write whose answer is under way still
                self.histories.add(key, "get", began, value, ended=ended)


def body(directory):
    selftest()
    seconds = how_many("GABION_LINEAR_SECONDS", 25)
    with Cluster(directory / "cluster", nodes=5, partitions=can_partition()) as cluster:
        check(cluster.s3().create_bucket(BUCKET).ok, "the bucket cannot be made")
        histories, errors, end = Histories(), [], time.monotonic() + seconds

        def work(number):
            try:
                Worker(cluster, histories, number).run(end)
            except BaseException as error:
                errors.append(error)
        threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        count = strike(cluster, random.Random(how_many("GABION_LINEAR_SEED", 3)), end)
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        total = sum(histories.operations.values())
        wrong = histories.check(directory)
        check(wrong == "", wrong)
        check(total > 200, f"only {total} operations prove little")
        say(f"{total} operations ({histories.operations}) over {count} faults are linearizable")


if __name__ == "__main__":
    run_test(body)
