"""What the fault scenarios share: a server with known contents, and its files by kind."""

import collections
import re
import shutil

from ledger import Ledger
from load import KIB, MIB, put_all
from outcome import check
from server import Server

BUCKET = "data"
# Inline, copied and coded objects, one of several blocks.
SIZES = (300, 6 * KIB, 30 * KIB, 100 * KIB, 400 * KIB, 2 * MIB, 9 * MIB)


def filled(directory, drives=6, count=3, sizes=SIZES, run=1, **options):
    """A running server that holds `count` objects of each size; returns it with its ledger."""
    server = Server(directory, drives=drives, **options).start()
    ledger = Ledger(directory.parent / f"ledger-{directory.name}", run)
    client = server.s3()
    check(client.create_bucket(BUCKET).ok, "the bucket cannot be made")
    put_all(ledger, client, BUCKET, sizes, count=count)
    return server, ledger


def copy_drives(server, into):
    """Copies a stopped server's drives; returns the copies."""
    copies = []
    for drive in server.drives:
        shutil.copytree(drive, into / drive.name)
        copies.append(into / drive.name)
    return copies


def files_of(drive):
    """Every file below a drive, by its path relative to the drive."""
    return {str(path.relative_to(drive)): path for path in sorted(drive.rglob("*")) if path.is_file()}


def kind_of(name):
    """The kind of a file: its path with numbers taken out, so that all segments are one kind."""
    return re.sub(r"[0-9a-f]{8,}|\d+", "#", name)


def files_by_kind(drives):
    """[(drive, path)] of the files that are not empty, by kind."""
    kinds = collections.defaultdict(list)
    for drive in drives:
        for name, path in files_of(drive).items():
            if path.stat().st_size > 0:
                kinds[kind_of(name)].append((drive, path))
    return kinds
