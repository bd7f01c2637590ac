"""Starts `gabion serve` on temporary drives and free loopback ports, and stops, kills and restarts it.

The binary comes from the environment variable GABION (ctest sets it). GABION_STANDIN=1 in its place runs the S3
stand-in, with which the harness tests itself.
"""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from outcome import Failed, at_end, check, skip, wait_until
from s3 import S3, Credentials, unverified_tls

ROOT = Credentials("GABIONTESTROOT", "test-secret-0123456789abcdefghijkl")
START_SECONDS = 30
started = set()
STOP_SECONDS = 40


def free_port():
    """A free port below the range the kernel gives to outgoing connections, which could take it between two starts."""
    for _ in range(200):
        port = random.randrange(12000, 32000)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise Failed("no free port was found")


def binary():
    path = os.environ.get("GABION", "")
    if not path or not os.access(path, os.X_OK):
        skip(f"the gabion binary is not there (GABION={path!r})")
    return path


def clean_environment(home):
    """What a program started by a test sees: no settings of the person who runs the tests, no proxies."""
    return {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(home), "LANG": "C.UTF-8",
            "TMPDIR": os.environ.get("TMPDIR", "/tmp")}


class Server:
    """One server process on the directories `drives` (made when missing). `wrap` is put before its command line."""

    def __init__(self, directory, drives=6, arguments=(), config=None, wrap=(), environment=None, command=None):
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.drives = ([self.directory / f"drive{i}" for i in range(1, drives + 1)] if isinstance(drives, int)
                       else [Path(d) for d in drives])
        for drive in self.drives:
            drive.mkdir(parents=True, exist_ok=True)
        self.port, self.admin_port = free_port(), free_port()
        self.arguments, self.wrap = list(arguments), list(wrap)
        self.environment = dict(environment or {})
        self.credentials_environment = {"GABION_ROOT_ACCESS_KEY": ROOT.access_key, "GABION_ROOT_SECRET_KEY": ROOT.secret_key}
        self.command = command or [binary()]
        self.log_path = self.directory / "server.log"
        self.config_path = None
        if config is not None:
            self.config_path = self.directory / "gabion.toml"
            self.config_path.write_text(config)
        self.process = None
        self.scheme = "http"

    # Life.

    def start(self, wait=True):
        check(self.process is None, "the server is running already")
        command = [*self.wrap, *self.command, "serve", "--listen", f"127.0.0.1:{self.port}",
                   "--admin-listen", f"127.0.0.1:{self.admin_port}"]
        if self.config_path is not None:
            command += ["--config", str(self.config_path)]
        environment = clean_environment(self.directory)
        environment.update(self.credentials_environment)
        environment.update(self.environment)
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command + self.arguments + [str(d) for d in self.drives], env=environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        started.add(self)
        if wait:
            self.wait_ready()
        return self

    def ready(self):
        try:
            with self.open_admin("/health/ready", 5) as answer:
                return answer.status == 200
        except OSError:
            return False

    @property
    def admin_endpoint(self):
        scheme = "https" if "--tls-certificate" in self.arguments else "http"
        return f"{scheme}://127.0.0.1:{self.admin_port}"

    def open_admin(self, path, timeout):
        return urllib.request.urlopen(self.admin_endpoint + path, timeout=timeout, context=unverified_tls())

    def admin_answers(self):
        return port_answers(self.admin_port)

    def wait_ready(self, seconds=START_SECONDS):
        def ready_or_dead():
            check(self.process.poll() is None,
                  f"the server ended with {self.process.poll()} instead of starting:\n{self.log_tail()}")
            return self.ready()
        try:
            wait_until(ready_or_dead, seconds, "the server is ready")
        except Failed as failure:
            raise Failed(f"{failure}\n{self.log_tail()}") from None

    def wait_exit(self, seconds=STOP_SECONDS):
        """The exit code; a server that does not end is killed and is a failure."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"the server did not end within {seconds} s:\n{self.log_tail()}") from None
        self.process = None
        return code

    def stop(self):
        """SIGTERM, and it must end with 0."""
        if self.process is None:
            return
        self.signal(signal.SIGTERM)
        code = self.wait_exit()
        check(code == 0, f"SIGTERM must end the server with 0, not {code}:\n{self.log_tail()}")

    def kill(self):
        """SIGKILL to the whole process group, a tracer put before the server included."""
        if self.process is None:
            return
        traced = children(self.process.pid)
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None
        # The server behind a tracer is nobody's child any more; its drives are free when it is gone.
        wait_until(lambda: not any(alive(pid) for pid in traced), 10, "the traced server is gone")

    def signal(self, number):
        os.kill(self.pid(), number)

    def pid(self):
        """The server's own process, also when a tracer was put before it."""
        if not self.wrap:
            return self.process.pid
        found = children(self.process.pid)
        check(found, "the wrapped server has no process")
        return found[0]

    def running(self):
        return self.process is not None and self.process.poll() is None

    def restart(self):
        self.stop()
        return self.start()

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()
        else:
            self.kill()
            sys.stderr.write(f"--- end of the server's log ---\n{self.log_tail(60)}\n")

    # Looking at it.

    @property
    def endpoint(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def s3(self, timeout=30.0):
        return S3("127.0.0.1", self.port, ROOT, timeout)

    def admin(self, path):
        """Status, headers and body from the admin port."""
        try:
            with self.open_admin(path, 10) as answer:
                return answer.status, dict(answer.headers), answer.read()
        except urllib.error.HTTPError as error:
            return error.code, dict(error.headers), error.read()

    def open_jobs(self):
        """The cluster's jobs that are not over, as `gabion admin` tells them."""
        done = subprocess.run([binary(), "admin", "--endpoint", self.admin_endpoint, "--json", "job", "ls"], check=False,
                              capture_output=True, text=True, timeout=30,
                              env={**os.environ, "GABION_ROOT_ACCESS_KEY": ROOT.access_key, "GABION_ROOT_SECRET_KEY": ROOT.secret_key})
        check(done.returncode == 0, f"gabion admin job ls ended with {done.returncode}: {done.stderr}")
        return [job for job in json.loads(done.stdout)["items"] if job["state"] not in ("done", "cancelled")]

    def metrics(self):
        """Samples by name and labels as they stand in the text: {'gabion_x{a="b"}': 3.0}."""
        status, _, body = self.admin("/metrics")
        check(status == 200, f"/metrics answered {status}")
        samples = {}
        for line in body.decode().splitlines():
            if line and not line.startswith("#"):
                name, _, value = line.rpartition(" ")
                samples[name] = float(value)
        return samples

    def metric_sum(self, name):
        """The sum of a metric over all its labels."""
        return sum(v for k, v in self.metrics().items() if k == name or k.startswith(name + "{"))

    def log_lines(self):
        return self.log_path.read_text(errors="replace").rstrip("\n").split("\n") if self.log_path.exists() else []

    def log_records(self):
        """The lines that are JSON, parsed."""
        records = []
        for line in self.log_lines():
            if line.startswith("{"):
                records.append(json.loads(line))
        return records

    def log_tail(self, count=25):
        return "\n".join(self.log_lines()[-count:])

    def memory(self):
        """Resident bytes of the server, now and at its highest."""
        fields = {}
        for line in Path(f"/proc/{self.pid()}/status").read_text().splitlines():
            name, _, value = line.partition(":")
            if name in ("VmRSS", "VmHWM"):
                fields[name] = int(value.split()[0]) * 1024
        return fields["VmRSS"], fields["VmHWM"]

    def wait_log(self, text, seconds=20):
        wait_until(lambda: any(text in line for line in self.log_lines()), seconds, f"the log says {text!r}")


def kill_started():
    for server in started:
        server.kill()


at_end.append(kill_started)


def children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def alive(pid):
    """Whether the process still holds its files: not gone and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def port_answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def pause(seconds):
    """Lets a load run for a while: the moment of a fault is what a round varies, nothing waits on it."""
    time.sleep(seconds)
