"""The clock set back an hour between two runs, and forward again: order comes from the log, so overwrites made "earlier" win
and deletes stay deleted."""

from datetime import datetime, timedelta, timezone

from load import check_sweep, perform, put_all
from lossy import tool
from outcome import run_test, say
from s3 import S3
from scenario import BUCKET, filled


class ShiftedS3(S3):
    """Signs with the server's idea of the time."""

    def __init__(self, server, shift):
        other = server.s3()
        super().__init__(other.host, other.port, other.credentials, other.timeout)
        self.shift = shift

    def head_of(self, method, path, query=(), headers=None, payload_hash=None, when=None):
        when = datetime.now(timezone.utc) + timedelta(seconds=self.shift)
        return super().head_of(method, path, query, headers, payload_hash, when)


def body(directory):
    library = tool("libclockshift.so")
    server, ledger = filled(directory / "server", count=2)
    server.stop()
    for shift in (-3600, +3600, -7200, 0):
        server.environment = {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(shift)}
        server.start()
        client = ShiftedS3(server, shift)
        put_all(ledger, client, BUCKET, (300, 100_000), count=2)  # overwrites the keys of the run before
        perform(ledger, client, "delete", BUCKET, "seed/6144-0")
        _, source = ledger.certain(BUCKET, "seed/300-0")
        perform(ledger, client, "copy", BUCKET, "seed/30720-0", source="seed/300-0", value=source)
        check_sweep(ledger, client, f"clock shifted by {shift} s")
        server.kill()
        server.start()
        check_sweep(ledger, ShiftedS3(server, shift), "and after a crash")
        perform(ledger, ShiftedS3(server, shift), "put", BUCKET, "seed/6144-0", size=6000)
        server.stop()
    say("the clock orders nothing")


if __name__ == "__main__":
    run_test(body)
