"""curl with --aws-sigv4, as the README shows it: put, get, range, list, delete."""

from client import Client, client_test, write_file
from outcome import check, check_equal, need, say
from server import ROOT


def body(server, work):
    client = Client(server, work)

    def curl(*arguments, code=0):
        # The header is needed up to curl 8, which does not send one by itself; S3 demands it.
        return client.run("curl", "-sS", "--fail", "--noproxy", "*", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
                          f"{ROOT.access_key}:{ROOT.secret_key}", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
                          *arguments, code=code, text=False)

    say(client.run("curl", "--version").splitlines()[0])
    source = write_file(work / "in.bin", 300_000, 4)
    curl("-X", "PUT", f"{server.endpoint}/first")
    curl("-T", source, f"{server.endpoint}/first/in.bin")
    check(curl(f"{server.endpoint}/first/in.bin") == source.read_bytes(), "GET returns other bytes")
    check_equal(curl("-r", "100-199", f"{server.endpoint}/first/in.bin"), source.read_bytes()[100:200], "a range")
    check(b"<Key>in.bin</Key>" in curl(f"{server.endpoint}/first?list-type=2"), "the listing shows the object")
    curl("-X", "DELETE", f"{server.endpoint}/first/in.bin")
    curl(f"{server.endpoint}/first/in.bin", code=22)
    curl("-X", "DELETE", f"{server.endpoint}/first")


if __name__ == "__main__":
    need("curl")
    client_test(body)
