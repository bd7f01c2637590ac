"""A small S3 client over http.client with its own SigV4, so that tests see each status, header and byte themselves.

One S3 object is one connection and belongs to one thread. It never retries: what happened to a request is the caller's
question. A request whose outcome cannot be known raises Unknown.
"""

import base64
import hashlib
import hmac
import http.client
import ssl
import urllib.parse
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from datetime import datetime, timezone

EMPTY_SHA256 = hashlib.sha256(b"").hexdigest()
UNSIGNED = "UNSIGNED-PAYLOAD"
NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"
KEEP = "-_.~"


class Unknown(Exception):
    """No answer arrived: the request may or may not have taken effect."""


class NotSent(Unknown):
    """There was no connection: the request certainly did not take effect."""


@dataclass
class Response:
    status: int
    headers: dict  # names in lower case
    body: bytes

    @property
    def ok(self):
        return 200 <= self.status < 300

    def error_code(self):
        return xml_text(self.body, "Code") if self.body.startswith(b"<") else ""

    def __str__(self):
        return f"{self.status} {self.error_code()} {self.body[:200]!r}"


def xml_text(body, name):
    """The text of the first element of this name, whatever its namespace; empty when there is none."""
    try:
        for element in ET.fromstring(body).iter():
            if element.tag.rpartition("}")[2] == name:
                return element.text or ""
    except ET.ParseError:
        pass
    return ""


@dataclass(frozen=True)
class Credentials:
    access_key: str
    secret_key: str
    region: str = "us-east-1"


def canonical_query(query):
    pairs = sorted((urllib.parse.quote(k, safe=KEEP), urllib.parse.quote(v, safe=KEEP)) for k, v in query)
    return "&".join(f"{k}={v}" for k, v in pairs)


def signing_key(credentials, date):
    key = ("AWS4" + credentials.secret_key).encode()
    for part in (date, credentials.region, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def sign(credentials, method, path, query, headers, payload_hash, when=None):
    """Adds x-amz-date, x-amz-content-sha256 and Authorization to `headers` (lower-case names, host included)."""
    when = when or datetime.now(timezone.utc)
    stamp = when.strftime("%Y%m%dT%H%M%SZ")
    headers["x-amz-date"] = stamp
    headers["x-amz-content-sha256"] = payload_hash
    names = sorted(n for n in headers if n == "host" or n.startswith("x-amz-") or n in ("content-md5", "content-type"))
    canonical = "\n".join([method, path, canonical_query(query),
                           *[f"{n}:{' '.join(headers[n].split())}" for n in names], "", ";".join(names), payload_hash])
    scope = f"{stamp[:8]}/{credentials.region}/s3/aws4_request"
    text = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    signature = hmac.new(signing_key(credentials, stamp[:8]), text.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope}, "
                                f"SignedHeaders={';'.join(names)}, Signature={signature}")


