"""How fast a lost drive is rebuilt, beside what the drives could do, and what clients notice of it. Run by hand:

    GABION=build/release/gabion PYTHONPATH=tests/support python3 tests/bench/cluster/repair_rate.py --mib 2048

A cluster of processes on this machine is filled, a drive is wiped and replaced at its path: once with nobody else there, once
while clients read at a steady rate. For comparison the same directories are written (with fdatasync) and read past the page
cache. One rebuilt byte takes k bytes read, one written, and one read back; `possible` is the rate at which that would keep
the drives busy. Everything shares the machine's processors, the clients too: hence rates per CPU-second of all nodes as well.
"""

import argparse
import mmap
import os
import subprocess
import threading
import time
from pathlib import Path

from cluster import Cluster
from outcome import check, run_test, say, wait_until
from server import binary

MIB = 1024 * 1024
PIECE = 2 * MIB
BUCKET = "bench"


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, default=6)
    parser.add_argument("--drives", type=int, default=2, help="of each node")
    parser.add_argument("--mib", type=int, default=1024, help="stored, before coding")
    parser.add_argument("--read-kib", type=int, default=1024, help="size of the objects that clients read")
    parser.add_argument("--reads", type=int, default=40, help="per second, by all clients")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--set", action="append", default=[])
    return parser.parse_args()


# --- What the drives can do ---

def each_drive(drives, work):
    """Runs the work on all drives at once; MB/s of all together."""
    moved = [0] * len(drives)

    def one(i):
        moved[i] = work(drives[i])
    threads = [threading.Thread(target=one, args=(i,)) for i in range(len(drives))]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(moved) / (time.monotonic() - began) / 1e6


def write_drive(path, pieces):
    file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_DIRECT, 0o600)
    buffer = mmap.mmap(-1, PIECE)
    for i in range(PIECE // 64):
        buffer[i * 64:i * 64 + 8] = os.urandom(8)
    for _ in range(pieces):
        os.write(file, buffer)
        os.fdatasync(file)
    os.close(file)
    return pieces * PIECE


def read_drive(path):
    file = os.open(path, os.O_RDONLY | os.O_DIRECT)
    buffer, total = mmap.mmap(-1, PIECE), 0
    while True:
        got = os.readv(file, [buffer])
        if got <= 0:
            break
        total += got
    os.close(file)
    return total


def what_drives_can_do(directory, count, pieces=64):
    files = [directory / f"probe{i}" for i in range(count)]
    write = each_drive(files, lambda path: write_drive(path, pieces))
    read = each_drive(files, read_drive)
    for file in files:
        file.unlink()
    return write, read


# --- Load ---

def fill(cluster, prefix, size, objects):
    """Puts the objects: what a benchmark of reads does first."""
    credentials = cluster.credentials()
    environment = {**os.environ, "AWS_ACCESS_KEY_ID": credentials.access_key, "AWS_SECRET_ACCESS_KEY": credentials.secret_key}
    endpoint = next(iter(cluster.nodes.values()))["endpoint"]
    command = [binary(), "bench", "--op", "get", "--endpoint", endpoint, "--bucket", BUCKET, "--prefix", prefix, "--size", size,
               "--objects", str(objects), "--concurrency", "4", "--duration", "5s", "--warmup", "0s", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    check(done.returncode == 0, done.stdout + done.stderr)


class Clients:
    """Read at a steady rate over all gateways, whatever the answers take: a late one does not thin out those after it."""

    def __init__(self, cluster, options):
        self.latencies, self.failed, self._stop = [], 0, threading.Event()
        self._threads = [threading.Thread(target=self._read, args=(cluster, options, i)) for i in range(options.clients)]
        for thread in self._threads:
            thread.start()

    def _read(self, cluster, options, number):
        names = list(cluster.nodes)
        clients = [cluster.s3(name, timeout=60) for name in names]
        keys = sorted(clients[0].list(BUCKET, prefix="read/"))
        due, step, turn = time.monotonic(), options.clients / options.reads, number
        while not self._stop.is_set():
            due += step
            answer = clients[turn % len(clients)].get(BUCKET, keys[turn * 31 % len(keys)])
            self.latencies.append(time.monotonic() - due + step)
            self.failed += answer.status != 200
            turn += options.clients
            time.sleep(max(0, due - time.monotonic()))

    def take(self):
        taken, self.latencies = self.latencies, []
        return taken

    def stop(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        check(self.failed == 0, f"{self.failed} reads failed")


def percentile(latencies, share):
    ordered = sorted(latencies)
    return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))]


