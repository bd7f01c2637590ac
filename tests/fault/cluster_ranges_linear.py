"""Histories of concurrent PUT, conditional PUT, GET, DELETE and LIST are linearizable while the keys that they are about get
groups of their own one after the other, and nodes are killed, stand still, lead in turn and are cut off. GABION_LINEAR_SECONDS
and GABION_LINEAR_SEED ask for more."""

import random
import threading
import time

from cluster import Cluster
from cluster_linear import BUCKET, KEYS, Worker
from faults import can_partition, strike
from histories import Histories, selftest
from outcome import check, run_test, say
from ranges import wait_settled
from rounds import how_many
from server import pause


def split_all(cluster, keys, end):
    """Each key's split is decided as soon as the one before has come to its end, or nearly; as many as there is time for."""
    keys = list(keys)
    while keys and time.monotonic() < end:
        done = cluster.admin("range", "split", "--bucket", BUCKET, "--key", keys[0], "--yes", code=None)
        if done.returncode in (0, 5):  # 5: an answer was lost, and it begins there by now
            keys.pop(0)
        pause(0.5)


def body(directory):
    selftest()
    seconds = how_many("GABION_LINEAR_SECONDS", 40)
    with Cluster(directory / "cluster", nodes=5, partitions=can_partition()) as cluster:
        check(cluster.s3().create_bucket(BUCKET).ok, "the bucket cannot be made")
        histories, errors, end = Histories(), [], time.monotonic() + seconds
        rng = random.Random(how_many("GABION_LINEAR_SEED", 5))

        def work(run, *arguments):
            try:
                run(*arguments)
            except BaseException as error:
                errors.append(error)
        order = rng.sample(KEYS, len(KEYS))
        threads = [threading.Thread(target=work, args=(Worker(cluster, histories, n).run, end)) for n in range(8)]
        threads.append(threading.Thread(target=work, args=(split_all, cluster, order, end)))
        for thread in threads:
            thread.start()
        count = strike(cluster, rng, end)
        for thread in threads:
            thread.join()
        if errors:
            raise errors[0]
        cluster.wait_up()
        made = len(cluster.admin_json("range", "ls")["items"]) + len(cluster.admin_json("range", "ls")["splits"])
        wait_settled(cluster, made)
        check(made > 3, f"only {made - 1} splits prove little")
        total = sum(histories.operations.values())
        wrong = histories.check(directory)
        check(wrong == "", wrong)
        check(total > 200, f"only {total} operations prove little")
        say(f"{total} operations ({histories.operations}) over {count} faults and {made - 1} splits are linearizable")


if __name__ == "__main__":
    run_test(body)
