"""A sync that fails once: the drive is failed at once, nothing is written to it or synced again, the server serves on from
the others, and after a power cut nothing acknowledged is missing."""

from ledger import Ledger
from load import Load, check_sweep
from lossy import LossyDisk
from outcome import check, check_equal, run_test, say, wait_until
from scenario import BUCKET
from server import Server, pause


def up(server, drive):
    return next(v for k, v in server.metrics().items() if k.startswith("gabion_drive_up{") and f'{drive}"' in k)


def one_failure(directory, what):
    """Fails the next sync of a path that contains `what`, under load."""
    directory.mkdir()
    with LossyDisk(directory) as disk:
        server = Server(directory / "server", drives=disk.drives(6)).start()
        ledger = Ledger(directory / "ledger", run=5)
        check(server.s3().create_bucket(BUCKET).ok, "the bucket cannot be made")
        load = Load(server, ledger, BUCKET, workers=3, seed=what).start()
        pause(0.4)
        disk.command(f"fail sync 1 {what}")
        failed = disk.path / what.split("/")[0]
        wait_until(lambda: up(server, failed) == 0, 20, f"the drive of {what} is out of use")
        acknowledged = ledger.acks
        wait_until(lambda: ledger.acks > acknowledged + 20, 20, "writes go on")
        load.stop()
        counters = disk.counters()
        check_equal(counters["injected"], 1, "failures injected")
        check_equal(counters["syncs_after_failure"], 0, "syncs of the failed file")
        check_sweep(ledger, server.s3(), f"a failed sync of {what}")
        server.kill()
        disk.command("crash drop")
        server.start()
        check_sweep(ledger, server.s3(), "after a power cut on top")
        server.stop()


def body(directory):
    for number, what in enumerate(("drive2/segments", "drive6/segments", "drive1/metadata", "drive2/metadata")):
        one_failure(directory / str(number), what)
    say("a failed sync fails the drive, once and for good")


if __name__ == "__main__":
    run_test(body)
