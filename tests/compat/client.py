"""What every client test shares: a server over six drives, a clean environment, generated files and exact comparison."""

import hashlib
import os
import subprocess
from pathlib import Path

from outcome import check, check_equal, run_test, say
from payload import stream
from server import ROOT, Server, clean_environment

KIB, MIB = 1024, 1024 * 1024
# Names that clients, shells, XML and signatures tend to get wrong.
ODD_KEYS = ["plain.txt", "with space.txt", "plus+sign", "per%cent%20", "amp&and=equals", "quote'\"mark", "semi;colon,comma",
            "ünïcödé/日本語.txt", "question?mark#hash", "tilde~bang!star*paren()", "at@colon:dollar$",
            "deep/er/and/deeper/still", "bracket[1]{2}", "back\\slash", "pipe|caret^tick`", "<xml>&amp;</xml>", "dot.",
            "trailing space "]


class Client:
    """Runs a client program in its own environment against the server."""

    def __init__(self, server, directory, environment=None):
        self.server, self.directory = server, Path(directory)
        self.environment = clean_environment(directory)
        self.environment.update({"AWS_ACCESS_KEY_ID": ROOT.access_key, "AWS_SECRET_ACCESS_KEY": ROOT.secret_key,
                                 "AWS_DEFAULT_REGION": ROOT.region, "AWS_EC2_METADATA_DISABLED": "true",
                                 "AWS_PAGER": "", "NO_PROXY": "*"})
        self.environment.update(environment or {})

    def run(self, *command, code=0, timeout=240, cwd=None, text=True):
        """Standard output of a command that must end with this code."""
        done = subprocess.run([str(c) for c in command], env=self.environment, cwd=cwd or self.directory,
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout, check=False)
        check(done.returncode == code, f"{' '.join(map(str, command))[:300]} ended with {done.returncode}, not {code}:\n"
              f"{done.stdout.decode(errors='replace')[-1500:]}\n{done.stderr.decode(errors='replace')[-2500:]}")
        return done.stdout.decode(errors="replace") if text else done.stdout


def client_test(body, **server_options):
    """Runs body(server, directory) against a fresh server over six drives."""
    def with_server(directory):
        with Server(directory / "server", drives=6, **server_options) as server:
            work = directory / "work"
            work.mkdir()
            body(server, work)
    run_test(with_server)


def write_file(path, size, seed):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(stream(seed, size))
    return path


def write_tree(root, large=20 * MIB):
    """A small tree with empty, tiny, odd-named and large files."""
    sizes = {"empty": 0, "one": 1, "small/a.txt": 1000, "small/b b.txt": 70 * KIB, "small/c+c%.txt": 300 * KIB,
             "ümlaut/d.bin": 1 * MIB + 1, "large.bin": large}
    for seed, (name, size) in enumerate(sizes.items(), 1):
        path = write_file(Path(root) / name, size, seed)
        os.utime(path, (1_600_000_000, 1_600_000_000))  # older than any upload, as sync commands compare times
    return sizes


def tree_digests(root):
    """Content of every file below root, by relative name."""
    found = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = Path(folder) / name
            found[str(path.relative_to(root))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def check_same_tree(got, want, text):
    got_files, want_files = tree_digests(got), tree_digests(want)
    check_equal(sorted(got_files), sorted(want_files), f"{text}: the names")
    wrong = [n for n in want_files if got_files[n] != want_files[n]]
    check(not wrong, f"{text}: other bytes in {wrong}")
    say(f"{text}: {len(want_files)} files, byte for byte")


def check_same_file(got, want, text):
    check(Path(got).read_bytes() == Path(want).read_bytes(), f"{text}: {got} differs from {want}")
