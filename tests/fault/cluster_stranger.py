"""Whoever has no certificate of the cluster gets nothing from its port: no plain text, no word after a handshake without a
certificate or with one of another authority; a token that is wrong, used up or expired lets nobody join."""

import os
import re
import socket
import ssl
import subprocess
import time

from cluster import Cluster, check_cluster, filled
from outcome import check, need, run_test, say

BUCKET = "data"


def answer_to(connect):
    """What the port says to a stranger who sends a frame of noise, a frame's magic and an HTTP request."""
    heard = b""
    for noise in (os.urandom(400), b"\0" * 400, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"):
        try:
            with connect() as stream:
                stream.settimeout(3)
                stream.sendall(noise)
                while piece := stream.recv(65536):
                    heard += piece
        except (OSError, ssl.SSLError):
            continue
    return heard


def certificate_of_another(directory):
    """A certificate for node n1 of an authority of our own."""
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                    "-subj", "/O=00112233445566778899aabbccddeeff/CN=n1", "-keyout", str(key), "-out", str(certificate)],
                   check=True, capture_output=True)
    return certificate, key


def tls(address, certificate=None):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if certificate:
        context.load_cert_chain(*certificate)
    return context.wrap_socket(socket.create_connection(address, 3))


def join_with(cluster, directory, token):
    """Exit code and log of a node that tries to join with this token."""
    drive = directory / f"drive-{abs(hash(token))}"
    drive.mkdir()
    address = cluster.nodes["n1"]["cluster_address"].rpartition(":")[0]
    command = [os.environ["GABION"], "serve", "--listen", f"{address}:29000", "--admin-listen", f"{address}:29001",
               "--cluster-listen", f"{address}:29002", "--join", cluster.nodes["n1"]["cluster_address"], "--token", token,
               str(drive)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        text, _ = process.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        text, _ = process.communicate()
        return None, text
    return process.returncode, text


def body(directory):
    with Cluster(directory / "cluster", nodes=3) as cluster:
        ledger = filled(cluster, directory, BUCKET, (300, 20_000), count=2)
        other = certificate_of_another(directory)
        for name, node in cluster.nodes.items():
            host, _, port = node["cluster_address"].rpartition(":")
            address = (host, int(port))
            heard = answer_to(lambda a=address: socket.create_connection(a, 3))
            check(b"HTTP" not in heard and len(heard) <= 64, f"{name} answers plain text: {heard[:200]!r}")
            for what, certificate in (("no certificate", None), ("a certificate of another authority", other)):
                heard = answer_to(lambda a=address, c=certificate: tls(a, c))
                check(len(heard) <= 256, f"{name} says {len(heard)} bytes to a stranger with {what}: {heard[:100]!r}")
        say("strangers hear nothing")
        good = cluster.admin("cluster", "token").stdout.strip()
        wrong = good[:-4] + ("2222" if not good.endswith("2222") else "3333")
        code, text = join_with(cluster, directory, wrong)
        check(code not in (0, None), f"a wrong token: the node ended with {code}: {text[-500:]}")
        expired = cluster.admin("cluster", "token", "--valid", "1").stdout.strip()
        time.sleep(1.5)
        code, text = join_with(cluster, directory, expired)
        check(code not in (0, None), f"an expired token: the node ended with {code}: {text[-500:]}")
        check(re.search("token", text), f"it does not say what is wrong: {text[-500:]}")
        check(len(cluster.admin_json("node", "ls")["items"]) == 3, "nobody has joined")
        ledger.quiesce()
        check_cluster(cluster, ledger, "after the strangers")


if __name__ == "__main__":
    need("openssl")
    run_test(body)
