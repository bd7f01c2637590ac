"""A drive missing at start: the server says which, serves everything, takes writes; with the drive back it heals; with more
than m missing it is not ready, and serves no wrong byte."""

from ledger import Ledger
from load import KIB, MIB, check_sweep, put_all
from outcome import check, run_test, say, wait_until
from s3 import Unknown
from server import Server

SIZES = (300, 20 * KIB, 100 * KIB, 1 * MIB, 9 * MIB)


def body(directory):
    server = Server(directory / "server", drives=6).start()
    ledger = Ledger(directory / "ledger", run=3)
    client = server.s3()
    check(client.create_bucket("first").ok, "bucket")
    put_all(ledger, client, "first", SIZES, count=3)
    server.stop()
    for gone in (0, 4):  # the first holds metadata, the other does not
        drive, away = server.drives[gone], directory / "away"
        drive.rename(away)
        server.start()
        check(any(str(drive) in line and ("error" in line or "warn" in line) for line in server.log_lines()),
              f"the log does not name the missing {drive}")
        check_sweep(ledger, server.s3(), f"without drive {gone + 1}")
        put_all(ledger, server.s3(), "first", SIZES, prefix=f"without{gone}")
        check_sweep(ledger, server.s3(), "with what was written meanwhile")
        server.stop()
        away.rename(drive)
        server.start()
        check_sweep(ledger, server.s3(), "with the drive back")
        wait_until(lambda: server.metrics()["gabion_repair_waiting_blocks"] == 0, 60, "repairs are done", step=0.2)
        server.stop()
    for drive in server.drives[3:]:  # three of six: more than 4+2 survives
        drive.rename(directory / f"away-{drive.name}")
    server.start(wait=False)
    wait_until(lambda: not server.running() or server.admin_answers(), 20, "the server says how it is")
    if server.running():
        check(not server.ready(), "with three drives missing it must not call itself ready")
        for bucket, key in ledger.keys():
            try:
                answer = server.s3().get(bucket, key)
            except Unknown:
                continue  # an answer cut off in the middle is an error that a client sees
            right = ledger.payload_of(ledger.certain(bucket, key)[1])
            check(answer.status != 200 or answer.body == right, f"wrong bytes of {key}")
            check(answer.status != 404, f"{key} must not be called absent because drives are")
    server.kill()
    for drive in server.drives[3:]:
        (directory / f"away-{drive.name}").rename(drive)
    server.start()
    check_sweep(ledger, server.s3(), "with all drives back")
    server.stop()
    say("degraded starts")


if __name__ == "__main__":
    run_test(body)
