"""Root credentials: from the environment or from files; otherwise generated once, kept with mode 0600, never printed, and
the same after a restart."""

import stat

from outcome import check, check_equal, run_test, say
from s3 import S3, Credentials
from server import ROOT, Server


def status(server, credentials):
    return S3("127.0.0.1", server.port, credentials).request("GET", "/").status


def body(directory):
    (directory / "access").write_text("FROMFILEACCESSKEY\n")
    (directory / "secret").write_text("from-a-file-0123456789\n")
    server = Server(directory / "files", drives=3)
    server.credentials_environment = {"GABION_ROOT_ACCESS_KEY_FILE": str(directory / "access"),
                                      "GABION_ROOT_SECRET_KEY_FILE": str(directory / "secret")}
    with server:
        check_equal(status(server, Credentials("FROMFILEACCESSKEY", "from-a-file-0123456789")), 200, "credentials from files")
        check_equal(status(server, ROOT), 403, "others")

    server = Server(directory / "generated", drives=3)
    server.credentials_environment = {}
    with server:
        kept = [d / "credentials" for d in server.drives if (d / "credentials").exists()]
        check(len(kept) >= 2, "generated credentials survive the loss of a drive")
        access, _, secret = kept[0].read_text().splitlines()[0].partition(":")
        for path in kept:
            check_equal(stat.S_IMODE(path.stat().st_mode), 0o600, f"mode of {path}")
            check_equal(path.read_text(), kept[0].read_text(), "the copies")
        check(len(access) >= 16 and len(secret) >= 32, "long enough")
        check_equal(status(server, Credentials(access, secret)), 200, "generated credentials")
        server.restart()
        check_equal(status(server, Credentials(access, secret)), 200, "after a restart")
        check(secret not in server.log_path.read_text(), "the secret is in the log")
    say("credentials")


if __name__ == "__main__":
    run_test(body)
