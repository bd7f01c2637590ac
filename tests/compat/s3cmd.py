"""s3cmd, unmodified, with its default region name "US": put, get, multipart, sync, ls, copy, info, signed URLs."""

from client import MIB, Client, check_same_file, check_same_tree, client_test, write_file, write_tree
from outcome import check, check_equal, need, say
from server import ROOT


def body(server, work):
    client = Client(server, work)
    host = f"127.0.0.1:{server.port}"
    (work / "s3cfg").write_text(f"[default]\naccess_key = {ROOT.access_key}\nsecret_key = {ROOT.secret_key}\n"
                                f"host_base = {host}\nhost_bucket = {host}\nuse_https = False\n")

    def s3cmd(*arguments):
        return client.run("s3cmd", "-c", work / "s3cfg", "--no-progress", *arguments)

    say(client.run("s3cmd", "--version").strip())
    s3cmd("mb", "s3://first")
    check("s3://first" in s3cmd("ls"), "the bucket is listed")
    for size in (0, 1, 1000, 200_000, 37 * MIB):  # s3cmd's parts are 15 MiB
        source = write_file(work / "in.bin", size, size + 9)
        s3cmd("put", source, "s3://first/dir/in bin+%.dat")
        s3cmd("get", "--force", "s3://first/dir/in bin+%.dat", work / "out.bin")
        check_same_file(work / "out.bin", source, f"put and get of {size} bytes")
    s3cmd("cp", "s3://first/dir/in bin+%.dat", "s3://first/copy.dat")
    s3cmd("mv", "s3://first/copy.dat", "s3://first/moved.dat")
    s3cmd("get", "--force", "s3://first/moved.dat", work / "moved.bin")
    check_same_file(work / "moved.bin", work / "in.bin", "cp and mv")
    info = s3cmd("info", "s3://first/moved.dat")
    check(str(37 * MIB) in info, f"info must name the size: {info}")
    write_tree(work / "tree", large=16 * MIB)
    s3cmd("sync", f"{work}/tree/", "s3://first/tree/")
    check_equal(s3cmd("sync", f"{work}/tree/", "s3://first/tree/").strip(), "", "a second sync copies")
    s3cmd("sync", "s3://first/tree/", f"{work}/back/")
    check_same_tree(work / "back", work / "tree", "sync there and back")
    check("DIR" in s3cmd("ls", "s3://first/tree/"), "ls shows folders")
    url = s3cmd("signurl", "s3://first/moved.dat", "+300").strip()
    got = client.run("curl", "-sSf", "--noproxy", "*", url, text=False)
    check(got == (work / "in.bin").read_bytes(), "a signed URL (signature version 2) returns other bytes")
    s3cmd("del", "--recursive", "--force", "s3://first/")
    s3cmd("rb", "s3://first")
    check("s3://first" not in s3cmd("ls"), "the removed bucket is gone")


if __name__ == "__main__":
    need("s3cmd", "curl")
    client_test(body)
