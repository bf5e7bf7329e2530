# SPDX-License-Identifier: GPL-2.0-or-later
"""Many messages of many sizes, octet for octet."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

from lib import mailbox
from lib.body import content
from lib.table import Host, Row, expect

KIB, MIB = 1 << 10, 1 << 20
SIZES = [20 * MIB] * 2 + [5 * MIB] * 4 + [2 * MIB] * 8 + [512 * KIB] * 20 + [100 * KIB] * 30 + [20 * KIB] * 40 + [4 * KIB] * 46 + \
        [KIB] * 50  # 200 messages, 120 MB


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


PEER = ("3 1 1",)

ROWS = [
    Row("bulk-one-worker", [Host("mx1", PEER, families="4")], more={"v6": [Host("mx1", PEER, families="6")]}, status=None,
        run=bulk, slow=True, timeout=240, profile="bulk1"),
    Row("bulk-two-workers", [Host("mx1", PEER, families="4")], more={"v6": [Host("mx1", PEER, families="6")]}, status=None,
        run=bulk, slow=True, timeout=240, profile="bulk2"),
]
