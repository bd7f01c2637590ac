"""`gabion bench` against the server: each operation and way of signing does what it says and reports it, in the table and as
JSON; what cannot be run is refused with a clear line. Figures are not looked at."""

import json
import subprocess

from outcome import check, check_equal, run_test, say
from server import ROOT, Server, binary, clean_environment

PERCENTILES = ("p50", "p90", "p99", "p99.9", "max")


def bench(server, *arguments, code=0, secret=ROOT.secret_key, warmup=("--warmup", "0")):
    environment = clean_environment(server.directory)
    environment.update({"AWS_ACCESS_KEY_ID": ROOT.access_key, "AWS_SECRET_ACCESS_KEY": secret})
    command = [binary(), "bench", "--endpoint", server.endpoint, "--bucket", "bench", "--duration", "1s",
               "--concurrency", "4", *warmup, *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    check(done.returncode == code, f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout if code == 0 else done.stdout + done.stderr


def measured(server, *arguments):
    report = json.loads(bench(server, "--json", *arguments))
    check_equal(report["error_count"], 0, f"errors of {arguments}: {report['errors']}")
    check(report["operations"], f"{arguments} did nothing")
    for name, operation in report["operations"].items():
        check(operation["count"] > 0 and operation["operations_per_second"] > 0, f"{name}: {operation}")
        check(all(p in operation["latency_ms"] for p in PERCENTILES), f"{name} lacks percentiles: {operation}")
    return report


def body(directory):
    with Server(directory / "server", drives=6) as server:
        measured(server, "--op", "put", "--size", "1KiB-64KiB")
        sizes = set(server.s3().list("bench").values())
        check(len(sizes) > 3 and min(sizes) >= 1024 and max(sizes) <= 65536, f"sizes of a range: {sorted(sizes)[:9]}")
        measured(server, "--op", "put", "--size", "100KiB", "--objects", "8", "--unsigned-payload")
        measured(server, "--op", "get", "--size", "100KiB", "--objects", "8", "--verify", "--prefix", "get/")
        measured(server, "--op", "get", "--size", "100KiB", "--objects", "8", "--presigned", "--no-prefill", "--prefix", "get/")
        mixed = measured(server, "--op", "mixed", "--size", "20KiB", "--objects", "16", "--verify", "--put-percent", "50")
        check_equal(set(mixed["operations"]), {"PUT", "GET"}, "operations of mixed")
        listed = measured(server, "--op", "list", "--objects", "40", "--size", "1", "--prefix", "list/")
        check(listed["operations"]["LIST"]["keys_per_second"] > 0, "keys are counted")
        measured(server, "--op", "multipart", "--size", "11MiB", "--part-size", "5MiB", "--objects", "2")
        cpu = measured(server, "--op", "put", "--size", "1KiB", "--metrics", f"http://127.0.0.1:{server.admin_port}/metrics")
        check("cpu_seconds" in cpu["server"], "the server's CPU time")
        table = bench(server, "--op", "put", "--size", "1KiB")
        check(all(word in table for word in ("PUT", "per second", "MB/s", "errors: 0", *(f"{p} ms" for p in PERCENTILES))),
              f"the table: {table}")
        check("SignatureDoesNotMatch" in bench(server, "--op", "put", code=77, secret="not-the-secret-key-0123456789"),
              "a wrong secret is named")
        check("is not a duration" in bench(server, "--op", "put", "--warmup", "5x", code=64, warmup=()), "a wrong duration is named")
        check("is none of" in bench(server, "--op", "append", code=64), "a wrong operation is named")
    say("bench")


if __name__ == "__main__":
    run_test(body)
