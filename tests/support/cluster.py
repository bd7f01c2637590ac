"""A cluster of real processes for tests, through tools/cluster, and load over all its gateways.

What a client does when a gateway does not answer is to ask another one: AnyGateway does that with the next request. A request
that was not answered may still be carried out later, by a process that was paused or a leader that was cut off, also after a
later one was acknowledged: LateLedger allows for it until quiesce() says that nothing can be under way any more.
"""

import json
import os
import subprocess
import threading
import time
from pathlib import Path

from ledger import ABSENT, Ledger, judge
from load import Load, perform
from outcome import Failed, at_end, check, say, skip, wait_until
from s3 import S3, Credentials, NotSent, Unknown
from server import binary, pause

TOOL = Path(__file__).resolve().parent.parent.parent / "tools" / "cluster"
UNAVAILABLE = 69
# A client gives up after this long, and a gateway long before: later nothing of a request can still be under way.
REQUEST_SECONDS = 12
running = set()


class Cluster:
    def __init__(self, directory, nodes=6, drives_per_node=2, partitions=False, drive_mib=0, settings=()):
        self.directory = Path(directory)
        self.count, self.drives_per_node, self.partitions, self.drive_mib = nodes, drives_per_node, partitions, drive_mib
        self.settings = list(settings)
        self.description = None

    # Life.

    def tool(self, *arguments, code=0, timeout=300):
        command = [str(TOOL), arguments[0], "--dir", str(self.directory), *map(str, arguments[1:])]
        done = subprocess.run(command, capture_output=True, text=True, timeout=timeout, check=False,
                              stdin=subprocess.DEVNULL, env={**os.environ, "GABION": binary()})
        if done.returncode == UNAVAILABLE and code == 0:
            skip(done.stderr.strip())
        if code is not None:
            check(done.returncode == code, f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-3000:]}")
        return done

    def up(self):
        running.add(self)
        arguments = [self.count, "--drives-per-node", self.drives_per_node]
        arguments += ["--partitions"] if self.partitions else []
        arguments += ["--drive-mib", self.drive_mib] if self.drive_mib else []
        for setting in self.settings:
            arguments += ["--set", setting]
        self.describe(self.tool("up", *arguments).stdout)
        return self

    def describe(self, text):
        self.description = json.loads(text)
        self.nodes = {node["name"]: node for node in self.description["nodes"]}
        return self.description

    def down(self, wipe=True):
        if self.directory.exists():
            self.tool("down", *(["--wipe"] if wipe else []), code=None)
        running.discard(self)

    def __enter__(self):
        return self.up()

    def __exit__(self, kind, value, trace):
        self.down(wipe=kind is None)

    def kill(self, *names, signal="KILL"):
        self.tool("kill", *names, "--signal", signal)

    def start(self, *names, wait=True):
        self.tool("start", *names, *([] if wait else ["--no-wait"]))

    def pause(self, *names):
        self.tool("pause", *names)

    def resume(self, *names):
        self.tool("resume", *names)

    def partition(self, *names, clients=False):
        self.tool("partition", *names, *(["--clients"] if clients else []))

    def heal(self):
        self.tool("heal")

    def add(self, drives=0):
        """The name of the node that joined."""
        known = set(self.nodes)
        self.describe(self.tool("add", *(["--drives-per-node", drives] if drives else [])).stdout)
        return next(iter(set(self.nodes) - known))

    # Looking at it and operating it.

    def admin(self, *arguments, code=0, via=None, timeout=120):
        """Runs gabion admin; asks the node `via`, or one after the other until one can tell."""
        names = [via] if via else list(self.nodes)
        for name in names:
            environment = {"GABION_ROOT_ACCESS_KEY": self.description["credentials"]["access_key"],
                           "GABION_ROOT_SECRET_KEY": self.description["credentials"]["secret_key"], "LANG": "C.UTF-8"}
            done = subprocess.run([binary(), "admin", "--endpoint", self.nodes[name]["admin_endpoint"], *map(str, arguments)],
                                  env=environment, capture_output=True, text=True, timeout=timeout, check=False,
                                  stdin=subprocess.DEVNULL)
            if done.returncode != 9:
                break
        if code is not None:
            check(done.returncode == code,
                  f"gabion admin {' '.join(map(str, arguments))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        return done

    def admin_json(self, *arguments, via=None):
        return json.loads(self.admin("--json", *arguments, via=via).stdout)

    def leader(self):
        """The name of the node that leads, as tools/cluster names it."""
        def find():
            done = self.admin("--json", "node", "ls", code=None)
            if done.returncode != 0:
                return None
            for item in json.loads(done.stdout)["items"]:
                if item["leader"]:
                    return self.name_at(item["address"])
            return None
        return wait_until(find, 30, "somebody leads", step=0.2)

    def name_at(self, address):
        return next(name for name, node in self.nodes.items() if node["cluster_address"] == address)

    def number_of(self, name):
        """How the cluster itself names this node."""
        for item in self.admin_json("node", "ls")["items"]:
            if item["address"] == self.nodes[name]["cluster_address"]:
                return item["name"]
        raise Failed(f"the cluster does not know {name}")

    def wait_up(self, *names, seconds=60):
        wanted = {self.nodes[name]["cluster_address"] for name in names or self.nodes}

        def up():
            done = self.admin("--json", "node", "ls", code=None)
            return done.returncode == 0 and wanted <= {item["address"] for item in json.loads(done.stdout)["items"]
                                                       if item["state"] in ("up", "draining")}
        wait_until(up, seconds, f"the cluster sees {', '.join(names) or 'all nodes'} up", step=0.2)

    def drives(self):
        """As `drive ls` tells of them, once the figures of those that are up are known: a node that has just started, and a new
        leader, do not know them at first."""
        found = []

        def known():
            found[:] = self.admin_json("drive", "ls")["items"]
            return all(drive["shards"] is not None or drive["state"] != "up" for drive in found)
        wait_until(known, 30, "the figures of all drives are known", step=0.2)
        return found

    def wait_repaired(self, seconds=120):
        """No job runs and no block waits for repair."""
        def quiet():
            done = self.admin("--json", "repair", "status", code=None)
            if done.returncode != 0:
                return False
            status = json.loads(done.stdout)
            return status["waitingBlocks"] == 0 and not status["jobs"]
        wait_until(quiet, seconds, "everything is repaired and where it belongs", step=0.5)

    def wait_jobs(self, seconds=120):
        def none_open():
            done = self.admin("--json", "job", "ls", code=None)
            return done.returncode == 0 and all(job["state"] in ("done", "cancelled") for job in json.loads(done.stdout)["items"])
        wait_until(none_open, seconds, "all jobs are over", step=0.5)

    def credentials(self):
        given = self.description["credentials"]
        return Credentials(given["access_key"], given["secret_key"])

    def s3(self, name=None, timeout=REQUEST_SECONDS, only=None):
        """A client of one gateway, or of any that answers."""
        if name is not None:
            return self._client(name, timeout)
        return AnyGateway([self._client(n, timeout) for n in only or self.nodes])

    def _client(self, name, timeout):
        host, _, port = self.nodes[name]["endpoint"].removeprefix("http://").rpartition(":")
        return S3(host, int(port), self.credentials(), timeout)

    def log_tail(self, name, lines=20):
        return "\n".join(Path(self.nodes[name]["log"]).read_text(errors="replace").splitlines()[-lines:])


def end_running():
    for cluster in list(running):
        cluster.down(wipe=False)


at_end.append(end_running)


class AnyGateway:
    """Speaks to one gateway until it does not answer, then to the next; at once where there was not even a connection."""

    start = 0

    def __init__(self, clients):
        self.clients = clients
        AnyGateway.start += 1
        self.current = AnyGateway.start % len(clients)
        self.refusals = 0

    def __getattr__(self, name):
        method = getattr(self.clients[self.current], name)
        if name in ("close", "clone") or not callable(method):
            return method

        def call(*arguments, **keywords):
            for attempt in range(len(self.clients)):
                try:
                    answer = getattr(self.clients[self.current], name)(*arguments, **keywords)
                except NotSent:
                    self.next()
                    if attempt + 1 == len(self.clients):
                        raise
                    continue
                except Unknown:
                    self.next()
                    raise
                if getattr(answer, "status", 0) in (500, 502, 503):
                    self.refusals += 1
                    self.next()
                return answer
        return call

    def next(self):
        self.current = (self.current + 1) % len(self.clients)

    def close(self):
        for client in self.clients:
            client.close()


class LateLedger(Ledger):
    """A ledger in which what was not answered stays possible until quiesce()."""

    def __init__(self, path, run):
        super().__init__(path, run)
        self._open = {}

    def settle(self, op, outcome, before):
        super().settle(op, outcome, before)
        with self._lock:
            if outcome == "unknown":
                self._open.setdefault((op.bucket, op.key), set()).add(op.value)
            else:
                self._allow_open(op.bucket, op.key)

    def observe(self, bucket, key, value):
        super().observe(bucket, key, value)
        with self._lock:
            self._allow_open(bucket, key)

    def _allow_open(self, bucket, key):
        late = self._open.get((bucket, key))
        if late:
            self._states[(bucket, key)].allowed |= late

    def quiesce(self):
        """Nothing is under way any more: from now on what is read stays."""
        with self._lock:
            self._open = {}


class ClusterLoad(Load):
    """Load whose workers go on with another gateway when theirs is gone, and which knows how long nothing was acknowledged."""

    timeout = REQUEST_SECONDS

    def __init__(self, cluster, ledger, bucket, **options):
        super().__init__(cluster, ledger, bucket, **options)
        self.successes = []
        self._noted = threading.Lock()

    def _step(self, client, rng, keys):
        refusals = client.refusals
        alive = super()._step(client, rng, keys)
        if alive and client.refusals == refusals:
            self.note_success()
        if not alive:
            pause(0.05)
        return not self.problems

    def note_success(self):
        with self._noted:
            self.successes.append(time.monotonic())

    def longest_gap(self, since, until=None):
        """The longest time within which nothing succeeded."""
        end = until or time.monotonic()
        with self._noted:
            times = [since] + [t for t in self.successes if since <= t <= end] + [end]
        return max(b - a for a, b in zip(times, times[1:]))


def filled(cluster, directory, bucket, sizes, count, run=1):
    """A bucket with `count` objects of each size; returns the ledger."""
    ledger = LateLedger(Path(directory) / "ledger", run)
    fill(cluster, ledger, bucket, sizes, count)
    return ledger


def fill(cluster, ledger, bucket, sizes, count):
    """Makes a bucket with `count` objects of each size."""
    client = cluster.s3()
    check(client.create_bucket(bucket).ok, "the bucket cannot be made")
    for size in sizes:
        for i in range(count):
            key = f"seed/{size}-{i}"
            for _ in range(3):
                if perform(ledger, client, "put", bucket, key, size=size) and ledger.certain(bucket, key)[1] is not None:
                    break
            check(ledger.certain(bucket, key)[1] is not None, f"PUT of {size} bytes was not acknowledged")


def check_cluster(cluster, ledger, when, names=None):
    """Reads everything back, each key through another gateway, and compares the listing of each gateway."""
    clients = [cluster.s3(name) for name in names or cluster.nodes]
    problems = []
    for number, (bucket, key) in enumerate(ledger.keys()):
        answer = read_patiently(clients[number % len(clients):] + clients[:number % len(clients)], bucket, key)
        problem = judge(ledger, bucket, key, answer.status, answer.body) if answer else f"unreadable: {bucket}/{key}: no answer"
        if problem:
            problems.append(problem)
    check(not problems, f"{when}: {len(problems)} wrong of {len(ledger.keys())} keys: " + "; ".join(problems[:3]))
    for client in clients:
        check_listings(ledger, client, when)
        client.close()
    say(f"{when}: {len(ledger.keys())} keys as acknowledged ({ledger.acks} acks, {ledger.unknowns} unknown)")


def read_patiently(clients, bucket, key):
    """The answer of the first gateway that has one; retriable errors are for trying again."""
    answer = None
    for client in clients[:4]:
        try:
            answer = client.get(bucket, key)
        except Unknown:
            continue
        if answer.status not in (500, 503):
            break
    return answer


def check_listings(ledger, client, when):
    """A listing shows exactly what is there: each key holds one certain value by now."""
    want = {}
    for bucket, key in ledger.keys():
        certain, value = ledger.certain(bucket, key)
        check(certain, f"{when}: {bucket}/{key} was not read")
        want.setdefault(bucket, set())
        if value is not ABSENT:
            want[bucket].add(key)
    for bucket, keys in want.items():
        listed = wait_until(lambda b=bucket: try_list(client, b), 20, f"{client.host} lists {bucket}")[0]
        check(listed.keys() == keys, f"{when}: LIST of {client.host} differs in {sorted(listed.keys() ^ keys)[:3]}")


def try_list(client, bucket):
    try:
        return [client.list(bucket, page=50)]
    except Unknown:
        return None
