"""duplicity, unmodified, through boto3: full backup, incremental, verify with data, restore of both, cleanup."""

import shutil

from client import MIB, Client, check_same_tree, client_test, write_file, write_tree
from outcome import check, need, say


def body(server, work):
    client = Client(server, work)
    options = ["--no-encryption", "--s3-endpoint-url", server.endpoint, "--volsize", "10", "--archive-dir", work / "archive",
               "--s3-region-name", "us-east-1"]
    url = "boto3+s3://backups/host"

    def duplicity(*arguments):
        return client.run("duplicity", *arguments[:1], *options, *arguments[1:])

    say(client.run("duplicity", "--version").strip())
    check(server.s3().create_bucket("backups").ok, "the bucket is made")
    write_tree(work / "tree", large=25 * MIB)
    duplicity("full", work / "tree", url)
    write_file(work / "tree/later.bin", 2 * MIB, 321)
    write_file(work / "tree/small/a.txt", 5000, 322)
    duplicity("incremental", work / "tree", url)
    duplicity("verify", "--compare-data", url, work / "tree")
    shutil.rmtree(work / "archive")  # everything must come from the server
    duplicity("restore", url, work / "latest")
    check_same_tree(work / "latest", work / "tree", "the latest state")
    status = duplicity("collection-status", url)
    check("Full" in status and "Incremental" in status, f"collection-status: {status}")
    duplicity("remove-all-but-n-full", "1", "--force", url)


if __name__ == "__main__":
    need("duplicity")
    client_test(body)
