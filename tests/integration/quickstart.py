"""tools/quickstart, without its build: the banner shows fresh credentials, its three lines work as they are, the files with
the secrets are private, and a second run uses the same credentials and keeps the data."""

import re
import stat
import subprocess
from pathlib import Path

from outcome import check, check_equal, need, run_test, say, wait_until
from server import binary, clean_environment, free_port, port_answers

QUICKSTART = Path(__file__).resolve().parents[2] / "tools" / "quickstart"


class Quickstart:
    def __init__(self, directory):
        self.directory = directory
        self.port = free_port()
        self.environment = clean_environment(directory)
        self.environment.update({"GABION_LISTEN": f"127.0.0.1:{self.port}", "GABION_ADMIN_LISTEN": f"127.0.0.1:{free_port()}",
                                 "NO_PROXY": "*"})

    def __enter__(self):
        with open(self.directory / "output", "wb") as output:
            self.process = subprocess.Popen([QUICKSTART, "--binary", binary(), self.directory / "data"], stdout=output,
                                            stderr=subprocess.STDOUT, env=self.environment, cwd=self.directory)
        wait_until(lambda: port_answers(self.port) or self.process.poll() is not None, 30, "the server answers")
        self.output = (self.directory / "output").read_text()
        check(self.process.poll() is None, f"quickstart ended: {self.output}")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        check_equal(self.process.wait(40), 0, "exit code")

    def run(self, line):
        done = subprocess.run(["bash", "-c", line], env=self.environment, cwd=self.directory, capture_output=True, text=True,
                              timeout=60, check=False)
        check(done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}")
        return done.stdout


def lines_to_copy(output):
    found = {line.split()[0]: line.strip() for line in output.splitlines() if line.startswith(("  rclone ", "  curl "))}
    found["aws"] = next(line.strip() for line in output.splitlines() if " aws " in line)
    return found


def credentials(output):
    return tuple(re.search(rf"{name} key +(\S+)", output).group(1) for name in ("access", "secret"))


def body(directory):
    (directory / "README.md").write_text("hello from quickstart\n")
    with Quickstart(directory) as first:
        lines = lines_to_copy(first.output)
        first.run(lines["aws"])
        first.run(lines["rclone"])
        check("README.md" in first.run(lines["curl"]), "the copied file is listed")
        access, secret = credentials(first.output)
        check(len(access) == 20 and len(secret) == 40, f"{access} {secret}")
        for path in (directory / "data/credentials").iterdir():
            check_equal(stat.S_IMODE(path.stat().st_mode), 0o600, f"mode of {path}")
        log = first.output.split("What follows is its log.")[1]
        check(secret not in log, "the secret is in the log")
    with Quickstart(directory) as second:
        check_equal(credentials(second.output), (access, secret), "the second run's credentials")
        check("README.md" in second.run(lines_to_copy(second.output)["curl"]), "the data is kept")
    (directory / "another").mkdir()
    (directory / "another/README.md").write_text("x")
    with Quickstart(directory / "another") as another:
        check(credentials(another.output) != (access, secret), "credentials are fresh, never a default")
    say("quickstart")


if __name__ == "__main__":
    need("aws", "rclone", "curl", "bash")
    run_test(body)
