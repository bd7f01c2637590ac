"""What clusters are judged by catches what it is there to catch: a store that stands still and carries requests out after their
clients have given up is correct, one that answers before it has the data is not."""

import signal
import sys
from pathlib import Path

import server as servers
from cluster import AnyGateway, ClusterLoad, LateLedger, check_cluster
from outcome import Failed, check, run_test, say
from s3 import S3
from server import ROOT, Server, pause

STANDIN = [sys.executable, str(Path(servers.__file__).with_name("standin_s3.py"))]
BUCKET = "data"


class TwoGateways:
    """One stand-in under two names."""

    def __init__(self, server):
        self.server, self.nodes = server, {"n1": {}, "n2": {}}

    def s3(self, name=None, timeout=1.0):
        clients = [S3("127.0.0.1", self.server.port, ROOT, timeout) for _ in self.nodes]
        return clients[0] if name else AnyGateway(clients)


def run_load(directory, flaw, fault):
    server = Server(directory, drives=1, command=STANDIN, environment={"STANDIN_FLAW": flaw}).start()
    cluster = TwoGateways(server)
    ledger = LateLedger(directory / "ledger", 3)
    cluster.s3().create_bucket(BUCKET)
    load = ClusterLoad(cluster, ledger, BUCKET, workers=4, keys_per_worker=4, sizes=(200, 3000), seed=3)
    load.timeout = 1.0
    load.start()
    pause(0.5)
    for _ in range(5):
        fault(server)
        pause(0.3)
    load.stop()
    pause(1.5)
    ledger.quiesce()
    try:
        check_cluster(cluster, ledger, "in the end")
    finally:
        server.kill()
    return ledger


def stand_still(server):
    server.signal(signal.SIGSTOP)
    pause(1.3)  # longer than clients wait
    server.signal(signal.SIGCONT)


def kill(server):
    server.kill()
    server.start()


def body(directory):
    ledger = run_load(directory / "correct", "", stand_still)
    check(ledger.unknowns > 0, "no request went unanswered, so nothing was tried")
    run_load(directory / "killed", "", kill)
    try:
        run_load(directory / "early", "early-ack", kill)
    except Failed as failure:
        say(f"early-ack: caught, {str(failure)[:150]}")
    else:
        raise Failed("the flaw early-ack was not caught")


if __name__ == "__main__":
    run_test(body)
