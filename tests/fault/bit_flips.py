"""A flipped bit in every kind of file of a stopped server: it starts, serves no wrong byte, and every acknowledged object is
readable. Each kind is damaged in one file on one drive, then in all such files of m drives at once."""

import random
import shutil

from load import perform, sweep
from outcome import Failed, check, run_test, say
from rounds import how_many
from scenario import BUCKET, copy_drives, files_by_kind, filled
from server import Server

PARITY = 2


def flip(path, rng):
    """Flips one bit anywhere in the file; says where."""
    size = path.stat().st_size
    at = rng.randrange(size)
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ (1 << rng.randrange(8))]))
    return at


def verify(ledger, drives, directory, what):
    server = Server(directory, drives=drives)
    try:
        server.start()
        problems = sweep(ledger, server.s3())
    except Failed as failure:
        raise Failed(f"{what}: {failure}") from None
    finally:
        server.kill()
    check(not problems, f"{what}: {len(problems)} wrong: " + "; ".join(problems[:3]))


def body(directory):
    server, ledger = filled(directory / "server", count=4)
    for _, key in ledger.keys()[::5]:
        perform(ledger, server.s3(), "copy", BUCKET, f"copy/{key}", source=key, value=ledger.certain(BUCKET, key)[1])
    server.stop()
    server.start()  # a second run, so that there are recovered and flushed files of every kind
    server.kill()   # and files that were not closed
    golden = copy_drives(server, directory / "golden")
    rng = random.Random(9)
    tried, wrong = 0, []
    for kind, files in sorted(files_by_kind(golden).items()):
        for attempt in range(how_many("GABION_FLIPS", 2)):
            base = directory / f"flip{tried}"
            copies = copy_drives(type(server)(directory / "unused", drives=golden), base)
            if attempt % 2 == 0:
                drive, path = rng.choice(files)
                victims = [base / drive.name / path.relative_to(drive)]
            else:
                damaged = rng.sample(sorted({d for d, _ in files}), min(PARITY, len({d for d, _ in files})))
                victims = [base / d.name / p.relative_to(d) for d, p in files if d in damaged]
            places = [f"{v.relative_to(base)}@{flip(v, rng)}" for v in victims]
            try:
                verify(ledger, copies, directory / f"server{tried}", f"bit flipped in {', '.join(places)[:300]}")
                shutil.rmtree(base)
            except Failed as failure:
                wrong.append(str(failure))
                say(f"WRONG: {failure}")
            tried += 1
        say(f"{kind}: {len(files)} files tried")
    check(not wrong, f"{len(wrong)} of {tried} flips are wrong, the first: {wrong[:1]}")


if __name__ == "__main__":
    run_test(body)
