"""Logs that are not on a terminal are JSON lines; each request's line carries the id that its response carried; no secret
is in them; the level can be changed with SIGHUP."""

import json
import signal

from outcome import check, check_equal, run_test, say, wait_until
from server import ROOT, Server


def records(server, after=0):
    found = []
    for line in server.log_lines()[after:]:
        try:
            found.append(json.loads(line))
        except ValueError:
            check(False, f"not a JSON line: {line[:200]}")
    return found


def body(directory):
    server = Server(directory / "server", drives=4, config='[log]\nlevel = "debug"\n')
    with server:
        client = server.s3()
        ids = []
        for answer in (client.create_bucket("first"), client.put("first", "k", b"x" * 100_000), client.get("first", "k"),
                       client.get("first", "absent"), client.put("first", "evil\r\nkey \u2028 \x7f", b"1")):
            ids.append(answer.headers["x-amz-request-id"])
        check_equal(len(set(ids)), len(ids), "request ids are unique")
        text = server.log_path.read_text
        wait_until(lambda: all(i in text() for i in ids), 10, "each request is logged at level debug with its id")
        for record in records(server):
            check(record.get("level") in ("debug", "info", "warn", "error"), f"level of {record}")
            check({"time", "module", "message"} <= record.keys(), f"fields of {record}")
        keys = [d / "master.key" for d in server.drives if (d / "master.key").exists()]
        secrets = [ROOT.secret_key, *[key.read_text().strip() for key in keys]]
        check(len(secrets) > 1, "the generated master key is on the drives")
        check(not any(secret in text() for secret in secrets), "a secret is in the log")
        server.config_path.write_text('[log]\nlevel = "error"\n')
        server.signal(signal.SIGHUP)
        wait_until(lambda: quiet(server), 10, "after SIGHUP requests are not logged any more")
    say("logs")


def quiet(server):
    before = len(server.log_lines())
    request = server.s3().get("first", "k").headers["x-amz-request-id"]
    return not any(request in line for line in server.log_lines()[before:])


if __name__ == "__main__":
    run_test(body)
