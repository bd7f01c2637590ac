"""A stand-in for `gabion serve`: just enough S3 over a record log to test the harness itself, correct or with a flaw.

It takes the server's command line and checks no signatures. The environment variable STANDIN_FLAW names a flaw:
no-sync and no-checksum (see reclog.py), early-ack (answers, then writes), torn-put (a large object appears in halves).
"""

import argparse
import hashlib
import json
import os
import signal
import sys
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from reclog import RecordLog

FLAW = os.environ.get("STANDIN_FLAW", "")


class Store:
    """Objects by (bucket, key) in one log; a record is a JSON line and the object's bytes."""

    def __init__(self, path):
        self.lock = threading.Lock()
        self.log = RecordLog(path, FLAW)
        self.objects, self.buckets, self.uploads = {}, set(), {}
        for number in range(len(self.log.records)):
            head, _, _ = self.log.read(number).partition(b"\n")
            self._apply(json.loads(head), number)

    def _apply(self, head, number):
        if head["kind"] == "bucket":
            self.buckets.add(head["bucket"])
        elif head["kind"] == "delete":
            self.objects.pop((head["bucket"], head["key"]), None)
        else:
            self.objects[(head["bucket"], head["key"])] = number

    def change(self, kind, bucket, key="", data=b""):
        head = {"kind": kind, "bucket": bucket, "key": key}
        with self.lock:
            number = self.log.append(json.dumps(head).encode() + b"\n" + data)
            self._apply(head, number)

    def get(self, bucket, key):
        with self.lock:
            number = self.objects.get((bucket, key))
            return None if number is None else self.log.read(number).partition(b"\n")[2]

    def list(self, bucket, prefix):
        with self.lock:
            return sorted(k for b, k in self.objects if b == bucket and k.startswith(prefix))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    store = None

    def log_message(self, *arguments):
        pass

    def answer(self, status, body=b"", headers=()):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def parts(self):
        path, _, query = self.path.partition("?")
        bucket, _, key = urllib.parse.unquote(path[1:]).partition("/")
        return bucket, key, dict(urllib.parse.parse_qsl(query, keep_blank_values=True))

    def body(self):
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def do_PUT(self):
        bucket, key, query = self.parts()
        data = self.body()
        source = self.headers.get("x-amz-copy-source")
        tag = [("ETag", f'"{hashlib.md5(data).hexdigest()}"')]
        if not key:
            self.store.change("bucket", bucket)
            return self.answer(200)
        if "uploadId" in query:
            self.store.uploads.setdefault(query["uploadId"], {})[int(query["partNumber"])] = data
            return self.answer(200, headers=tag)
        if source:
            data = self.store.get(*urllib.parse.unquote(source[1:]).split("/", 1))
            if data is None:
                return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        if FLAW == "early-ack":
            self.answer(200, headers=tag)
            time.sleep(0.05)
            return self.store.change("put", bucket, key, data)
        if FLAW == "torn-put" and len(data) > 2000:
            self.store.change("put", bucket, key, data[:len(data) // 2])
            time.sleep(0.02)
        self.store.change("put", bucket, key, data)
        self.answer(200, b"<CopyObjectResult/>" if source else b"", tag)

    def do_POST(self):
        bucket, key, query = self.parts()
        self.body()
        if "uploads" in query:
            upload = os.urandom(8).hex()
            xml = f"<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>"
            return self.answer(200, xml.encode())
        pieces = self.store.uploads.pop(query["uploadId"], {})
        self.store.change("put", bucket, key, b"".join(pieces[n] for n in sorted(pieces)))
        self.answer(200, b"<CompleteMultipartUploadResult/>")

    def do_GET(self):
        bucket, key, query = self.parts()
        if bucket == "health":
            return self.answer(200, b"ok\n")
        if bucket == "metrics":
            return self.answer(200, b"standin_up 1\n")
        if not key:
            return self.answer(200, self.listing(bucket, query))
        try:
            data = self.store.get(bucket, key)
        except ValueError as damage:
            return self.answer(500, f"<Error><Code>InternalError</Code><Message>{damage}</Message></Error>".encode())
        if data is None:
            return self.answer(404, b"<Error><Code>NoSuchKey</Code></Error>")
        self.answer(200, data)

    do_HEAD = do_GET

    def do_DELETE(self):
        bucket, key, _ = self.parts()
        self.store.change("delete", bucket, key)
        self.answer(204)

    def listing(self, bucket, query):
        keys = [k for k in self.store.list(bucket, query.get("prefix", "")) if k > query.get("continuation-token", "")]
        page = keys[:int(query.get("max-keys", "1000"))]
        more = len(keys) > len(page)
        items = "".join(f"<Contents><Key>{urllib.parse.quote(k)}</Key><Size>{len(self.store.get(bucket, k))}</Size>"
                        "</Contents>" for k in page)
        token = f"<NextContinuationToken>{page[-1]}</NextContinuationToken>" if more else ""
        return (f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>'
                f'{"true" if more else "false"}</IsTruncated>{token}{items}</ListBucketResult>').encode()


class QuietServer(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        pass  # a client that went away is the client's affair


def main():
    options = argparse.ArgumentParser()
    options.add_argument("command", choices=["serve"])
    options.add_argument("--listen")
    options.add_argument("--admin-listen")
    options.add_argument("--config")
    options.add_argument("drives", nargs="+")
    settings = options.parse_args()
    Handler.store = Store(os.path.join(settings.drives[0], "objects.log"))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    servers = []
    for listen in (settings.listen, settings.admin_listen):
        host, _, port = listen.rpartition(":")
        servers.append(QuietServer((host, int(port)), Handler))
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    print("ready", file=sys.stderr, flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