# --- The rebuild ---

def cpu_seconds(cluster):
    ticks = 0
    for node in cluster.nodes.values():
        fields = Path(f"/proc/{node['pid']}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def drive(cluster, name):
    return next(d for d in cluster.drives() if d["name"] == name)


def lose(cluster, node, number):
    """Wipes a drive; how the cluster names it."""
    victim = f"{cluster.number_of(node)}/drive{number}"
    cluster.tool("wipe-drive", node, number)
    wait_until(lambda: drive(cluster, victim)["state"] == "down", 60, "the wiped drive is seen down", step=0.2)
    return victim


def held(path):
    try:
        return sum(file.stat().st_size for file in Path(path, "segments").iterdir())
    except OSError:
        return 0


def rebuild(cluster, victim, path):
    """Replaces the drive; what was seen meanwhile: seconds, bytes held and CPU-seconds, from the first bytes to the last."""
    known = {job["name"] for job in cluster.admin_json("job", "ls")["items"]}
    seen, ended = [(time.monotonic(), 0, cpu_seconds(cluster))], threading.Event()

    def watch():
        while not ended.wait(0.1):
            seen.append((time.monotonic(), held(path), cpu_seconds(cluster)))
    watcher = threading.Thread(target=watch)
    watcher.start()
    cluster.admin("drive", "replace", victim, "--with", path, "--yes")

    def over():
        jobs = [job for job in cluster.admin_json("job", "ls")["items"] if job["name"] not in known]
        return jobs and all(job["state"] == "done" for job in jobs)
    wait_until(over, 1200, "the drive is rebuilt", step=0.5)
    ended.set()
    watcher.join()
    return seen


def report(what, seen, possible):
    whole = seen[-1][0] - seen[0][0]
    first = max(i for i, (_, size, _) in enumerate(seen) if size < 0.05 * seen[-1][1])
    last = next(i for i, (_, size, _) in enumerate(seen) if size > 0.95 * seen[-1][1])
    seconds, moved, cpu = (seen[last][i] - seen[first][i] for i in range(3))
    rate = moved / 1e6 / seconds
    say(f"{what}: {seen[-1][1] / 1e6:.0f} MB rebuilt, {whole:.1f} s from the order to the end; while moving {rate:.0f} MB/s, "
        f"{100 * rate / possible:.0f}% of what the drives can do; {moved / 1e6 / cpu:.0f} MB/CPU-s, "
        f"{cpu / seconds:.2f} of {os.cpu_count()} cores")


def body(directory):
    options = parse()
    write, read = what_drives_can_do(directory, options.nodes * options.drives)
    with Cluster(directory / "cluster", nodes=options.nodes, drives_per_node=options.drives, settings=options.set) as cluster:
        k, m = map(int, cluster.admin_json("cluster", "status")["storageClass"].split("+"))
        possible = 1 / ((k + 1) / read + 1 / write)
        say(f"drives together: {write:.0f} MB/s written with fdatasync, {read:.0f} MB/s read; "
            f"a rebuild of {k}+{m} could do {possible:.0f} MB/s")
        fill(cluster, "fill/", "64MiB", options.mib // 64)
        fill(cluster, "read/", f"{options.read_kib}KiB", 200)
        path = cluster.nodes["n2"]["drives"][1]
        report("alone", rebuild(cluster, lose(cluster, "n2", 2), path), possible)
        clients = Clients(cluster, options)
        victim = lose(cluster, "n3", 2)
        time.sleep(5)
        clients.take()
        time.sleep(20)
        quiet = clients.take()
        seen = rebuild(cluster, victim, cluster.nodes["n3"]["drives"][1])
        during = clients.take()
        clients.stop()
        report(f"with {options.reads} reads of {options.read_kib} KiB a second", seen, possible)
        say(f"reads: p50 {percentile(quiet, 0.5):.1f} ms, p99 {percentile(quiet, 0.99):.1f} ms with the drive lost; p50 "
            f"{percentile(during, 0.5):.1f} ms, p99 {percentile(during, 0.99):.1f} ms while it is rebuilt "
            f"({len(quiet)}, {len(during)} reads)")


if __name__ == "__main__":
    run_test(body)
