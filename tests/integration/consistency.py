"""Reads and lists are linearizable, and of many racing conditional writes exactly one wins: overwrites, reads and deletes of
few keys by many clients at once, checked as registers; creations with If-None-Match and updates with If-Match; a listing
during writes shows every key that was acknowledged before it began and none that was deleted before."""

import random
import threading
import time

import payload
from linear import FOREVER, Event, violation
from outcome import check, check_equal, run_test, say
from s3 import Unknown
from server import Server

SECONDS = 4
SIZES = (200, 20_000, 300_000)


class Histories:
    """What each key's clients saw, on one clock."""

    def __init__(self):
        self.lock = threading.Lock()
        self.events = {}
        self.next_value = 1

    def new_value(self):
        with self.lock:
            self.next_value += 1
            return self.next_value

    def add(self, key, kind, value, began, ended=None):
        with self.lock:
            self.events.setdefault(key, []).append(Event(kind, value, began, ended or time.monotonic()))


def run_threads(count, work):
    errors = []

    def guarded(number):
        try:
            work(number)
        except BaseException as error:
            errors.append(error)
    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def registers(server):
    histories, end = Histories(), time.monotonic() + SECONDS

    def work(number):
        client, rng = server.s3(), random.Random(number)
        while time.monotonic() < end:
            key = f"register{rng.randrange(3)}"
            began = time.monotonic()
            if rng.random() < 0.5:
                answer = client.get("first", key)
                check(answer.status in (200, 404), f"GET: {answer}")
                histories.add(key, "read", payload.parse(answer.body).op if answer.status == 200 else None, began)
            else:
                value = histories.new_value()
                try:
                    answer = client.put("first", key, payload.make(1, value, "first", key, rng.choice(SIZES), value))
                    check(answer.ok, f"PUT: {answer}")
                    histories.add(key, "write", value, began)
                except Unknown:
                    histories.add(key, "write", value, began, FOREVER)
    run_threads(8, work)
    for key, events in histories.events.items():
        problem = violation(events)
        check(problem == "", f"{key}: {problem}, in {len(events)} operations")
    say(f"{sum(map(len, histories.events.values()))} operations on {len(histories.events)} keys are linearizable")


def races(server):
    """Rounds in which eight clients race; each must see one winner, whose bytes are there."""
    clients = [server.s3() for _ in range(8)]
    for turn in range(30):
        key, answers, etag = f"race{turn}", [None] * 8, None
        for first_op, condition in ((turn * 100, "If-None-Match"), (turn * 100 + 50, "If-Match")):
            barrier = threading.Barrier(8)

            def work(number, first_op=first_op, condition=condition, etag=etag):
                barrier.wait()
                body = payload.make(2, first_op + number, "first", key, 500 if turn % 2 else 50_000, number)
                answers[number] = clients[number].put("first", key, body, {condition: etag or "*"})
            run_threads(8, work)
            statuses = sorted(a.status for a in answers)
            check(statuses.count(200) == 1 and set(statuses) <= {200, 409, 412}, f"{condition}: {statuses}")
            winner = next(n for n, a in enumerate(answers) if a.status == 200)
            check_equal(payload.parse(clients[0].get("first", key).body).op, first_op + winner, "the winner's bytes")
            etag = answers[winner].headers["etag"]
    say("30 races to create and 30 to update: one winner each")


def listings(server):
    """A writer puts and deletes keys; a lister compares each listing with what was certain around it."""
    lock, stop = threading.Lock(), threading.Event()
    put_done, delete_begun, delete_done = {}, {}, {}

    def work(number):
        client, rng = server.s3(), random.Random(number)
        if number < 4:
            for turn in range(150):
                key = f"list/{number}/{turn:04}"
                check(client.put("first", key, b"x" * rng.choice((10, 20_000))).ok, "put")
                with lock:
                    put_done[key] = time.monotonic()
                if rng.random() < 0.5:
                    with lock:
                        delete_begun[key] = time.monotonic()
                    check(client.delete("first", key).ok, "delete")
                    with lock:
                        delete_done[key] = time.monotonic()
            stop.set()
            return
        while not stop.is_set():
            began = time.monotonic()
            listed = client.list("first", prefix="list/", page=rng.choice((50, 1000)))
            ended = time.monotonic()
            with lock:
                must = {k for k, t in put_done.items() if t < began and delete_begun.get(k, FOREVER) > ended}
                must_not = {k for k, t in delete_done.items() if t < began}
            check(must <= listed.keys(), f"a listing misses {sorted(must - listed.keys())[:3]}")
            check(not must_not & listed.keys(), f"a listing shows deleted {sorted(must_not & listed.keys())[:3]}")
    run_threads(6, work)
    say("listings during writes")


def body(directory):
    with Server(directory / "server", drives=6) as server:
        check(server.s3().create_bucket("first").ok, "bucket")
        registers(server)
        races(server)
        listings(server)


if __name__ == "__main__":
    run_test(body)
