"""A drive that goes bad while serving: first every read of it fails, then every write, then the same with a second drive on
top. Nothing acknowledged is missing, writes go on, and with the drives healed a restart finds everything."""

from ledger import Ledger
from load import Load, check_sweep
from lossy import LossyDisk
from outcome import check, run_test, say, wait_until
from scenario import BUCKET
from server import Server, pause


def one_failure(directory, drives, commands):
    """Gives the commands one after the other under load, and heals."""
    directory.mkdir()
    with LossyDisk(directory) as disk:
        server = Server(directory / "server", drives=disk.drives(6)).start()
        try:
            ledger = Ledger(directory / "ledger", run=6)
            check(server.s3().create_bucket(BUCKET).ok, "the bucket cannot be made")
            load = Load(server, ledger, BUCKET, workers=3, seed=str(commands)).start()
            pause(0.3)
            for command in commands:
                disk.command(command)
                acknowledged = ledger.acks
                wait_until(lambda: ledger.acks > acknowledged + 20, 20, f"writes go on after {command}")
            load.stop()
            check_sweep(ledger, server.s3(), f"{commands}")
            check(disk.counters()["injected"] > 0, "nothing failed")
            server.kill()
            check_sweep_restarted(server, ledger, f"{commands}, restarted")
            server.kill()
            disk.command("heal")
            check_sweep_restarted(server, ledger, "healed")
        finally:
            server.kill()
    say(f"{drives}: the others carry on")


def check_sweep_restarted(server, ledger, when):
    server.start()
    check_sweep(ledger, server.s3(), when)


def body(directory):
    one_failure(directory / "a", "drive5", ["fail read drive5/"])
    one_failure(directory / "b", "drive6", ["fail write drive6/", "fail read drive6/"])
    one_failure(directory / "c", "drive1", ["fail read drive1/", "fail write drive1/"])
    one_failure(directory / "d", "drive4 and drive5", ["fail space drive5/", "fail write drive4/"])


if __name__ == "__main__":
    run_test(body)
