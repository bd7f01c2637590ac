"""s3fs, unmodified: a bucket as a file system: write, read, append, rename, folders, a large file, remount."""

import os
import shutil
import subprocess

from client import MIB, Client, check_same_file, check_same_tree, client_test, write_file, write_tree
from outcome import check, check_equal, need, say, skip, wait_until
from server import ROOT


class Mount:
    def __init__(self, client, point):
        self.client, self.point = client, point
        point.mkdir(exist_ok=True)

    def __enter__(self):
        self.client.run("s3fs", "first", self.point, "-o", f"url={self.client.server.endpoint}", "-o",
                        "use_path_request_style", "-o", f"passwd_file={self.client.directory / 'passwd'}",
                        "-o", "multipart_size=10", "-o", "enable_noobj_cache")
        wait_until(lambda: os.path.ismount(self.point), 20, "s3fs has mounted the bucket")
        return self.point

    def __exit__(self, *_):
        subprocess.run(["fusermount", "-u", str(self.point)], check=True)
        wait_until(lambda: not os.path.ismount(self.point), 20, "s3fs has unmounted")


def body(server, work):
    client = Client(server, work)
    (work / "passwd").write_text(f"{ROOT.access_key}:{ROOT.secret_key}\n")
    (work / "passwd").chmod(0o600)
    say(client.run("s3fs", "--version").splitlines()[0])
    check(server.s3().create_bucket("first").ok, "the bucket is made")
    write_tree(work / "tree", large=33 * MIB)
    with Mount(client, work / "mount") as point:
        shutil.copytree(work / "tree", point / "tree", copy_function=shutil.copyfile)
        check_same_tree(point / "tree", work / "tree", "written through the mount")
        with open(point / "tree/one", "ab") as file:
            file.write(b"appended")
        os.rename(point / "tree/small", point / "tree/renamed")
        os.rename(point / "tree/empty", point / "tree/still empty")
        os.remove(point / "tree/renamed/a.txt")
        (point / "folder").mkdir()
    with open(work / "tree/one", "ab") as file:
        file.write(b"appended")
    os.rename(work / "tree/small", work / "tree/renamed")
    os.rename(work / "tree/empty", work / "tree/still empty")
    os.remove(work / "tree/renamed/a.txt")
    with Mount(client, work / "mount") as point:
        check_same_tree(point / "tree", work / "tree", "read after a remount")
        check_equal(sorted(os.listdir(point)), ["folder", "tree"], "the root")
        shutil.copyfile(point / "tree/large.bin", work / "large.back")
        check_same_file(work / "large.back", work / "tree/large.bin", "the large file")
        write_file(point / "tree/large.bin", 1000, 5)
        check_equal(os.path.getsize(point / "tree/large.bin"), 1000, "an overwritten file")
        shutil.rmtree(point / "tree")
        check_equal(os.listdir(point), ["folder"], "after removal")


if __name__ == "__main__":
    need("s3fs", "fusermount")
    if not os.access("/dev/fuse", os.R_OK | os.W_OK):
        skip("/dev/fuse is not usable here")
    client_test(body)
