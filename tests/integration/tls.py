"""TLS: S3 and the admin port over HTTPS, protocol versions, and certificates replaced with SIGHUP while connections go on; a certificate that
cannot be loaded leaves the old one in use."""

import signal
import socket
import ssl
import subprocess

from outcome import check, check_equal, need, run_test, say, wait_until
from s3 import S3, unverified_tls
from server import ROOT, Server, binary, clean_environment


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


def admin(server, endpoint, *arguments, **environment):
    return subprocess.run([binary(), "admin", "--endpoint", endpoint, *arguments, "cluster", "status"], capture_output=True, text=True,
                          env=clean_environment(server.directory) | server.credentials_environment | environment, timeout=60)


def check_admin(server, directory):
    port, authority = server.admin_port, str(directory / "chain.pem")
    check_equal(served_certificate(port), pem(directory), "the admin port's certificate")
    check_equal(server.admin("/health/ready")[0], 200, "health over TLS")
    with socket.create_connection(("127.0.0.1", port), 5) as plain:
        plain.settimeout(5)
        plain.sendall(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            check(not plain.recv(1000).startswith(b"HTTP/1.1 200"), "plain HTTP on the admin port")
        except ConnectionError:
            pass
    good = admin(server, server.admin_endpoint, "--ca-file", authority)
    check(good.returncode == 0 and not good.stderr, f"gabion admin with --ca-file: {good.returncode} {good.stderr}")
    check_equal(admin(server, server.admin_endpoint, GABION_ADMIN_CA_FILE=authority).returncode, 0, "GABION_ADMIN_CA_FILE")
    unknown = admin(server, server.admin_endpoint)
    check(unknown.returncode == 9 and "certificate is not good" in unknown.stderr and "--ca-file" in unknown.stderr,
          f"an authority that nobody vouches for: {unknown.returncode} {unknown.stderr}")
    elsewhere = admin(server, f"https://localhost:{port}", "--ca-file", authority)
    check(elsewhere.returncode == 9 and "mismatch" in elsewhere.stderr,
          f"a certificate for another name: {elsewhere.returncode} {elsewhere.stderr}")
    insecure = admin(server, server.admin_endpoint, "--insecure")
    check(insecure.returncode == 0 and "not verified" in insecure.stderr, f"--insecure: {insecure.returncode} {insecure.stderr}")
    plain = admin(server, f"http://127.0.0.1:{port}")
    check(plain.returncode == 9 and "https://" in plain.stderr, f"http where https is spoken: {plain.returncode} {plain.stderr}")
    missing = admin(server, server.admin_endpoint, "--ca-file", "/nowhere.pem")
    check(missing.returncode == 2 and "/nowhere.pem" in missing.stderr, f"no such file: {missing.returncode} {missing.stderr}")


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
        check_admin(server, directory)
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
        check_equal(served_certificate(server.admin_port), second, "the admin port serves the new certificate too")
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
