"""restic, unmodified: init, backup, a second snapshot, check --read-data, restore, forget with prune."""

from client import MIB, Client, check_same_tree, client_test, write_file, write_tree
from outcome import check, need, say


def body(server, work):
    client = Client(server, work, {"RESTIC_REPOSITORY": f"s3:{server.endpoint}/backups/repo", "RESTIC_PASSWORD": "test",
                                   "RESTIC_CACHE_DIR": str(work / "cache")})

    def restic(*arguments):
        return client.run("restic", *arguments)

    say(client.run("restic", "version").strip())
    restic("init")
    write_tree(work / "tree", large=40 * MIB)
    restic("backup", "tree")
    restic("check", "--read-data")
    restic("restore", "latest", "--target", work / "first")
    check_same_tree(work / "first/tree", work / "tree", "the first restore")
    write_file(work / "tree/later.bin", 3 * MIB, 123)
    (work / "tree/one").unlink()
    restic("backup", "tree")
    restic("restore", "latest", "--target", work / "second")
    check_same_tree(work / "second/tree", work / "tree", "the second restore")
    restic("forget", "--keep-last", "1", "--prune")
    restic("check", "--read-data")
    check(restic("snapshots", "--json").count('"short_id"') == 1, "one snapshot is left")
    restic("restore", "latest", "--target", work / "third")
    check_same_tree(work / "third/tree", work / "tree", "the restore after prune")


if __name__ == "__main__":
    need("restic")
    client_test(body)
