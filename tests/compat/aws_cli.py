"""The aws command line, unmodified: copy, sync, multipart, listing, checksums, presigned URLs, removal."""

import base64
import hashlib
import json
import zlib

from client import MIB, Client, check_same_file, check_same_tree, client_test, write_file, write_tree
from outcome import check, check_equal, need, say


def copies(aws, work):
    for size in (0, 1000, 20 * MIB + 3):
        source = write_file(work / "in.bin", size, size + 1)
        aws("s3", "cp", source, "s3://first/dir/object.bin", "--no-progress")
        aws("s3", "cp", "s3://first/dir/object.bin", work / "out.bin", "--no-progress")
        check_same_file(work / "out.bin", source, f"s3 cp of {size} bytes")
    aws("s3", "cp", "s3://first/dir/object.bin", "s3://first/copied.bin", "--no-progress")
    aws("s3", "mv", "s3://first/copied.bin", "s3://first/moved.bin", "--no-progress")
    aws("s3", "cp", "s3://first/moved.bin", work / "moved.bin", "--no-progress")
    check_same_file(work / "moved.bin", work / "in.bin", "s3 cp and mv inside the server")
    say("s3 cp, mv: byte for byte")


def trees(aws, work):
    write_tree(work / "tree")
    aws("s3", "sync", work / "tree", "s3://first/tree", "--no-progress")
    check_equal(aws("s3", "sync", work / "tree", "s3://first/tree", "--no-progress").strip(), "", "a second sync")
    aws("s3", "sync", "s3://first/tree", work / "back", "--no-progress")
    check_same_tree(work / "back", work / "tree", "s3 sync there and back")
    (work / "tree/one").unlink()
    aws("s3", "sync", work / "tree", "s3://first/tree", "--delete", "--no-progress")
    listed = aws("s3", "ls", "--recursive", "s3://first/tree/")
    check("tree/large.bin" in listed and "tree/one" not in listed, f"s3 ls after sync --delete: {listed}")


def api(aws, work):
    data = write_file(work / "api.bin", 150_000, 5)
    content = data.read_bytes()
    put = json.loads(aws("s3api", "put-object", "--bucket", "first", "--key", "api/ü +%.bin", "--body", data,
                         "--checksum-algorithm", "SHA256", "--metadata", "colour=blue,Shape=round",
                         "--content-type", "text/x-test", "--cache-control", "max-age=7"))
    sha256 = base64.b64encode(hashlib.sha256(content).digest()).decode()
    check_equal(put["ChecksumSHA256"], sha256, "checksum returned by put-object")
    head = json.loads(aws("s3api", "head-object", "--bucket", "first", "--key", "api/ü +%.bin", "--checksum-mode", "ENABLED"))
    check_equal(head["Metadata"], {"colour": "blue", "shape": "round"}, "user metadata")
    check_equal((head["ContentType"], head["CacheControl"], head["ContentLength"], head["ChecksumSHA256"]),
                ("text/x-test", "max-age=7", 150_000, sha256), "head-object")
    check_equal(head["ETag"], f'"{hashlib.md5(content).hexdigest()}"', "ETag")
    aws("s3api", "get-object", "--bucket", "first", "--key", "api/ü +%.bin", "--range", "bytes=65530-65600",
        work / "range.bin")
    check_equal((work / "range.bin").read_bytes(), content[65530:65601], "a range")
    crc = json.loads(aws("s3api", "put-object", "--bucket", "first", "--key", "crc", "--body", data,
                         "--checksum-algorithm", "CRC32"))
    check_equal(crc["ChecksumCRC32"], base64.b64encode(zlib.crc32(content).to_bytes(4, "big")).decode(), "CRC32")
    attributes = json.loads(aws("s3api", "get-object-attributes", "--bucket", "first", "--key", "crc",
                                "--object-attributes", "ETag", "Checksum", "ObjectSize"))
    check_equal((attributes["ObjectSize"], attributes["Checksum"]["ChecksumCRC32"]), (150_000, crc["ChecksumCRC32"]),
                "get-object-attributes")
    copied = json.loads(aws("s3api", "copy-object", "--bucket", "first", "--key", "api-copy", "--copy-source",
                            "first/api/ü +%.bin"))
    check_equal(copied["CopyObjectResult"]["ETag"], head["ETag"], "copy-object")
    say("s3api: metadata, checksums, ranges, copy")


def listing(aws, work):
    for i in range(12):
        write_file(work / f"list/{i:02}/x", 10, i)
    aws("s3", "cp", "--recursive", work / "list", "s3://first/list", "--no-progress")
    pages = json.loads(aws("s3api", "list-objects-v2", "--bucket", "first", "--prefix", "list/", "--page-size", "5"))
    check_equal([o["Key"] for o in pages["Contents"]], [f"list/{i:02}/x" for i in range(12)], "pages of five")
    folders = json.loads(aws("s3api", "list-objects-v2", "--bucket", "first", "--prefix", "list/", "--delimiter", "/",
                             "--page-size", "5"))
    check_equal([p["Prefix"] for p in folders["CommonPrefixes"]], [f"list/{i:02}/" for i in range(12)], "common prefixes")
    location = json.loads(aws("s3api", "get-bucket-location", "--bucket", "first"))
    check_equal(location.get("LocationConstraint"), None, "location")
    say("listing: pages and common prefixes")


def presigned(client, aws, work):
    url = aws("s3", "presign", "s3://first/dir/object.bin", "--expires-in", "120").strip()
    got = client.run("curl", "-sSf", "--noproxy", "*", url, text=False)
    check(got == (work / "in.bin").read_bytes(), "a presigned URL returns other bytes")
    say("presigned URL: byte for byte")


def removal(client, aws):
    client.run("/usr/bin/aws", "--endpoint-url", client.server.endpoint, "s3", "rb", "s3://first", code=1)  # not empty
    aws("s3", "rm", "--recursive", "s3://first", "--quiet")
    aws("s3", "rb", "s3://first")
    check("first" not in aws("s3", "ls"), "the removed bucket is still listed")
    client.run("/usr/bin/aws", "--endpoint-url", client.server.endpoint, "s3api", "head-bucket", "--bucket", "first", code=254)


def body(server, work):
    # One attempt and a short time-out: a request that the server leaves hanging must fail the test, not slow it down.
    client = Client(server, work, {"AWS_MAX_ATTEMPTS": "1"})

    def aws(*arguments):
        return client.run("/usr/bin/aws", "--cli-read-timeout", "20", "--endpoint-url", server.endpoint, *arguments)

    say(client.run("/usr/bin/aws", "--version").strip())
    aws("s3", "mb", "s3://first")
    check("first" in aws("s3", "ls"), "s3 ls does not show the new bucket")
    copies(aws, work)
    trees(aws, work)
    api(aws, work)
    listing(aws, work)
    presigned(client, aws, work)
    removal(client, aws)


if __name__ == "__main__":
    need("aws", "curl")
    client_test(body)
