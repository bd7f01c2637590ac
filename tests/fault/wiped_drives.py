"""Two of six drives wiped while the server serves a mixed load: every acknowledged object stays readable, new writes are
taken, and the same holds after a restart without them and after they were replaced."""

import shutil

from load import Load, check_sweep
from outcome import check, run_test, say, wait_until
from scenario import BUCKET, filled
from server import pause


def wipe(drive):
    for entry in drive.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()


def body(directory):
    server, ledger = filled(directory / "server")
    load = Load(server, ledger, BUCKET, workers=3, multipart=True, seed=2).start()
    pause(0.5)
    wiped = [server.drives[0], server.drives[4]]  # one of them holds the live metadata
    for drive in wiped:
        wipe(drive)
    pause(1.5)
    acknowledged = ledger.acks
    wait_until(lambda: ledger.acks > acknowledged + 20, 20, "writes go on without the two drives")
    load.stop()
    check_sweep(ledger, server.s3(), "with two drives wiped")
    server.restart()
    check_sweep(ledger, server.s3(), "after a restart with them empty")
    server.stop()
    server.arguments = ["--replace", ",".join(map(str, wiped))]
    server.start()
    check_sweep(ledger, server.s3(), "right after they were replaced")
    check((wiped[0] / "master.key").exists(), "the new metadata drive has a copy of the master key")

    def repaired():
        metrics = server.metrics()
        shards = [v for k, v in metrics.items() if k.startswith("gabion_drive_shards{") and any(str(d) in k for d in wiped)]
        return (len(shards) == 2 and min(shards) > 0 and metrics["gabion_repair_waiting_blocks"] == 0
                and not server.open_jobs())
    wait_until(repaired, 60, "the replaced drives are rebuilt", step=0.2)
    say("the replaced drives are rebuilt")
    server.stop()
    server.arguments = []
    for drive in (server.drives[1], server.drives[5]):  # now the others go, so the rebuilt ones must carry the data
        wipe(drive)
    server.start()
    check_sweep(ledger, server.s3(), "with the other two wiped")
    server.stop()


if __name__ == "__main__":
    run_test(body)
