"""The drives of one node are full: writes go on elsewhere, everything stays readable, and with space again the node takes part
again without a restart. Needs to mount small file systems."""

from pathlib import Path

from cluster import REQUEST_SECONDS, Cluster, check_cluster, filled
from load import KIB, MIB, perform
from outcome import check, run_test, say, wait_until
from server import pause

BUCKET = "data"
SIZES = (300, 20 * KIB, 200 * KIB, 1 * MIB)


def fill(drive):
    """Writes until nothing fits."""
    with open(Path(drive) / "ballast", "ab", buffering=0) as file:
        for piece in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(piece))
            except OSError:
                continue


def put_some(cluster, ledger, prefix, count):
    """Retriable errors are for trying again; all must be taken in the end."""
    client = cluster.s3()
    for number in range(count):
        key, size = f"{prefix}/{number}", SIZES[number % len(SIZES)]

        def taken(key=key, size=size):
            perform(ledger, client, "put", BUCKET, key, size=size)
            certain, value = ledger.certain(BUCKET, key)
            return certain and value is not None
        wait_until(taken, 30, f"{key} of {size} bytes is taken", step=0.3)


def body(directory):
    with Cluster(directory / "cluster", nodes=6, drive_mib=400) as cluster:
        ledger = filled(cluster, directory, BUCKET, SIZES, count=2)
        full = list(cluster.nodes)[-1]  # one without metadata
        for drive in cluster.nodes[full]["drives"]:
            fill(drive)
        put_some(cluster, ledger, "full", 24)
        check_cluster(cluster, ledger, "with a full node")
        for drive in cluster.nodes[full]["drives"]:
            (Path(drive) / "ballast").unlink()
        put_some(cluster, ledger, "space", 12)
        cluster.wait_repaired()
        say("what could not be put on the full node was brought there")
        pause(REQUEST_SECONDS)
        ledger.quiesce()
        check_cluster(cluster, ledger, "with space again")
        check(len(ledger.keys()) > 40, "too few objects prove little")


if __name__ == "__main__":
    run_test(body)
