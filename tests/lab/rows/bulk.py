# SPDX-License-Identifier: GPL-2.0-or-later
"""Many messages of many sizes, octet for octet; and load for the daemon's descriptors and memory."""

import hashlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from lib import mailbox
from lib.node import wait_for
from lib.table import Host, Row, expect

KIB, MIB = 1 << 10, 1 << 20
SIZES = [20 * MIB] * 2 + [5 * MIB] * 4 + [2 * MIB] * 8 + [512 * KIB] * 20 + [100 * KIB] * 30 + [20 * KIB] * 40 + [4 * KIB] * 46 + \
        [KIB] * 50  # 200 messages, 120 MB


def content(seed, size):
    """Lines of every length, some with leading dots, some 8-bit."""
    rng = random.Random(seed)
    pool = [b"." * rng.randrange(3) + bytes(rng.choices(range(32, 127), k=rng.randrange(1, 78))) for _ in range(40)]
    pool += [("ä€" * rng.randrange(1, 30)).encode(), b".", b"..", b"", b"x" * 990]
    lines, octets = [], 0
    while octets < size:
        line = pool[rng.randrange(len(pool))]
        lines.append(line)
        octets += len(line) + 1
    return b"\n".join(lines) + b"\n"


def bulk(case):
    digests = {}

    def submit(index):
        label = "v6" if index % 2 else None
        recipient = case.address(f"m{index}", label)
        message = case.message(content(index, SIZES[index]))
        digests[recipient] = hashlib.sha256(mailbox.body(message)).hexdigest()
        case.mta.sendmail(case.sender, [recipient], message)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(submit, range(len(SIZES))))
    server = case.lab.servers["mx1"]
    deadline = time.monotonic() + case.row.timeout
    for recipient, digest in digests.items():
        attempt = case.mta.wait_attempt(recipient, timeout=max(1, deadline - time.monotonic()))
        case.expect_attempt(attempt, "sent")
        found = mailbox.wait_delivered(server, recipient)
        expect(len(found) == 1, f"{len(found)} copies for {recipient}")
        got = hashlib.sha256(mailbox.body(found[0])).hexdigest()
        expect(got == digest, f"{recipient}: content changed on the way")
    for domain, family in ((case.domain, "203.0.113.11:25"), (case.row.domain_of("v6"), "[2001:db8:3::11]:25")):
        events = case.proxy.wait_event("delivery", count=100, domain=domain, result="verified", outcome="accepted")
        expect(len(events) == 100 and {event["peer"] for event in events} == {family}, f"{len(events)} events of {domain}")


def soak(case):
    """Traffic of all kinds, some of it refused, some of it cut off; afterwards as many descriptors open as before."""
    proxy = case.proxy
    minutes = case.lab.soak_minutes
    stop = time.monotonic() + 60 * minutes
    lock, count, samples = threading.Lock(), [0], []

    def load(worker):
        rng = random.Random(worker)
        while time.monotonic() < stop:
            with lock:
                count[0] += 1
                number = count[0]
            label = rng.choice([None, None, "plain", "refused", "lost"])
            recipient = case.address(f"s{number}", label)
            case.mta.sendmail(case.sender, [recipient], case.message(content(number, rng.choice([KIB, 20 * KIB, 200 * KIB]))))
            attempt = case.mta.wait_attempt(recipient)
            case.expect_attempt(attempt, "deferred" if label in ("refused", "lost") else "sent")
            if attempt["status"] == "deferred":
                case.mta.delete(attempt["id"])

    def settled():
        wait_for("the sessions' end", lambda: proxy.descriptors() <= proxy.idle_descriptors + 4, 60, 0.5)
        return proxy.descriptors(), proxy.memory_kib()

    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(load, worker) for worker in range(3)]
        while time.monotonic() < stop:
            time.sleep(min(10, max(0.1, stop - time.monotonic())))
            samples.append((proxy.descriptors(), proxy.memory_kib()))
        for job in jobs:
            job.result()
    last = settled()
    print(f"      soak: {count[0]} messages in {minutes:g} min; descriptors idle {proxy.idle_descriptors}, during "
          f"{[d for d, _ in samples][:40]}, after {last[0]}; resident KiB {samples[0][1]} → {last[1]}", flush=True)
    expect(last[0] <= proxy.idle_descriptors + 4, f"descriptors {proxy.idle_descriptors} at the start, {last[0]} at the end")


PEER = ("3 1 1",)
STRIPPED = {"extensions": ["PIPELINING"]}

ROWS = [
    Row("bulk-one-worker", [Host("mx1", PEER, families="4")], more={"v6": [Host("mx1", PEER, families="6")]}, status=None,
        run=bulk, slow=True, timeout=240, profile="bulk1"),
    Row("bulk-two-workers", [Host("mx1", PEER, families="4")], more={"v6": [Host("mx1", PEER, families="6")]}, status=None,
        run=bulk, slow=True, timeout=240, profile="bulk2"),
    Row("soak", [Host("mx1", PEER)], more={"plain": [Host("mx2")], "refused": [Host("evil", ("3 1 1 mx1",), script=STRIPPED)],
        "lost": [Host("evil", PEER, script={"cert": "peer", "drop": "content:500"})]}, status=None, run=soak, slow=True,
        profile="soak"),
]
