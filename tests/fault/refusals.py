"""What a server must refuse to start on: drives in use by another process, a drive of another cluster, a newer format, a
directory with somebody's files. Each with one clear line, a sysexits code, and nothing changed."""

import hashlib
import shutil

from load import check_sweep
from outcome import check, run_test, say
from scenario import files_of, filled
from server import Server

IDENTITY = "gabion.drive"


def fingerprint(drives):
    return {(d.name, n): hashlib.sha256(p.read_bytes()).hexdigest() for d in drives for n, p in files_of(d).items()}


def refused(server, what, *words):
    """The server must end by itself with an error that contains these words."""
    server.start(wait=False)
    code = server.wait_exit(20)
    tail = server.log_tail(5)
    check(code in (64, 69, 73, 77, 78), f"{what}: exit code {code}\n{tail}")
    named = [line for line in server.log_lines() if all(w in line.lower() for w in words)]
    check(named, f"{what}: no line names {words}:\n{tail}")
    say(f"{what}: {code}, {named[0][:250]}")


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc >> 1) ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def make_newer(path):
    """Rewrites the identity as a later version would, with a checksum that matches."""
    lines = path.read_text().splitlines(keepends=True)
    name, _, version = lines[0].strip().partition("=")
    body = f"{name}={int(version) + 1}\n" + "".join(lines[1:-1])
    path.write_text(body + f"crc32c={crc32c(body.encode()):08x}\n")


def body(directory):
    server, ledger = filled(directory / "first", count=1)
    second = Server(directory / "second-process", drives=server.drives)
    refused(second, "drives in use by another process", "in use")
    check_sweep(ledger, server.s3(), "the first process serves on")
    server.stop()

    other, other_ledger = filled(directory / "other", count=1, run=2)
    other.stop()
    before = fingerprint(server.drives + other.drives)
    mixed = Server(directory / "mixed", drives=server.drives[:5] + other.drives[5:])
    refused(mixed, "a drive of another cluster", "cluster")
    check(fingerprint(server.drives + other.drives).items() >= before.items(), "the refused start changed files")

    newer = directory / "newer"
    for drive in server.drives:
        shutil.copytree(drive, newer / drive.name)
    make_newer(newer / server.drives[2].name / IDENTITY)
    refused(Server(directory / "newer-server", drives=sorted(newer.iterdir())), "a newer format", "format")

    foreign = [directory / f"foreign{i}" for i in range(6)]
    for path in foreign:
        path.mkdir()
    (foreign[3] / "holiday.jpg").write_bytes(b"somebody's")
    refused(Server(directory / "foreign-server", drives=foreign), "a directory with somebody's files", "empty")
    check((foreign[3] / "holiday.jpg").read_bytes() == b"somebody's", "somebody's file")
    refused(Server(directory / "absent", drives=6, arguments=["--no-such-flag"]), "an unknown flag", "no-such-flag")

    server.start()
    check_sweep(ledger, server.s3(), "the first cluster afterwards")
    server.stop()
    other.start()
    check_sweep(other_ledger, other.s3(), "the other cluster afterwards")
    other.stop()


if __name__ == "__main__":
    run_test(body)
