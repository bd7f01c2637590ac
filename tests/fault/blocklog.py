"""Crash states of a real file system: record what reaches the block device, then rebuild the disk as a power cut at any
moment could have left it.

A state is everything up to the last flush before the moment, and of the writes after it an arbitrary part: each write is
there, missing, or torn in sectors of 512 bytes. The file system recovers on top of it as after a real power cut.
"""

import os
import random
import shutil
import struct
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lossy import need_fuse, tool, unmount
from outcome import check, need, skip, wait_until

RECORD = struct.Struct("<cQI")
SECTOR = 512
SUPERBLOCK_END = 4096  # written whole or not at all: ext4 itself cannot recover from a superblock torn within its block


def run(*command):
    return subprocess.run([str(c) for c in command], capture_output=True, text=True, check=False)


def need_loop_devices():
    need_fuse()
    need("losetup", "mkfs.ext4", "mount", "umount")
    if os.geteuid() != 0:
        skip("mounting a loop device needs root")


class Loop:
    """A loop device over a file, mounted; unmounted and detached at the end."""

    def __init__(self, image, point):
        self.point = Path(point)
        self.point.mkdir(exist_ok=True)
        attached = run("losetup", "-f", "--show", image)
        if attached.returncode != 0:
            skip(f"no loop devices here: {attached.stderr.strip()}")
        self.device = attached.stdout.strip()
        mounted = run("mount", "-t", "ext4", self.device, self.point)
        if mounted.returncode != 0:
            run("losetup", "-d", self.device)
        check(mounted.returncode == 0, f"the file system cannot be mounted: {mounted.stderr.strip()}")

    def close(self):
        wait_until(lambda: run("umount", self.point).returncode == 0, 10, "the file system is unmounted")
        run("losetup", "-d", self.device)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def fast_directory(directory):
    """A place in memory for images, which are copied once per state; the test's own directory where there is none."""
    shared = Path("/dev/shm")
    if os.access(shared, os.W_OK) and shutil.disk_usage(shared).free > 2 << 30:
        return Path(tempfile.mkdtemp(prefix="gabion-block-", dir=shared))
    return Path(directory)


class BlockRecorder:
    """A fresh ext4 on a recording disk, mounted at `path`."""

    def __init__(self, directory, megabytes):
        need_loop_devices()
        self.directory = fast_directory(directory)
        self.image, self.log = self.directory / "image", self.directory / "block.log"
        with open(self.image, "wb") as file:
            file.truncate(megabytes << 20)
        made = run("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.image)
        check(made.returncode == 0, f"mkfs.ext4: {made.stderr}")
        shutil.copyfile(self.image, self.directory / "base")
        disk = Path(directory) / "disk"
        disk.mkdir()
        self.fuse_point = disk
        self.process = subprocess.Popen([tool("blockdisk"), self.image, self.log, disk], stderr=subprocess.DEVNULL)
        wait_until(lambda: self.process.poll() is not None or os.path.ismount(disk), 10, "blockdisk has mounted")
        check(self.process.poll() is None, f"blockdisk ended with {self.process.returncode}")
        self.loop = Loop(disk / "disk", Path(directory) / "recorded")
        self.path = self.loop.point

    def mark(self, text):
        """Puts a mark into the log: what is durable before it is durable in every state after it."""
        with open(self.fuse_point / "mark", "wb", buffering=0) as file:
            file.write(text.encode())

    def close(self):
        """Ends the recording; the log stays."""
        self.loop.close()
        self.loop = None
        unmount(self.fuse_point)
        self.process.wait(10)

    def remove(self):
        if self.loop is not None:  # the test failed in the middle of the recording
            run("umount", "-l", self.loop.point)
            run("losetup", "-d", self.loop.device)
            unmount(self.fuse_point)
        shutil.rmtree(self.directory, ignore_errors=True)


@dataclass
class Record:
    operation: str
    offset: int
    data: bytes


def read_log(path):
    records = []
    with open(path, "rb") as file:
        while header := file.read(RECORD.size):
            operation, offset, length = RECORD.unpack(header)
            records.append(Record(operation.decode(), offset, file.read(length)))
    return records


class CrashStates:
    """Yields (marks before the moment, mounted path) for random moments after the first mark, in their order."""

    def __init__(self, recorder, count, seed):
        self.directory = recorder.directory
        self.records = read_log(recorder.log)
        self.random = random.Random(seed)
        first = next(i for i, r in enumerate(self.records) if r.operation == "M")
        moments = range(first + 1, len(self.records) + 1)
        check(len(moments) > 0, "the log has no moment after the first mark")
        self.moments = sorted(self.random.choices(moments, k=count))

    def __iter__(self):
        base, state, point = self.directory / "base", self.directory / "state", self.directory / "mounted"
        flushed = 0  # records applied to the base
        with open(base, "r+b") as disk:
            for moment in self.moments:
                last_flush = max((i for i in range(flushed, moment) if self.records[i].operation == "F"), default=-1)
                for record in self.records[flushed:last_flush + 1]:
                    if record.operation == "W":
                        os.pwrite(disk.fileno(), record.data, record.offset)
                flushed = max(flushed, last_flush + 1)
                run("cp", "--sparse=always", base, state)
                self._apply_part(state, self.records[flushed:moment])
                marks = [r.data.decode() for r in self.records[:moment] if r.operation == "M"]
                with Loop(state, point):
                    yield marks, point

    def _apply_part(self, state, pending):
        with open(state, "r+b") as disk:
            for record in pending:
                if record.operation != "W":
                    continue
                dice = self.random.random()
                if record.offset < SUPERBLOCK_END and 0.4 <= dice < 0.6:
                    continue
                for at in range(0, len(record.data), SECTOR):
                    # 40% whole, 20% torn, 40% missing
                    if dice < 0.4 or (dice < 0.6 and self.random.random() < 0.5):
                        os.pwrite(disk.fileno(), record.data[at:at + SECTOR], record.offset + at)
