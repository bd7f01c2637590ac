"""The harness catches what it is there to catch: kill -9 under mixed load against a correct stand-in finds nothing, and
against stand-ins that acknowledge too early, tear an object or serve unverified bytes it finds the damage."""

import sys
from pathlib import Path

import server as servers
from ledger import Ledger
from load import put_all, sweep
from lossy import LossyDisk, fuse_is_usable
from outcome import check, check_equal, run_test, say
from rounds import run_rounds

STANDIN = [sys.executable, str(Path(servers.__file__).with_name("standin_s3.py"))]


def standin(directory, flaw, drives=1):
    return servers.Server(directory, drives=drives, command=STANDIN, environment={"STANDIN_FLAW": flaw})


def kill_rounds(directory, flaw, rounds):
    """What is found over some rounds of load and kill -9."""
    return run_rounds(standin(directory, flaw), directory, rounds, lambda _: None, seed=7, seconds=(0.1, 0.3),
                      sizes=(200, 3000, 40000))


def power_cuts(directory, flaw, rounds):
    """The same on a disk that forgets what was not synced."""
    with LossyDisk(directory) as disk:
        server = standin(directory / "server", flaw, disk.drives(1))
        try:
            return run_rounds(server, directory, rounds, lambda _: disk.command("crash drop"), seed=8, seconds=(0.1, 0.2),
                              sizes=(200, 3000, 40000))
        finally:
            server.kill()


def flipped_byte(directory, flaw):
    server = standin(directory, flaw).start()
    ledger = Ledger(directory / "ledger", run=8)
    client = server.s3()
    client.create_bucket("b")
    put_all(ledger, client, "b", (5000,), count=3)
    server.stop()
    path = server.drives[0] / "objects.log"
    content = bytearray(path.read_bytes())
    content[len(content) - 1000] ^= 4
    path.write_bytes(content)
    server.start()
    problems = sweep(ledger, server.s3())
    server.stop()
    return problems


def body(directory):
    check_equal(kill_rounds(directory / "correct", "", 4), [], "the correct stand-in")
    for flaw, rounds in (("early-ack", 10), ("torn-put", 25)):
        problems = kill_rounds(directory / flaw, flaw, rounds)
        check(problems, f"the flaw {flaw} was not caught")
        say(f"{flaw}: caught, {problems[0][:150]}")
    if fuse_is_usable():
        check_equal(power_cuts(directory / "cut", "", 4), [], "power cuts of the correct stand-in")
        problems = power_cuts(directory / "cut2", "no-sync", 4)
        check(problems, "the flaw no-sync was not caught")
        say(f"no-sync: caught, {problems[0][:150]}")
    problems = flipped_byte(directory / "flip", "no-checksum")
    check(any("mixed" in p for p in problems), "a wrong byte that was served was not caught")
    say(f"no-checksum: caught, {problems[0][:150]}")
    problems = flipped_byte(directory / "flip2", "")
    check(problems and all("lost" in p for p in problems), "a log that verifies loses the record and serves no wrong byte")


if __name__ == "__main__":
    run_test(body)
