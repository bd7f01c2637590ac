"""SIGTERM: requests under way finish and are kept, no new ones are taken, the server ends with 0; so does a SIGTERM under
load, again and again, without anything acknowledged going missing. A server that is still starting ends at once."""

import base64
import hashlib
import signal
import socket
import threading

from load import MIB, Load, check_sweep
from outcome import check, check_equal, run_test, say, wait_until
from s3 import Unknown
from scenario import BUCKET, filled
from server import Server, pause, port_answers


class TrickledBody:
    """A request body that stops in the middle until it is told to go on."""

    def __init__(self, data):
        self.data, self.go_on, self.half_sent = data, threading.Event(), threading.Event()

    def __iter__(self):
        half = len(self.data) // 2
        yield self.data[:half]
        self.half_sent.set()
        self.go_on.wait(20)
        yield self.data[half:]


def upload_across_sigterm(server, ledger):
    client = server.s3()
    op = ledger.intend("put", BUCKET, "across", 3 * MIB)
    data = ledger.payload_of(op.number)
    slow, result = TrickledBody(data), []

    def upload():
        target, headers = client.head_of("PUT", f"/{BUCKET}/across", payload_hash="UNSIGNED-PAYLOAD")
        headers["content-length"] = str(len(data))
        try:
            result.append(client.send("PUT", target, headers, slow))
        except Unknown as unknown:
            result.append(unknown)
    thread = threading.Thread(target=upload)
    thread.start()
    check(slow.half_sent.wait(10), "half of the body is sent")
    server.signal(signal.SIGTERM)
    wait_until(lambda: not port_answers(server.port), 10, "no new connections are taken")
    slow.go_on.set()
    thread.join(30)
    check(result and getattr(result[0], "status", 0) == 200, f"the upload under way must finish: {result}")
    ledger.settle(op, "ack", {None})
    check_equal(server.wait_exit(), 0, "exit code")


def sigterm_while_starting(directory):
    """The node asks to join where nobody ever answers. As for process 1, what it does not handle has no effect."""
    identity = bytes(32)
    token = "gj1" + base64.b32encode(identity + hashlib.sha256(identity).digest()[:3]).decode().lower()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = (f'[cluster]\nlisten = "127.0.0.1:0"\nadvertise = "127.0.0.1:9002"\ntoken = "{token}"\n'
                  f'join = ["127.0.0.1:{silent.getsockname()[1]}"]\n')
        server = Server(directory, drives=1, config=config, wrap=["env", "--ignore-signal=TERM"])
        server.start(wait=False)
        silent.settimeout(20)
        with silent.accept()[0]:
            server.wrap = []  # env has become the server
            server.signal(signal.SIGTERM)
            check_equal(server.wait_exit(5), 0, "exit code")


def body(directory):
    sigterm_while_starting(directory / "starting")
    server, ledger = filled(directory / "server", count=1)
    upload_across_sigterm(server, ledger)
    server.start()
    check_sweep(ledger, server.s3(), "after an upload across SIGTERM")
    for number in range(4):
        load = Load(server, ledger, BUCKET, workers=4, seed=number).start()
        pause(0.5)
        server.stop()
        load.stop()
        server.start()
        check_sweep(ledger, server.s3(), f"after SIGTERM number {number + 1} under load")
    server.stop()
    say("SIGTERM drains")


if __name__ == "__main__":
    run_test(body)
