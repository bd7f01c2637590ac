"""Full drives: with one full, writes go to the others; with all full, they are refused with a clear error while reads and
deletes go on; with space again, writes go on without a restart."""

import os
import subprocess

from load import MIB, check_sweep, perform, put_all
from outcome import check, need, run_test, say, skip, wait_until
from scenario import BUCKET, filled

DRIVE_MIB = 200


class SmallDisks:
    """Six file systems in memory, so that full really is full."""

    def __init__(self, directory, count):
        self.points = [directory / f"disk{i}" for i in range(1, count + 1)]
        for point in self.points:
            point.mkdir(parents=True)
            mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DRIVE_MIB}m", "tmpfs", str(point)], check=False)
            if mounted.returncode != 0:
                self.close()
                skip("a small file system cannot be mounted here")

    def fill(self, point):
        """Writes until nothing fits."""
        with open(point.parent / point.name / "ballast", "ab", buffering=0) as file:
            for piece in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        file.write(bytes(piece))
                except OSError:
                    continue

    def free(self, point):
        (point / "ballast").unlink()

    def close(self):
        for point in self.points:
            subprocess.run(["umount", "-l", str(point)], check=False, stderr=subprocess.DEVNULL)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def body(directory):
    with SmallDisks(directory / "disks", 6) as disks:
        drives = [point / "drive" for point in disks.points]
        server, ledger = filled(directory / "server", drives=drives)
        client = server.s3()
        for number in (3,):  # one without metadata: a full metadata drive refuses new objects, as docs/operations.md says
            disks.fill(disks.points[number])
            put_all(ledger, client, BUCKET, (300, 50_000, 1 * MIB), prefix="one-full", count=3)
            check_sweep(ledger, client, f"drive {number + 1} full")
            disks.free(disks.points[number])
        for point in disks.points:
            disks.fill(point)
        refused = None
        for number in range(400):
            before = ledger.allowed(BUCKET, f"full/{number}")
            op = ledger.intend("put", BUCKET, f"full/{number}", 1 * MIB)
            answer = client.put(BUCKET, f"full/{number}", ledger.payload_of(op.number))
            ledger.settle(op, "ack" if answer.ok else "unknown", before)
            if not answer.ok:
                refused = answer
                break
        check(refused is not None, "400 MiB went into full drives")
        say(f"refused with {refused.status} {refused.error_code()}")
        check(refused.status in (503, 507) and refused.error_code() != "", f"not a clear refusal: {refused}")
        check_sweep(ledger, client, "all drives full")
        for size in (300, 50_000, 1 * MIB):
            check(perform(ledger, client, "delete", BUCKET, f"one-full/{size}-0"), "the server went away")
            check(ledger.certain(BUCKET, f"one-full/{size}-0") == (True, None), "a delete is taken on full drives")
        refused = client.put(BUCKET, "full/inline", b"x" * 300)
        check(refused.status == 503 and refused.error_code() == "SlowDown", f"an object kept with the metadata: {refused}")
        delete_much(client)
        check_sweep(ledger, client, "all drives full, after many deletes")
        server.kill()
        server.start(wait=False)
        server.wait_log("it is full")
        server.kill()
        for point in disks.points:
            disks.free(point)
        server.start()
        client = server.s3()
        wait_until(lambda: client.put(BUCKET, "probe", b"x" * MIB).ok, 40, "writes go on once there is space", step=0.5)
        put_all(ledger, client, BUCKET, (300, 50_000, 1 * MIB), prefix="again", count=3)
        check_sweep_without_probe(ledger, client, "with space again")
        server.restart()
        check_sweep_without_probe(ledger, server.s3(), "after a restart")
        server.stop()


def delete_much(client):
    """Three times as much as one segment of the metadata log holds, so that it must go on in what is kept for that."""
    for number in range(24):
        answer = client.delete_many(BUCKET, [f"absent/{number}/{i}/" + "x" * 980 for i in range(1000)])
        check(answer.ok and b"<Error>" not in answer.body, f"delete {number} of a thousand keys on full drives: {answer}")


def check_sweep_without_probe(ledger, client, when):
    client.delete(BUCKET, "probe")
    check_sweep(ledger, client, when)


if __name__ == "__main__":
    need("mount", "umount")
    if os.geteuid() != 0:
        skip("mounting needs root")
    run_test(body)
