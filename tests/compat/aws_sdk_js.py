"""@aws-sdk/client-s3 from npm in its current version, unmodified, with its default checksums. Usage: aws_sdk_js.py BUILD_DIR,
where the packages of the lock file are installed."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from client import Client, client_test
from outcome import check, say, skip

SOURCE = Path(__file__).with_name("js")
NODE_NEEDED = 18  # Debian 12's; the SDK asks for a newer one and works with it nevertheless


def install(build):
    """npm ci with the machine's own registry, only when the lock file has changed since."""
    build.mkdir(parents=True, exist_ok=True)
    lock, installed = SOURCE / "package-lock.json", build / "installed-lock.json"
    for name in ("package.json", "package-lock.json", "test.mjs"):
        shutil.copyfile(SOURCE / name, build / name)
    if installed.exists() and installed.read_bytes() == lock.read_bytes():
        return
    done = subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"], cwd=build, capture_output=True,
                          text=True, timeout=240, check=False)
    check(done.returncode == 0, f"npm ci: {done.stderr[-2000:]}")
    shutil.copyfile(lock, installed)


def body(server, work):
    client = Client(server, work, {"ENDPOINT": server.endpoint, "PATH": os.environ["PATH"]})
    version = subprocess.run(["node", "-p", "JSON.parse(require('fs').readFileSync('node_modules/@aws-sdk/client-s3/"
                              "package.json')).version"], cwd=BUILD, capture_output=True, text=True, check=True).stdout
    say(f"@aws-sdk/client-s3 {version.strip()}")
    say(client.run("node", "test.mjs", cwd=BUILD))


if __name__ == "__main__":
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            skip(f"{program} is not installed")
    BUILD = Path(sys.argv[1])
    node = subprocess.run(["node", "-p", "process.versions.node"], capture_output=True, text=True, check=True).stdout.strip()
    if int(node.split(".")[0]) < NODE_NEEDED:
        skip(f"@aws-sdk/client-s3 needs node {NODE_NEEDED} or newer, this is {node}")
    install(BUILD)
    client_test(body)
