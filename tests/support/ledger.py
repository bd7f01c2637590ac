"""The ack ledger: what was sent, what was answered, and what a store may therefore hold.

A line is written before an operation is sent and another when its outcome is known: "ack", "fail" (a definite refusal)
or "unknown" (no answer, or 5xx). Operations on one key come one after the other, so that the values it may hold follow:
the last acknowledged one, or any that was sent after it and never answered. Once a value was read back with nothing
outstanding, only that value may be read from then on. The ledger lies outside the disks under test.
"""

import json
import threading
from dataclasses import dataclass, field

import payload

ABSENT = None


@dataclass
class Op:
    number: int
    kind: str          # put, multipart, copy, delete
    bucket: str
    key: str
    size: int = 0
    seed: int = 0
    value: object = ABSENT  # the number of the operation whose payload the key then holds, or ABSENT
    outcome: str = "unknown"


@dataclass
class KeyState:
    allowed: set = field(default_factory=lambda: {ABSENT})


class Ledger:
    """Thread-safe. `run` tells the payloads of this run from all others. `mark`, where given, is called with the number of
    lines after each outcome that is entered, before the next operation can be noted."""

    def __init__(self, path, run, mark=None):
        self.run = run
        self.path = path
        self._mark = mark
        self._lines = 0
        self._file = open(path, "a", encoding="utf-8") if path is not None else None
        self._lock = threading.Lock()
        self._states = {}
        self._ops = {}
        self._next = 1
        self.acks = 0
        self.unknowns = 0
        self.refusals = 0

    def intend(self, kind, bucket, key, size=0, value="own"):
        """Notes an operation that is about to be sent. `value` names another operation's payload for a copy."""
        with self._lock:
            number = self._next
            self._next += 1
            seed = (self.run * 1_000_003 + number) & (2**64 - 1)
            op = Op(number, kind, bucket, key, size, seed)
            op.value = ABSENT if kind == "delete" else (number if value == "own" else value)
            self._ops[number] = op
            # From here on it may take effect, answered or not.
            self._states.setdefault((bucket, key), KeyState()).allowed.add(op.value)
            self._write({"op": number, "kind": kind, "bucket": bucket, "key": key, "size": size, "value": op.value})
            return op

    def settle(self, op, outcome, before):
        """`before` is what allowed() said ahead of the operation; a refusal restores it."""
        with self._lock:
            op.outcome = outcome
            state = self._states[(op.bucket, op.key)]
            if outcome == "ack":
                state.allowed = {op.value}
                self.acks += 1
            elif outcome == "fail":
                state.allowed = set(before)
                self.refusals += 1
            else:
                self.unknowns += 1
            self._write({"op": op.number, "outcome": outcome})
            if self._mark is not None:
                self._mark(self._lines)

    def allowed(self, bucket, key):
        with self._lock:
            return set(self._states.get((bucket, key), KeyState()).allowed)

    def certain(self, bucket, key):
        """The one value that the key must hold: (True, value), or (False, None) when an outcome is open."""
        allowed = self.allowed(bucket, key)
        return (True, next(iter(allowed))) if len(allowed) == 1 else (False, None)

    def observe(self, bucket, key, value):
        """The key was read with nothing outstanding: from now on it holds this value."""
        with self._lock:
            if (bucket, key) in self._states:  # a key never written is absent and stays out of the sweep
                self._states[(bucket, key)].allowed = {value}

    def keys(self):
        with self._lock:
            return sorted(self._states)

    @classmethod
    def at(cls, path, run, settled, possible):
        """What the ledger in this file said when it had `settled` lines, where the operations begun in the lines up to
        `possible` may have taken effect as well."""
        ledger = cls(None, run)
        begun = {}
        with open(path, encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                record = json.loads(line)
                if number > possible:
                    break
                if "kind" in record:
                    before = ledger.allowed(record["bucket"], record["key"])
                    value = record["value"] if record["kind"] == "copy" else "own"
                    begun[record["op"]] = (ledger.intend(record["kind"], record["bucket"], record["key"], record["size"],
                                                         value), before)
                elif number <= settled:
                    ledger.settle(begun[record["op"]][0], record["outcome"], begun[record["op"]][1])
        return ledger

    def payload_of(self, number):
        op = self._ops[number]
        return payload.make(self.run, op.number, op.bucket, op.key, op.size, op.seed)

    def _write(self, record):
        self._lines += 1
        if self._file is not None:
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()


def judge(ledger, bucket, key, status, data):
    """What is wrong with an answer to a GET of this key: empty when nothing is. Settles what the key holds if all is well."""
    allowed = ledger.allowed(bucket, key)
    if status == 404:
        if ABSENT in allowed:
            ledger.observe(bucket, key, ABSENT)
            return ""
        return f"lost: {bucket}/{key} is absent, must hold one of the operations {sorted(allowed)}"
    if status != 200:
        return f"unreadable: {bucket}/{key} answered {status} {data[:300]!r}"
    try:
        found = payload.parse(data)
    except payload.Damaged as damage:
        return f"{bucket}/{key} is {damage}"
    if found.run != ledger.run:
        return f"foreign: {bucket}/{key} holds bytes of run {found.run}"
    if found.op in allowed:
        ledger.observe(bucket, key, found.op)
        return ""
    if allowed == {ABSENT}:
        return f"resurrected: {bucket}/{key} was deleted and holds operation {found.op}"
    return f"stale or foreign: {bucket}/{key} holds operation {found.op} ({found.bucket}/{found.key}), allowed {allowed}"
