"""The memory budget: two thousand slow uploads at once. The server's memory stays within its budget, those over it wait and
then get 503 SlowDown, health answers all the while, and afterwards the server is as good as new."""

import resource
import selectors
import socket
import time

from load import MIB, check_sweep, put_all
from outcome import check, run_test, say, skip
from s3 import UNSIGNED, object_path
from scenario import BUCKET, filled

UPLOADS = 2000
BUDGET = 128 * MIB
# What the process needs beside its budget: code, RocksDB's caches, a connection's own buffers.
BESIDE = 160 * MIB
OBJECT = 8 * MIB
SECONDS = 15


class SlowUpload:
    """Announces 8 MiB, sends 200 KiB at once and then a little at a time."""

    def __init__(self, client, number):
        target, headers = client.head_of("PUT", object_path("slow", f"object{number}"), payload_hash=UNSIGNED)
        headers["content-length"] = str(OBJECT)
        head = f"PUT {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n"
        self.socket = socket.create_connection((client.host, client.port), 20)
        self.socket.setblocking(False)
        self.out = head.encode() + bytes(200 * 1024)
        self.answer = b""
        self.closed = False

    def push(self):
        try:
            sent = self.socket.send(self.out[:65536] if self.out else bytes(512))
            self.out = self.out[sent:]
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True

    def pull(self):
        try:
            data = self.socket.recv(65536)
            self.answer += data
            self.closed = self.closed or not data
        except BlockingIOError:
            pass
        except OSError:
            self.closed = True

    def status(self):
        return int(self.answer[9:12]) if self.answer.startswith(b"HTTP/1.1 ") else 0


def run_uploads(server, uploads):
    """Keeps all uploads going for a while; returns the highest resident size seen."""
    highest, unhealthy, end = 0, 0, time.monotonic() + SECONDS
    selector = selectors.DefaultSelector()
    for upload in uploads:
        selector.register(upload.socket, selectors.EVENT_READ, upload)
    while time.monotonic() < end:
        for upload in uploads:
            if not upload.closed and not upload.answer:
                upload.push()
        for key, _ in selector.select(timeout=0.5):
            key.data.pull()
            if key.data.closed:
                selector.unregister(key.fileobj)
        highest = max(highest, server.memory()[0])
        unhealthy += not server.ready()
    check(unhealthy == 0, f"health did not answer {unhealthy} times")
    return highest


def body(directory):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 3 * UPLOADS:
        skip(f"only {hard} descriptors are allowed here")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    server, ledger = filled(directory / "server", count=1,
                            arguments=["--memory", str(BUDGET), "--memory-wait", "3s", "--body-rate", "0", "--metadata-cache",
                                       str(16 * MIB)])
    client = server.s3()
    client.create_bucket("slow")
    before = server.memory()[0]
    uploads = [SlowUpload(client, number) for number in range(UPLOADS)]
    highest = run_uploads(server, uploads)
    refused = [u for u in uploads if u.status() == 503]
    going = [u for u in uploads if not u.closed and not u.answer]
    say(f"resident {before // MIB} MiB before, {highest // MIB} MiB at most; {len(refused)} refused, {len(going)} under way")
    check(highest < BUDGET + BESIDE, f"{highest // MIB} MiB resident with a budget of {BUDGET // MIB} MiB")
    check(refused, "with 16 GB announced some uploads must be refused")
    named = all(b"SlowDown" in u.answer and b"retry-after" in u.answer.lower() for u in refused)
    check(named, "503 names SlowDown and Retry-After")
    check(going, "those within the budget must not be refused")
    others = {u.status() for u in uploads} - {0, 503}
    check(not others, f"answers other than 503: {others}")
    for upload in uploads:
        upload.socket.close()
    put_all(ledger, client.clone(), BUCKET, (300, 100_000, 9 * MIB), prefix="afterwards")
    check_sweep(ledger, client.clone(), "afterwards")
    check(client.clone().list("slow") == {}, "no upload that was cut off may appear")
    server.stop()


if __name__ == "__main__":
    run_test(body)
