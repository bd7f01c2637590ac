"""Health on both ports with all its names, and metrics: present, parseable, and counting what happened."""

import re
import subprocess
import urllib.error
import urllib.request

from outcome import check, check_equal, run_test, say
from server import Server, binary, clean_environment, free_port, port_answers

HEALTH = ["/health/live", "/health/ready", "/minio/health/live", "/minio/health/ready", "/minio/health/cluster"]
SAMPLE = re.compile(r'^[a-z_][a-z0-9_]*(\{[a-z_]+="(?:[^"\\]|\\.)*"(,[a-z_]+="(?:[^"\\]|\\.)*")*\})? [-+0-9.eInfNa]+$')


def fetch(port, path, method="GET"):
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", method=method)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def well_formed(text):
    """Every sample parses, has HELP and TYPE before it, and stands once."""
    seen, types = set(), {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            check(name not in types, f"TYPE of {name} twice")
            types[name] = kind
        elif line and not line.startswith("#"):
            check(SAMPLE.match(line), f"not a sample: {line}")
            name = line.rpartition(" ")[0]
            check(name not in seen, f"{name} twice")
            seen.add(name)
            base = re.sub(r"_(bucket|sum|count)$", "", name.partition("{")[0])
            check(base in types or name.partition("{")[0] in types, f"no TYPE for {name}")
    return seen


def refuses_admin_address(directory):
    """The S3 port is not opened for a moment when the admin port cannot be."""
    server = Server(directory / "refused", drives=3)
    port = free_port()
    command = [binary(), "serve", "--listen", f"127.0.0.1:{port}", "--admin-listen", "nowhere", *map(str, server.drives)]
    with subprocess.Popen(command, env=clean_environment(server.directory), stderr=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        served = False
        while process.poll() is None:
            served = served or port_answers(port)
        check_equal(process.returncode, 78, "the exit code for an admin address that makes no sense")
        check(b"'nowhere' is not ADDRESS:PORT" in process.stderr.read(), "the log names the address")
        check(not served, "S3 was served although the admin port cannot be")


def body(directory):
    refuses_admin_address(directory)
    with Server(directory / "server", drives=6) as server:
        for port in (server.port, server.admin_port):
            for path in HEALTH:
                for method in ("GET", "HEAD"):
                    check_equal(fetch(port, path, method)[0], 200, f"{method} {path} on {port}")
        check_equal(fetch(server.port, "/metrics")[0], 403, "metrics are not on the public port")
        client = server.s3()
        check(client.create_bucket("first").ok, "bucket")
        before = server.metrics()
        for i in range(7):
            check(client.put("first", f"secret-key-name-{i}", bytes(300_000)).ok, "put")
        for i in range(5):
            check(client.get("first", f"secret-key-name-{i}").ok, "get")
        check_equal(client.get("first", "absent").status, 404, "absent")
        after = server.metrics()
        text = server.admin("/metrics")[2].decode()
        names = well_formed(text)

        def grew(pattern):
            return sum(after[k] - before.get(k, 0) for k in after if re.search(pattern, k))
        check_equal(grew(r'^gabion_s3_requests_total\{.*PutObject.*2xx'), 7, "PutObject answered 2xx")
        check_equal(grew(r'^gabion_s3_requests_total\{.*GetObject".*2xx'), 5, "GetObject answered 2xx")
        check_equal(grew(r'^gabion_s3_requests_total\{.*GetObject".*4xx'), 1, "GetObject answered 4xx")
        check_equal(grew(r'^gabion_s3_request_seconds_count\{.*PutObject"'), 7, "latencies of PutObject")
        check(grew(r"^gabion_drive_syncs_total") >= 5, "syncs are counted")
        check(grew(r"^gabion_drive_written_bytes_total") >= 7 * 300_000 * 1.5, "bytes of shards are counted")
        check_equal(sum(v for k, v in after.items() if k.startswith("gabion_drive_up{")), 6, "drives up")
        for wanted in ("gabion_repair_", "gabion_gc_", "gabion_drive_available_bytes", "process_resident_memory_bytes",
                       "gabion_http_connections"):
            check(any(n.startswith(wanted) for n in names), f"no metric {wanted}")
        check("secret-key-name" not in text, "object keys are no labels")
        check_equal(fetch(server.admin_port, "/metrics", "POST")[0], 405, "POST to metrics")
        check_equal(fetch(server.admin_port, "/nothing")[0], 404, "an unknown path")
    say("health and metrics")


if __name__ == "__main__":
    run_test(body)
