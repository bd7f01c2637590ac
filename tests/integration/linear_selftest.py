"""The linearizability checker agrees with brute force on thousands of small histories, and finds planted violations."""

import itertools
import random

from linear import FOREVER, Event, violation
from outcome import check, check_equal, run_test, say


def brute_force(events):
    """Whether some order of the events that respects time explains every read."""
    for count in range(2 ** sum(e.ended == FOREVER for e in events)):
        unknown = [e for e in events if e.ended == FOREVER]
        kept = [e for e in events if e.ended != FOREVER] + [e for i, e in enumerate(unknown) if count >> i & 1]
        for order in itertools.permutations(kept):
            if explains(order):
                return True
    return False


def explains(order):
    value = None
    for position, event in enumerate(order):
        if any(later.ended < event.began for later in order[position + 1:]):
            return False
        if event.kind == "write":
            value = event.value
        elif event.value != value:
            return False
    return True


def random_history(rng):
    events, values = [], [None]
    for number in range(rng.randrange(2, 6)):
        began = rng.random()
        ended = began + rng.random() * 0.5
        if rng.random() < 0.5:
            values.append(number)
            events.append(Event("write", number, began, FOREVER if rng.random() < 0.2 else ended))
        else:
            events.append(Event("read", rng.choice(values), began, ended))
    return events


def body(directory):
    rng = random.Random(1)
    good = bad = 0
    for _ in range(3000):
        history = random_history(rng)
        want = brute_force(history)
        check_equal(violation(history) == "", want, f"history {history}")
        good, bad = good + want, bad + (not want)
    check(good > 300 and bad > 300, f"{good} good and {bad} bad histories are a poor mix")
    stale = [Event("write", "a", 0, 1), Event("write", "b", 2, 3), Event("read", "a", 4, 5)]
    check("squeezed" in violation(stale) or "both" in violation(stale), "a stale read")
    say(f"{good} linearizable and {bad} other histories told apart")


if __name__ == "__main__":
    run_test(body)
