"""Mounts lossyfs (see lossyfs.cc) and gives its commands."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from outcome import check, need, skip, wait_until

MOUNT_REFUSED = 4  # what libfuse's main function returns then


def tool(name):
    """The path of a built tool; skips when it was not built because a library is missing."""
    path = Path(os.environ.get("GABION_TOOLS", "")) / name
    if not os.access(path, os.X_OK):
        skip(f"{name} is not built: CMake found no libfuse3 (package libfuse3-dev)")
    return path


def fuse_is_usable():
    return (shutil.which("fusermount3", path="/usr/bin:/bin") is not None and os.access("/dev/fuse", os.R_OK | os.W_OK)
            and os.access(Path(os.environ.get("GABION_TOOLS", "")) / "lossyfs", os.X_OK))


def need_fuse():
    need("fusermount3")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        skip("/dev/fuse is not usable here")


def unmount(point):
    subprocess.run(["fusermount3", "-u", "-z", str(point)], check=False, stderr=subprocess.DEVNULL)


class LossyDisk:
    """A mount point below `directory`; its drives are subdirectories of `path`."""

    def __init__(self, directory):
        need_fuse()
        self.backing, self.path = Path(directory) / "backing", Path(directory) / "lossy"
        self.backing.mkdir(parents=True)
        self.path.mkdir()
        with open(Path(directory) / "lossyfs.log", "wb") as log:
            self.process = subprocess.Popen([tool("lossyfs"), self.backing, self.path], stderr=log)
        def mounted():
            if self.process.poll() == MOUNT_REFUSED:
                skip("lossyfs may not mount here")
            check(self.process.poll() is None, f"lossyfs ended with {self.process.returncode}")
            return os.path.ismount(self.path)
        wait_until(mounted, 10, "lossyfs has mounted")

    def command(self, line):
        with open(self.path / ".lossyfs", "w", encoding="ascii") as control:
            control.write(line + "\n")

    def counters(self):
        text = (self.path / ".lossyfs").read_text()
        return {name: int(value) for name, value in (line.split("=") for line in text.split())}

    def drives(self, count):
        """Directories for drives, durable from the start."""
        made = [self.path / f"drive{i}" for i in range(1, count + 1)]
        for drive in made:
            drive.mkdir(exist_ok=True)
        self.sync_root()
        return made

    def sync_root(self):
        directory = os.open(self.path, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)

    def close(self):
        unmount(self.path)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is not None:
            check(kind is not None, f"lossyfs ended with {self.process.returncode}")
            sys.stderr.write(f"lossyfs ended with {self.process.returncode}\n")
        self.close()
