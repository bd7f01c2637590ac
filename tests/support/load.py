"""Mixed load with a ledger, and the sweep that decides afterwards whether anything acknowledged is missing or wrong.

Each worker thread owns its keys, so operations on a key come one after the other; every outcome goes into the ledger.
"""

import random
import threading

from ledger import ABSENT, judge
from outcome import check, say
from s3 import NotSent, Unknown

KIB, MIB = 1024, 1024 * 1024
# Sizes on both sides of every form in which an object is stored: inline, copied, coded, several blocks.
SIZES = (200, 1 * KIB, 3 * KIB, 20 * KIB, 100 * KIB, 200 * KIB, 1 * MIB, 3 * MIB)
LARGE_SIZES = SIZES + (9 * MIB, 17 * MIB)
PART = 5 * MIB


class Load:
    """Workers that put, overwrite, copy, delete and read back until stop(). Runs against a server that may die."""

    timeout = 30  # seconds for a request

    def __init__(self, server, ledger, bucket, workers=4, keys_per_worker=12, sizes=SIZES, multipart=False, seed=1):
        self.server, self.ledger, self.bucket, self.sizes, self.multipart = server, ledger, bucket, sizes, multipart
        self.keys = [[f"w{w}/k{k}" for k in range(keys_per_worker)] for w in range(workers)]
        self.problems = []
        self._random = [random.Random(f"{seed}/{w}") for w in range(workers)]
        self._stop = threading.Event()
        self._threads = []

    def start(self):
        self._stop.clear()
        self._threads = [threading.Thread(target=self._work, args=(w,), daemon=True) for w in range(len(self.keys))]
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join(120)
            check(not thread.is_alive(), "a worker hangs: a request got no answer and no error")
        check(not self.problems, "while loading: " + "; ".join(self.problems[:3]))

    def _work(self, worker):
        client = self.server.s3(timeout=self.timeout)
        rng = self._random[worker]
        try:
            while not self._stop.is_set():
                if not self._step(client, rng, self.keys[worker]):
                    return
        except Exception as error:  # a bug of the harness must not look like a quiet server
            self.problems.append(f"worker {worker}: {type(error).__name__} {error}")
        finally:
            client.close()

    def _step(self, client, rng, keys):
        """One operation; False once the server is gone."""
        key = rng.choice(keys)
        dice = rng.random()
        if dice < 0.25:
            return self._read(client, key)
        if dice < 0.37:
            return perform(self.ledger, client, "delete", self.bucket, key)
        if dice < 0.47:
            source = rng.choice(keys)
            certain, value = self.ledger.certain(self.bucket, source)
            if certain and value is not ABSENT and source != key:
                return perform(self.ledger, client, "copy", self.bucket, key, source=source, value=value)
        if self.multipart and dice > 0.96:
            return perform(self.ledger, client, "multipart", self.bucket, key, size=PART + rng.choice(self.sizes))
        return perform(self.ledger, client, "put", self.bucket, key, size=rng.choice(self.sizes))

    def _read(self, client, key):
        try:
            answer = client.get(self.bucket, key)
        except Unknown:
            return False
        if answer.status in (500, 503):
            return True  # refusing is allowed while faults are on; the sweep comes later
        problem = judge(self.ledger, self.bucket, key, answer.status, answer.body)
        if problem:
            self.problems.append(problem)
        return not problem


def perform(ledger, client, kind, bucket, key, size=0, source=None, value="own"):
    """Sends one change and enters its outcome into the ledger; False when the server did not answer."""
    before = ledger.allowed(bucket, key)
    op = ledger.intend(kind, bucket, key, size, value)
    try:
        if kind == "put":
            answer = client.put(bucket, key, ledger.payload_of(op.number))
        elif kind == "delete":
            answer = client.delete(bucket, key)
        elif kind == "copy":
            answer = client.copy(bucket, key, bucket, source)
        else:
            data = ledger.payload_of(op.number)
            answer = client.multipart(bucket, key, [data[i:i + PART] for i in range(0, len(data), PART)])
    except Unknown as unknown:
        ledger.settle(op, "fail" if isinstance(unknown, NotSent) else "unknown", before)
        return False
    # A 200 may carry an error in its body: CopyObject and CompleteMultipartUpload answer early.
    acknowledged = answer.ok and answer.error_code() == ""
    refused = 400 <= answer.status < 500
    ledger.settle(op, "ack" if acknowledged else "fail" if refused else "unknown", before)
    return True


def put_all(ledger, client, bucket, sizes, prefix="seed", count=1):
    """Puts `count` objects of each size and claims that all are acknowledged."""
    for size in sizes:
        for i in range(count):
            check(perform(ledger, client, "put", bucket, f"{prefix}/{size}-{i}", size=size), "the server went away")
            certain, value = ledger.certain(bucket, f"{prefix}/{size}-{i}")
            check(certain and value is not ABSENT, f"PUT of {size} bytes was not acknowledged")


def sweep(ledger, client, only=None):
    """Reads back every key that the ledger knows and lists the buckets; returns the list of what is wrong."""
    problems, present = [], {}
    for bucket, key in ledger.keys():
        if only is not None and not only(bucket, key):
            continue
        try:
            answer = client.get(bucket, key)
        except Unknown as unknown:
            problems.append(f"unreadable: {unknown}")
            continue
        problem = judge(ledger, bucket, key, answer.status, answer.body)
        if problem:
            problems.append(problem)
        elif answer.status == 200:
            present.setdefault(bucket, {})[key] = len(answer.body)
    if only is None:
        for bucket in {b for b, _ in ledger.keys()}:
            problems += _compare_listing(client, bucket, present.get(bucket, {}), problems)
    return problems


def _compare_listing(client, bucket, present, problems):
    if problems:
        return []  # the listing would only repeat them
    try:
        listed = client.list(bucket, page=7)
    except Unknown as unknown:
        return [f"unreadable: {unknown}"]
    wrong = [f"LIST misses {bucket}/{k}" for k in present.keys() - listed.keys()]
    wrong += [f"LIST shows {bucket}/{k}, which cannot be read" for k in listed.keys() - present.keys()]
    wrong += [f"LIST says {listed[k]} bytes for {bucket}/{k}, it has {n}" for k, n in present.items()
              if k in listed and listed[k] != n]
    return wrong


def check_sweep(ledger, client, when):
    problems = sweep(ledger, client)
    check(not problems, f"{when}: {len(problems)} wrong of {len(ledger.keys())} keys: " + "; ".join(problems[:3]))
    say(f"{when}: {len(ledger.keys())} keys as acknowledged ({ledger.acks} acks, {ledger.unknowns} unknown)")
