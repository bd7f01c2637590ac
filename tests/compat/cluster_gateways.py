"""Real clients against several gateways of one cluster: what one writes through a gateway, another reads through the next one
at once; trees, large multipart uploads, server-side copies, listings and deletions."""

from client import Client, check_same_file, check_same_tree, write_file, write_tree
from cluster import Cluster
from load import MIB
from outcome import check, need, run_test, say


class Endpoint:
    """What Client wants to know of a server."""

    def __init__(self, url):
        self.endpoint = url


def body(directory):
    with Cluster(directory / "cluster", nodes=4) as cluster:
        work = directory / "work"
        work.mkdir()
        credentials = cluster.credentials()
        one, two, three, four = (node["endpoint"] for node in cluster.nodes.values())
        client = Client(Endpoint(one), work, {
            "AWS_ACCESS_KEY_ID": credentials.access_key, "AWS_SECRET_ACCESS_KEY": credentials.secret_key, "AWS_MAX_ATTEMPTS": "1",
            "RCLONE_CONFIG": str(work / "rclone.conf"), "RCLONE_RETRIES": "1"})
        (work / "rclone.conf").touch()

        def aws(endpoint, *arguments):
            return client.run("/usr/bin/aws", "--endpoint-url", endpoint, *arguments)

        def rclone(endpoint, *arguments):
            return client.run("rclone", "--s3-provider", "Other", "--s3-env-auth", "--s3-endpoint", endpoint, *arguments)

        aws(one, "s3", "mb", "s3://first")
        check("first" in aws(two, "s3", "ls"), "another gateway does not show the new bucket")
        large = write_file(work / "large.bin", 30 * MIB + 11, 1)
        aws(one, "s3", "cp", "large.bin", "s3://first/large.bin", "--quiet")
        aws(three, "s3", "cp", "s3://first/large.bin", "back.bin", "--quiet")
        check_same_file(work / "back.bin", large, "multipart through one gateway, read through another")
        write_tree(work / "tree", large=9 * MIB)
        rclone(two, "copy", "--s3-upload-cutoff", "6M", "--s3-chunk-size", "5M", work / "tree", ":s3:first/tree")
        rclone(four, "check", "--download", work / "tree", ":s3:first/tree")
        aws(one, "s3", "sync", "s3://first/tree", "synced", "--quiet")
        check_same_tree(work / "synced", work / "tree", "rclone through one gateway, aws through another")
        rclone(three, "copyto", ":s3:first/large.bin", ":s3:first/copy.bin")
        aws(four, "s3", "cp", "s3://first/copy.bin", "copy.bin", "--quiet")
        check_same_file(work / "copy.bin", large, "server-side copy")
        aws(two, "s3", "rm", "--recursive", "s3://first", "--quiet")
        check(rclone(one, "lsf", "-R", ":s3:first").strip() == "", "another gateway still lists what was deleted")
        aws(three, "s3", "rb", "s3://first")
        check("first" not in aws(four, "s3", "ls"), "another gateway still shows the bucket")
        say("aws and rclone over four gateways")


if __name__ == "__main__":
    need("aws", "rclone")
    run_test(body)
