"""Requests that two servers could understand differently, on the real port. Each is either refused with 4xx or 501 and the
connection closed, or answered exactly once with the next request on the connection unharmed. Nothing a request smuggles
in its body is ever answered."""

import socket

from outcome import check, run_test, say
from s3 import UNSIGNED
from server import Server

# Any request that slipped through as a second one would create this bucket's answer.
SMUGGLED = b"GET /health/live?smuggled HTTP/1.1\r\nHost: x\r\n\r\n"
H = b"Host: x\r\n"
CHUNKED = H + b"Transfer-Encoding: chunked\r\n"


def body_with(headers, body, method=b"PUT", target=b"/b/k", version=b"HTTP/1.1"):
    return method + b" " + target + b" " + version + b"\r\n" + headers + b"\r\n" + body


# Name, request. All must be refused before anything behind them is read.
REFUSED = [
    ("content length and chunked", body_with(H + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    ("chunked and content length", body_with(H + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", b"0\r\n\r\n")),
    ("two different content lengths", body_with(H + b"Content-Length: 5\r\nContent-Length: 6\r\n", b"hello")),
    ("content lengths in a list", body_with(H + b"Content-Length: 5, 6\r\n", b"hello")),
    ("signed content length", body_with(H + b"Content-Length: +5\r\n", b"hello")),
    ("negative content length", body_with(H + b"Content-Length: -1\r\n", b"")),
    ("hexadecimal content length", body_with(H + b"Content-Length: 0x5\r\n", b"hello")),
    ("content length with a space inside", body_with(H + b"Content-Length: 1 0\r\n", b"hello")),
    ("content length beyond 64 bits", body_with(H + b"Content-Length: 18446744073709551621\r\n", b"hello")),
    ("empty content length", body_with(H + b"Content-Length:\r\n", b"")),
    ("xchunked", body_with(H + b"Transfer-Encoding: xchunked\r\n", b"0\r\n\r\n")),
    ("gzip, chunked", body_with(H + b"Transfer-Encoding: gzip, chunked\r\n", b"0\r\n\r\n")),
    ("chunked, identity", body_with(H + b"Transfer-Encoding: chunked, identity\r\n", b"0\r\n\r\n")),
    ("identity", body_with(H + b"Transfer-Encoding: identity\r\nContent-Length: 5\r\n", b"hello")),
    ("chunked twice", body_with(H + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", b"0\r\n\r\n")),
    ("chunked in HTTP/1.0", body_with(CHUNKED, b"0\r\n\r\n", version=b"HTTP/1.0")),
    ("transfer encoding with a tab", body_with(H + b"Transfer-Encoding:\x0bchunked\r\n", b"0\r\n\r\n")),
    ("space before the colon", body_with(H + b"Content-Length : 5\r\n", b"hello")),
    ("space before a header", body_with(H + b" Content-Length: 5\r\n", b"hello")),
    ("folded header", body_with(H + b"X-A: 1\r\n 2\r\nContent-Length: 0\r\n", b"")),
    ("folded transfer encoding", body_with(H + b"Transfer-Encoding:\r\n chunked\r\n", b"0\r\n\r\n")),
    ("two hosts", body_with(H + b"Host: y\r\nContent-Length: 0\r\n", b"")),
    ("no host", body_with(b"Content-Length: 0\r\n", b"")),
    ("bare line feeds", b"PUT /b/k HTTP/1.1\nHost: x\nContent-Length: 0\n\n"),
    ("a bare carriage return", body_with(H + b"X-A: a\rb\r\nContent-Length: 0\r\n", b"")),
    ("a zero byte in a header", body_with(H + b"X-A: a\x00b\r\nContent-Length: 0\r\n", b"")),
    ("a zero byte in a name", body_with(H + b"X\x00A: b\r\nContent-Length: 0\r\n", b"")),
    ("an empty header name", body_with(H + b": b\r\nContent-Length: 0\r\n", b"")),
    ("a header without colon", body_with(H + b"Nonsense\r\nContent-Length: 0\r\n", b"")),
    ("an unknown version", body_with(H, b"", method=b"GET", version=b"HTTP/2.0")),
    ("lower-case version", body_with(H, b"", method=b"GET", version=b"http/1.1")),
    ("three spaces in the request line", b"GET  /  HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("a control character in the target", b"GET /a\x01b HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("chunk size with a sign", body_with(CHUNKED, b"+5\r\nhello\r\n0\r\n\r\n")),
    ("chunk size with 0x", body_with(CHUNKED, b"0x5\r\nhello\r\n0\r\n\r\n")),
    ("chunk size beyond 64 bits", body_with(CHUNKED, b"10000000000000005\r\nhello\r\n0\r\n\r\n")),
    ("chunk without its end", body_with(CHUNKED, b"5\r\nhelloXX0\r\n\r\n")),
    ("chunk line with a bare line feed", body_with(CHUNKED, b"5\nhello\r\n0\r\n\r\n")),
]

HUGE = [
    ("a head that never ends", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: " + b"a" * 200_000),
    ("a target of 200 KB", b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"),
    ("ten thousand headers", b"GET / HTTP/1.1\r\nHost: x\r\n" + b"".join(b"X-%d: a\r\n" % i for i in range(10_000)) + b"\r\n"),
    ("endless chunk extension", body_with(CHUNKED, b"5;" + b"x" * 300_000)),
    ("endless trailers", body_with(CHUNKED, b"0\r\n" + b"".join(b"T-%d: a\r\n" % i for i in range(40_000)))),
]


def exchange(port, data, seconds=5):
    """Everything the server answers until it closes or falls silent, and whether it closed."""
    with socket.create_connection(("127.0.0.1", port), seconds) as connection:
        connection.settimeout(seconds)
        received = b""
        try:
            connection.sendall(data)
        except OSError:
            pass  # refused in the middle is refused
        try:
            while piece := connection.recv(65536):
                received += piece
        except socket.timeout:
            return received, False
        except ConnectionResetError:
            pass
        return received, True


def statuses(received):
    """The status of each response in the bytes, by Content-Length."""
    found = []
    while received.startswith(b"HTTP/1.1 "):
        head, _, rest = received.partition(b"\r\n\r\n")
        status = int(head[9:12])
        if status >= 200:
            found.append(status)
        length = 0
        for line in head.split(b"\r\n")[1:]:
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        received = rest[length:] if status >= 200 else rest
    return found


def refusals(port):
    for name, request in REFUSED:
        received, closed = exchange(port, request + SMUGGLED)
        answers = statuses(received)
        check(closed and len(answers) <= 1, f"{name}: answered {answers}, closed={closed}: {received[:300]!r}")
        check(not answers or answers[0] in (400, 403, 408, 411, 413, 431, 501, 505), f"{name}: {answers}")
        check(answers != [200], f"{name} was taken")
    for name, request in HUGE:
        received, closed = exchange(port, request)
        check(closed and len(statuses(received)) <= 1, f"{name}: {statuses(received)}, closed={closed}")
        check(not statuses(received) or statuses(received)[0] >= 400, f"{name}: {statuses(received)}")
    say(f"{len(REFUSED) + len(HUGE)} ambiguous or endless requests refused")


def signed_put(client, body, extra):
    target, headers = client.head_of("PUT", "/first/a", payload_hash=UNSIGNED)
    head = f"PUT {target} HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
    return head.encode() + extra + b"\r\n" + body


def wrongly_signed(request):
    """The same request with one digit of its signature changed."""
    at = request.index(b"Signature=") + len(b"Signature=")
    return request[:at] + (b"0" if request[at:at + 1] != b"0" else b"1") + request[at + 1:]


def well_formed(server):
    """Unusual but legal requests: one answer each, and the request behind them is understood as what it is."""
    client = server.s3()
    check(client.create_bucket("first").ok, "the bucket is made")
    after = b"GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    chunked = b"Transfer-Encoding: chunked\r\n"
    cases = [
        ("a smuggled body stays a body", b"Content-Length: %d\r\n" % len(SMUGGLED), SMUGGLED, SMUGGLED),
        ("chunked", chunked, b"4;x=y\r\nabcd\r\n3\r\nefg\r\n0\r\n\r\n", b"abcdefg"),
        ("chunked with a trailer", chunked, b"2\r\nab\r\n0\r\nX-T: 1\r\n\r\n", b"ab"),
        ("leading zeros of a chunk size", chunked, b"00005\r\nhello\r\n0\r\n\r\n", b"hello"),
        ("upper-case chunked", chunked.upper(), b"A\r\n0123456789\r\n0\r\n\r\n", b"0123456789"),
    ]
    for name, framing, sent, content in cases:
        received, closed = exchange(server.port, signed_put(client, sent, framing) + after)
        answers = statuses(received)
        # A PUT of chunked bytes without a declared length may be refused with 411, but not misunderstood.
        check(closed and answers in ([200, 200], [411, 200], [411]), f"{name}: {answers} {received[:300]!r}")
        if answers[0] == 200:
            check(client.get("first", "a").body == content, f"{name}: other bytes were stored")
    refused = wrongly_signed(signed_put(client, b"x" * 10, b"Content-Length: 10\r\n"))
    received, closed = exchange(server.port, refused + after)
    check(statuses(received) in ([403], [403, 200]), f"a refused body is skipped or ends the connection: {statuses(received)}")
    pipelined = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n" * 20 + after
    check(statuses(exchange(server.port, pipelined)[0]) == [200] * 21, "pipelined requests are answered in order")
    say("legal requests are understood as what they are")


def expectations(server):
    """Expect: 100-continue: the refusal comes before the body is asked for, the go-ahead right after the head."""
    client = server.s3()
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.settimeout(5)
        connection.sendall(signed_put(client, b"", b"Content-Length: 5\r\nExpect: 100-continue\r\n"))
        check(connection.recv(1000).startswith(b"HTTP/1.1 100 "), "100 Continue comes before the body")
        connection.sendall(b"hello")
        check(connection.recv(1000).startswith(b"HTTP/1.1 200 "), "and then the answer")
    # Debian's botocore takes a final answer in place of the 100 for granted, and misreads the next one on the connection.
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.settimeout(5)
        connection.sendall(signed_put(client, b"", b"Content-Length: 0\r\nExpect: 100-continue\r\n"))
        received = connection.recv(1000)
        check(received.startswith(b"HTTP/1.1 100 "), "100 Continue comes for an empty body too")
        # The answer to it may come with that. The next upload begins when this one is over.
        if b"HTTP/1.1 200 " not in received:
            check(connection.recv(1000).startswith(b"HTTP/1.1 200 "), "and then the answer to it")
    client.put("first", "a", b"hello")
    wrong = wrongly_signed(signed_put(client, b"", b"Content-Length: 5\r\nExpect: 100-continue\r\n"))
    with socket.create_connection(("127.0.0.1", server.port), 5) as connection:
        connection.settimeout(5)
        connection.sendall(wrong)
        check(connection.recv(1000).startswith(b"HTTP/1.1 403 "), "a refused request gets no 100 Continue")
    say("100-continue")


def body(directory):
    with Server(directory / "server", drives=4, arguments=["--header-timeout", "5s"]) as server:
        refusals(server.port)
        well_formed(server)
        expectations(server)
        check(server.ready() and server.s3().get("first", "a").body == b"hello", "the server is well afterwards")


if __name__ == "__main__":
    run_test(body)