class S3:
    def __init__(self, host, port, credentials, timeout=30.0, tls=None):
        self.host, self.port, self.credentials, self.timeout, self.tls = host, port, credentials, timeout, tls
        self._connection = None

    def clone(self):
        """The same endpoint over another connection, for another thread."""
        return S3(self.host, self.port, self.credentials, self.timeout, self.tls)

    def close(self):
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def head_of(self, method, path, query=(), headers=None, payload_hash=EMPTY_SHA256, when=None):
        """The signed target and headers of a request, for tests that write to the socket themselves."""
        signed = {k.lower(): v for k, v in (headers or {}).items()}
        signed["host"] = f"{self.host}:{self.port}"
        query = list(query)
        sign(self.credentials, method, path, query, signed, payload_hash, when)
        return (f"{path}?{canonical_query(query)}" if query else path), signed

    def request(self, method, path, query=(), headers=None, body=b"", payload_hash=None):
        target, signed = self.head_of(method, path, query, headers, payload_hash or hashlib.sha256(body).hexdigest())
        if body or method in ("PUT", "POST"):
            signed["content-length"] = str(len(body))
        return self.send(method, target, signed, body)

    def send(self, method, target, headers, body=b""):
        try:
            if self._connection is None:
                self._connection = self._connect()
                self._connection.connect()
        except OSError as error:
            self.close()
            raise NotSent(f"{method} {target}: {type(error).__name__} {error}") from error
        try:
            self._connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            for name, value in headers.items():
                self._connection.putheader(name, value)
            self._connection.endheaders(body or None)
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException) as error:
            self.close()
            raise Unknown(f"{method} {target}: {type(error).__name__} {error}") from error
        if answer.will_close:
            self.close()
        return Response(answer.status, {k.lower(): v for k, v in answer.getheaders()}, content)

    def _connect(self):
        if self.tls is not None:
            return http.client.HTTPSConnection(self.host, self.port, timeout=self.timeout, context=self.tls)
        return http.client.HTTPConnection(self.host, self.port, timeout=self.timeout)

    # The operations that tests use.

    def create_bucket(self, bucket):
        return self.request("PUT", f"/{bucket}")

    def put(self, bucket, key, data, headers=None):
        return self.request("PUT", object_path(bucket, key), headers=headers, body=data)

    def get(self, bucket, key, headers=None):
        return self.request("GET", object_path(bucket, key), headers=headers)

    def head(self, bucket, key):
        return self.request("HEAD", object_path(bucket, key))

    def delete(self, bucket, key):
        return self.request("DELETE", object_path(bucket, key))

    def delete_many(self, bucket, keys):
        body = f"<Delete><Quiet>true</Quiet>{''.join(f'<Object><Key>{key}</Key></Object>' for key in keys)}</Delete>".encode()
        digest = base64.b64encode(hashlib.md5(body).digest()).decode()
        return self.request("POST", f"/{bucket}", query=[("delete", "")], headers={"content-md5": digest}, body=body)

    def copy(self, bucket, key, source_bucket, source_key):
        return self.request("PUT", object_path(bucket, key),
                            headers={"x-amz-copy-source": object_path(source_bucket, source_key)})

    def multipart(self, bucket, key, parts):
        """Uploads the parts and completes. The first answer that is not a success is returned instead."""
        path = object_path(bucket, key)
        begun = self.request("POST", path, query=[("uploads", "")])
        if not begun.ok:
            return begun
        upload = xml_text(begun.body, "UploadId")
        listing = []
        for number, part in enumerate(parts, 1):
            answer = self.request("PUT", path, query=[("partNumber", str(number)), ("uploadId", upload)], body=part)
            if not answer.ok:
                return answer
            listing.append(f"<Part><PartNumber>{number}</PartNumber><ETag>{answer.headers['etag']}</ETag></Part>")
        body = f"<CompleteMultipartUpload>{''.join(listing)}</CompleteMultipartUpload>".encode()
        return self.request("POST", path, query=[("uploadId", upload)], body=body)

    def list(self, bucket, prefix="", page=1000):
        """All keys with their sizes, over as many pages as it takes."""
        token, found = None, {}
        while True:
            query = [("list-type", "2"), ("prefix", prefix), ("max-keys", str(page)), ("encoding-type", "url")]
            answer = self.request("GET", f"/{bucket}", query=query + ([("continuation-token", token)] if token else []))
            if not answer.ok:
                raise Unknown(f"LIST {bucket}: {answer}")
            tree = ET.fromstring(answer.body)
            for item in tree.iter(NAMESPACE + "Contents"):
                key = urllib.parse.unquote(item.find(NAMESPACE + "Key").text)
                if key in found:
                    raise Unknown(f"LIST {bucket}: {key} came twice")
                found[key] = int(item.find(NAMESPACE + "Size").text)
            token = xml_text(answer.body, "NextContinuationToken")
            if xml_text(answer.body, "IsTruncated") != "true":
                return found


def object_path(bucket, key):
    return f"/{bucket}/{urllib.parse.quote(key, safe=KEEP + '/')}"


def unverified_tls():
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
