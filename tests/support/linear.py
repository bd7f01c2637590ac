"""Linearizability of one register whose written values are all different, after Gibbons and Korach: O(n log n).

Each value has a zone in time: it must hold from the first moment one of its operations finished to the last moment one of
them began. If the first lies before the second the zone is forward, and the register held the value all through it. A
history is linearizable unless two forward zones overlap, or another value's zone lies wholly inside a forward one.
"""

import bisect
from dataclasses import dataclass

FOREVER = float("inf")


@dataclass(frozen=True)
class Event:
    kind: str      # "write" or "read"
    value: object  # written or seen; None is the initial value
    began: float
    ended: float   # FOREVER for a write whose outcome is unknown


def violation(events):
    """What is wrong with this history, or an empty string."""
    writes = {None: (-FOREVER, -FOREVER)}
    reads = {}
    for event in events:
        if event.kind == "write":
            assert event.value not in writes, "values must be unique"
            writes[event.value] = (event.began, event.ended)
        else:
            reads.setdefault(event.value, []).append((event.began, event.ended))
    for value, spans in reads.items():
        if value not in writes:
            return f"{value} was read and never written"
        if min(ended for _, ended in spans) < writes[value][0]:
            return f"{value} was read before its write began"
    zones = []
    for value, (began, ended) in writes.items():
        spans = reads.get(value, [])
        if ended == FOREVER and not spans:
            continue  # an unknown write that nobody saw need not have happened
        finish = min([ended] + [e for _, e in spans])
        start = max([began] + [b for b, _ in spans])
        zones.append((finish, start, value))
    return _overlap(zones)


def _overlap(zones):
    forward = sorted(((f, s, v) for f, s, v in zones if f < s), key=lambda zone: zone[:2])
    for (_, end, first), (begin, _, second) in zip(forward, forward[1:]):
        if begin < end:
            return f"{first} and {second} must both hold at {begin}"
    begins = [zone[0] for zone in forward]
    for finish, start, value in zones:
        if finish < start:
            continue
        at = bisect.bisect_right(begins, start) - 1  # the backward zone is [start, finish]
        if at >= 0 and forward[at][0] < start and finish < forward[at][1]:
            return f"{value} is squeezed inside {forward[at][2]}"
    return ""
