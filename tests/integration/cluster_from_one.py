"""A server that was started as `gabion serve DRIVE...` becomes the first node of a cluster with its data where it is: it refuses
others before, lets them join afterwards, and is found again after a restart."""

import json
import os
import subprocess

from outcome import check, check_equal, run_test, say, wait_until
from payload import stream
from server import ROOT, Server, binary, free_port


def admin(server, *arguments, code=0):
    environment = {**os.environ, "GABION_ROOT_ACCESS_KEY": ROOT.access_key, "GABION_ROOT_SECRET_KEY": ROOT.secret_key}
    done = subprocess.run([binary(), "admin", "--endpoint", f"http://127.0.0.1:{server.admin_port}", *arguments], env=environment,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    check_equal(done.returncode, code, f"gabion admin {' '.join(arguments)}: {done.stderr}")
    return done


def check_objects(client, when):
    for number in range(20):
        answer = client.get("first", f"k{number}")
        check(answer.status == 200 and answer.body == stream(number, 50_000), f"{when}: k{number}: {answer}")


def body(directory):
    with Server(directory / "one", drives=4) as one:
        client = one.s3()
        check(client.create_bucket("first").ok, "bucket")
        for number in range(20):
            check(client.put("first", f"k{number}", stream(number, 50_000)).ok, "put")
        status = json.loads(admin(one, "--json", "cluster", "status").stdout)
        check_equal((status["clustered"], status["nodes"], status["drives"]), (False, 1, 4), "the status of one")
        refused = admin(one, "node", "add", code=5)
        check("cluster init" in refused.stderr, f"it does not say what to do: {refused.stderr}")
        admin(one, "cluster", "init", code=2)  # nobody has said where to listen
        address = f"127.0.0.1:{free_port()}"
        admin(one, "cluster", "init", "--listen", address)
        admin(one, "cluster", "init", "--listen", address, code=6)
        check_objects(client, "as a cluster")
        token = admin(one, "cluster", "token").stdout.strip()
        two = Server(directory / "two", drives=2,
                     arguments=["--join", address, "--token", token, "--cluster-listen", f"127.0.0.1:{free_port()}"])
        two.credentials_environment = {}
        with two:
            check_objects(two.s3(), "through the new node")

            def both_up():
                nodes = json.loads(admin(one, "--json", "node", "ls").stdout)["items"]
                return [n["state"] for n in nodes] == ["up", "up"]
            wait_until(both_up, 20, "both are up", step=0.3)
            one.restart()
            wait_until(both_up, 20, "both are up after a restart", step=0.3)
            check_objects(one.s3(), "after a restart")
            check_objects(two.s3(), "after a restart of the other")
        say("one server became a cluster of two")


if __name__ == "__main__":
    run_test(body)
