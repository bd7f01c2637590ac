"""A plain record log, correct by default, with flaws to order. The fault tools are tested on it: each must pass the
correct one and catch the flawed ones. As a program it appends records and prints the number of each acknowledged one:

    reclog.py FILE append COUNT [FLAW]     reclog.py FILE show

Record: crc32 of the rest (4 bytes), length (4), bytes. Flaws: no-sync (never syncs), no-dir-sync (the file's name is not
synced), no-checksum (does not verify what it reads), retry-sync (a failed sync is tried again).
"""

import os
import struct
import sys
import zlib

HEADER = struct.Struct("<II")


class RecordLog:
    def __init__(self, path, flaw=""):
        self.flaw = flaw
        fresh = not os.path.exists(path)
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if fresh and flaw != "no-dir-sync":
            directory = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
            os.fsync(directory)
            os.close(directory)
        self.end = 0
        self.records = []  # (offset, length) of each payload
        self._recover()

    def _recover(self):
        size = os.fstat(self.fd).st_size
        while self.end + HEADER.size <= size:
            crc, length = HEADER.unpack(os.pread(self.fd, HEADER.size, self.end))
            if self.end + HEADER.size + length > size:
                break
            if self.flaw != "no-checksum" and self._crc(length, self._bytes(self.end, length)) != crc:
                break
            self.records.append((self.end, length))
            self.end += HEADER.size + length
        os.ftruncate(self.fd, self.end)

    @staticmethod
    def _crc(length, data):
        return zlib.crc32(struct.pack("<I", length) + data)  # a record of zeros must not look valid

    def _bytes(self, offset, length):
        return os.pread(self.fd, length, offset + HEADER.size)

    def append(self, data):
        """Durable when it returns. Not thread-safe."""
        record = HEADER.pack(self._crc(len(data), data), len(data)) + data
        os.pwrite(self.fd, record, self.end)
        if self.flaw != "no-sync":
            try:
                os.fdatasync(self.fd)
            except OSError:
                if self.flaw != "retry-sync":
                    raise
                os.fdatasync(self.fd)
        self.records.append((self.end, len(data)))
        self.end += len(record)
        return len(self.records) - 1

    def close(self):
        os.close(self.fd)

    def read(self, number):
        """The record's bytes; ValueError when they do not match their checksum."""
        offset, length = self.records[number]
        data = self._bytes(offset, length)
        stored, _ = HEADER.unpack(os.pread(self.fd, HEADER.size, offset))
        if self.flaw != "no-checksum" and self._crc(length, data) != stored:
            raise ValueError(f"record {number} is damaged")
        return data


def record_bytes(number):
    """What record `number` must hold: 300 to 800 bytes that follow from the number."""
    return number.to_bytes(8, "little") + bytes([number % 251]) * (292 + (number * 37) % 500)


def main():
    log = RecordLog(sys.argv[1], sys.argv[4] if len(sys.argv) > 4 else "")
    if sys.argv[2] == "show":
        whole = sum(1 for n in range(len(log.records)) if log.read(n) == record_bytes(n))
        print(len(log.records), whole)
        return
    for _ in range(int(sys.argv[3])):
        number = log.append(record_bytes(len(log.records)))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
