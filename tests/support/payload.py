"""Self-describing payloads: any byte a server returns can be attributed to the one operation that wrote it.

payload = header{run, op, seed, size, crc of the body, bucket, key, crc of the header} + body, where body is a stream
generated from the seed. A payload that is cut, mixed from two or belongs to another key is recognised without a copy.
"""

import hashlib
import struct
import zlib
from dataclasses import dataclass

MAGIC = b"GBNp"
_FIXED = struct.Struct("<4sHQQQQIHH")  # magic, header length, run, op, seed, size, body crc, bucket length, key length


class Damaged(Exception):
    """These bytes are not one whole payload."""


@dataclass(frozen=True)
class Payload:
    run: int
    op: int
    seed: int
    size: int
    bucket: str
    key: str


def header_size(bucket, key):
    return _FIXED.size + len(bucket.encode()) + len(key.encode()) + 4


def stream(seed, length):
    """`length` bytes that depend on the seed alone."""
    return hashlib.shake_128(struct.pack("<Q", seed)).digest(length) if length else b""


def make(run, op, bucket, key, size, seed):
    """A payload of `size` bytes in all, or of the header's size if that is more."""
    names = bucket.encode() + key.encode()
    length = header_size(bucket, key)
    size = max(size, length)
    body = stream(seed, size - length)
    header = _FIXED.pack(MAGIC, length, run, op, seed, size, zlib.crc32(body), len(bucket.encode()),
                         len(key.encode())) + names
    return header + struct.pack("<I", zlib.crc32(header)) + body


def parse(data):
    """Who wrote these bytes; Damaged unless they are one payload, whole and unchanged."""
    if len(data) < _FIXED.size + 4:
        raise Damaged(f"truncated: {len(data)} bytes are too few for a header")
    magic, length, run, op, seed, size, crc, bucket_len, key_len = _FIXED.unpack_from(data)
    if magic != MAGIC:
        raise Damaged(f"foreign: starts with {data[:8]!r}")
    if length != _FIXED.size + bucket_len + key_len + 4 or length > len(data):
        raise Damaged("mixed: the header has an impossible length")
    if zlib.crc32(data[:length - 4]) != struct.unpack_from("<I", data, length - 4)[0]:
        raise Damaged("mixed: the header's checksum does not match")
    if len(data) != size:
        raise Damaged(f"truncated: {len(data)} of {size} bytes")
    body = data[length:]
    if zlib.crc32(body) != crc or body != stream(seed, size - length):
        raise Damaged("mixed: the body is not the one that the header describes")
    names = data[_FIXED.size:length - 4]
    return Payload(run, op, seed, size, names[:bucket_len].decode(), names[bucket_len:].decode())
