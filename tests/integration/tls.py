"""TLS: S3 over HTTPS, protocol versions, and certificates replaced with SIGHUP while connections go on; a certificate that
cannot be loaded leaves the old one in use."""

import signal
import socket
import ssl
import subprocess

from outcome import check, check_equal, need, run_test, say, wait_until
from s3 import S3, unverified_tls
from server import ROOT, Server


def make_certificate(directory, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "key.pem", "-out",
                    directory / "chain.pem"], check=True, capture_output=True)


def served_certificate(port, version=None):
    """The certificate that a new connection is shown, as PEM."""
    context = unverified_tls()
    if version is not None:
        context.minimum_version = context.maximum_version = version
        context.set_ciphers("ALL:@SECLEVEL=0")
    with socket.create_connection(("127.0.0.1", port), 5) as plain, context.wrap_socket(plain) as secure:
        return ssl.DER_cert_to_PEM_cert(secure.getpeercert(binary_form=True))


def pem(directory):
    return ssl.DER_cert_to_PEM_cert(ssl.PEM_cert_to_DER_cert((directory / "chain.pem").read_text()))


def body(directory):
    make_certificate(directory, "first")
    first = pem(directory)
    server = Server(directory / "server", drives=3,
                    arguments=["--tls-certificate", str(directory / "chain.pem"), "--tls-key", str(directory / "key.pem")])
    with server:
        trusting = ssl.create_default_context(cafile=str(directory / "chain.pem"))
        client = S3("127.0.0.1", server.port, ROOT, tls=trusting)
        check(client.create_bucket("first").ok, "a bucket over TLS, the certificate verified")
        data = bytes(range(256)) * 8192
        check(client.put("first", "k", data).ok and client.get("first", "k").body == data, "bytes over TLS")
        versions = ssl.TLSVersion
        for version, accepted in ((versions.TLSv1_1, False), (versions.TLSv1_2, True), (versions.TLSv1_3, True)):
            try:
                served_certificate(server.port, version)
                check(accepted, f"{version.name} must be refused")
            except (ssl.SSLError, ConnectionError):
                check(not accepted, f"{version.name} must be accepted")
        with socket.create_connection(("127.0.0.1", server.port), 5) as plain:
            plain.settimeout(5)
            plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                check(not plain.recv(1000).startswith(b"HTTP/1.1 200"), "plain HTTP on the TLS port")
            except ConnectionError:
                pass
        make_certificate(directory, "second")
        second = pem(directory)
        check_equal(served_certificate(server.port), first, "before SIGHUP")
        server.signal(signal.SIGHUP)
        wait_until(lambda: served_certificate(server.port) == second, 10, "the new certificate is served")
        check(client.get("first", "k").body == data, "the connection from before goes on")
        (directory / "chain.pem").write_text("no certificate")
        lines = len(server.log_lines())
        server.signal(signal.SIGHUP)
        wait_until(lambda: any('"error"' in line or "error" in line for line in server.log_lines()[lines:]), 10,
                   "the log names the bad certificate")
        check_equal(served_certificate(server.port), second, "the old certificate stays in use")
    say("TLS and its reload")


if __name__ == "__main__":
    need("openssl")
    run_test(body)
