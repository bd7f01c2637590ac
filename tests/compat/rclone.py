"""rclone, unmodified: copy, check, sync with deletions, large multipart, server-side copy, cat of ranges, purge."""

import json

from client import MIB, Client, check_same_file, check_same_tree, client_test, write_file, write_tree
from outcome import check, check_equal, need, say


def body(server, work):
    client = Client(server, work, {
        "RCLONE_CONFIG": str(work / "rclone.conf"), "RCLONE_CONFIG_G_TYPE": "s3", "RCLONE_CONFIG_G_PROVIDER": "Other",
        "RCLONE_CONFIG_G_ENV_AUTH": "true", "RCLONE_CONFIG_G_ENDPOINT": server.endpoint, "RCLONE_RETRIES": "1"})
    (work / "rclone.conf").touch()

    def rclone(*arguments):
        return client.run("rclone", *arguments)

    say(client.run("rclone", "version").splitlines()[0])
    rclone("mkdir", "g:first")
    write_tree(work / "tree", large=50 * MIB + 7)
    rclone("copy", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M", work / "tree", "g:first/tree")
    rclone("check", "--download", work / "tree", "g:first/tree")
    rclone("check", work / "tree", "g:first/tree")
    rclone("copy", "g:first/tree", work / "back")
    check_same_tree(work / "back", work / "tree", "copy there and back")
    large = write_file(work / "huge.bin", 230 * MIB, 77)  # above the cutoff of 200 MiB: multipart by default
    rclone("copyto", large, "g:first/huge.bin")
    rclone("copyto", "g:first/huge.bin", work / "huge.back")
    check_same_file(work / "huge.back", large, "a large multipart upload")
    rclone("copyto", "g:first/tree/large.bin", "g:first/server-side.bin")
    rclone("copyto", "g:first/server-side.bin", work / "server-side.bin")
    check_same_file(work / "server-side.bin", work / "tree/large.bin", "server-side copy")
    part = client.run("rclone", "cat", "--offset", "5242870", "--count", "33", "g:first/tree/large.bin", text=False)
    check_equal(part, (work / "tree/large.bin").read_bytes()[5242870:5242903], "cat of a range across parts")
    (work / "tree/small/a.txt").unlink()
    write_file(work / "tree/new file.txt", 4321, 99)
    rclone("sync", work / "tree", "g:first/tree")
    rclone("check", "--download", work / "tree", "g:first/tree")
    listed = json.loads(rclone("lsjson", "-R", "g:first/tree"))
    names = {e["Path"] for e in listed}
    check("new file.txt" in names and "small/a.txt" not in names, f"after sync: {names}")
    link = rclone("link", "--expire", "2m", "g:first/tree/large.bin").strip()
    got = client.run("curl", "-sSf", "--noproxy", "*", link, text=False)
    check(got == (work / "tree/large.bin").read_bytes(), "a linked object has other bytes")
    rclone("purge", "g:first")
    check_equal(rclone("lsd", "g:").strip(), "", "after purge")


if __name__ == "__main__":
    need("rclone", "curl")
    client_test(body)
