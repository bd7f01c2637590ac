"""The last record of the newest segment torn, and the end of the command log torn, on m drives at once: what was acknowledged
is readable, the torn rest is not taken for data, and the server goes on writing."""

import os
import random

from load import check_sweep, put_all
from outcome import check, run_test, say
from scenario import BUCKET, files_of, filled


def newest(drive, part):
    """The newest file that is written to at its end, of those whose path contains `part`."""
    files = [p for n, p in files_of(drive).items() if part in n and p.stat().st_size > 0]
    return max(files, key=lambda p: (p.stat().st_mtime_ns, p.name)) if files else None


def body(directory):
    rng = random.Random(4)
    server, ledger = filled(directory / "server")
    for cut in (1, 7, 100, 5000):
        server.kill()
        torn = []
        for drive in server.drives[:2]:
            for part in (".seg", "metadata/log"):
                path = newest(drive, part)
                if path is not None:
                    os.truncate(path, max(0, path.stat().st_size - cut))
                    torn.append(path)
        for drive in server.drives[2:]:  # a write that was never acknowledged: bytes behind the last record
            path = newest(drive, ".seg")
            with open(path, "ab") as file:
                file.write(rng.randbytes(cut))
            torn.append(path)
        check(len(torn) >= 6, f"only {torn} were torn")
        server.start()
        check_sweep(ledger, server.s3(), f"{cut} bytes torn off or added")
        put_all(ledger, server.s3(), BUCKET, (300, 100_000, 1_000_000), prefix=f"after{cut}")
    server.stop()
    server.start()
    check_sweep(ledger, server.s3(), "in the end")
    server.stop()
    say("torn tails are cut off, acknowledged records stay")


if __name__ == "__main__":
    run_test(body)
