# SPDX-License-Identifier: GPL-2.0-or-later
"""Mixed traffic from three MTAs while everything around danegate fails now and then: every message arrives exactly once or is
still queued. `run --soak MINUTES soak`."""

import collections
import os
import random
import threading
import time

from lib import soak
from lib.body import content
from lib.table import Host, Profile, Row, expect

PROFILES = {"soak": Profile({"listen": {"workers": 2}, "dns": {"timeout": "3s"},
                             "timeouts": {"connect": "5s", "greeting": "10s", "command": "10s", "data": "10s", "final": "30s",
                                          "idle": "60s", "setup": "25s"}}, clients=("exim4", "sendmail"))}
PEER = ("3 1 1",)
MEMORY_KIB = 8 * 1024  # growth between a quarter of the time and its end, in runs of five minutes and more
# label, server whose mailbox it is ("": nobody's), weight
DOMAINS = [(None, "mx1", 4), ("plain", "mx2", 4), ("path", "mx1", 4), ("moody", "evil", 5), ("two", "mx1", 2), ("refused", "", 1)]


def run(case):
    minutes, seed = case.lab.soak_minutes, int(os.environ.get("DANEGATE_SOAK_SEED", random.randrange(1 << 30)))
    print(f"      soak: {minutes:g} min, seed {seed}", flush=True)
    moody, path = case.row.more["moody"][0], case.row.more["path"][0]
    traffic = soak.Traffic(case, DOMAINS, content, seed)
    faults = soak.Faults(case, moody, seed)
    samples = soak.Samples(case.proxy)
    stop = threading.Event()
    jobs = [(traffic.send_some, name, stop) for name in traffic.clients] + [(traffic.push, name, stop) for name in traffic.clients]
    jobs += [(traffic.vanish_some, [("moody", moody), ("path", path)], stop), (faults.happen, stop),
             (samples.take, stop, max(1, minutes * 60 / 40))]
    failed = []

    def guarded(work, *args):
        try:
            work(*args)
        except Exception as error:  # pylint: disable=broad-except
            failed.append(f"{work.__qualname__}: {type(error).__name__}: {error}")
            stop.set()
    threads = [threading.Thread(target=guarded, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    stop.wait(60 * minutes)
    stop.set()
    for thread in threads:
        thread.join()
    expect(not failed, f"{failed}")
    report(case, traffic, faults, samples, moody)


def report(case, traffic, faults, samples, moody):
    begun = time.monotonic()
    faults.end()
    accounts = soak.Accounts(case, traffic, moody)
    accounts.settle(120 if case.lab.soak_minutes < 5 else 600)
    figures, wrong = accounts.balance()
    descriptors, memory = samples.settled()
    events = collections.Counter((e["result"], e["outcome"]) for e in case.proxy.events("delivery"))
    print(f"      soak: {figures}\n      by client: {collections.Counter(m.client for m in traffic.messages.values())}\n"
          f"      faults: {faults.counts}, netem {faults.netem}\n      events: {dict(events)}\n"
          f"      descriptors {case.proxy.idle_descriptors} → {descriptors}, during {[d for d, _ in samples.taken][::4]}; "
          f"resident KiB {[m for _, m in samples.taken][::4]} → {memory}; settled in {time.monotonic() - begun:.0f} s", flush=True)
    expect(not wrong, "\n".join(wrong[:20]))
    expect(figures["arrived"] > 20 * case.lab.soak_minutes, f"only {figures['arrived']} messages: the row proves little")
    expect(case.proxy.running(), "danegate has ended")
    expect(descriptors <= case.proxy.idle_descriptors + 4, f"descriptors {case.proxy.idle_descriptors} → {descriptors}")
    if case.lab.soak_minutes >= 5 and "asan" not in case.lab.program:
        quarter = samples.taken[len(samples.taken) // 4][1]
        expect(memory <= quarter + MEMORY_KIB, f"resident memory {quarter} → {memory} KiB")


ROWS = [
    Row("soak", [Host("mx1", PEER)],
        more={"plain": [Host("mx2")], "path": [Host("path", ("3 1 1 mx1",))],
              "moody": [Host("evil", PEER, script={"cert": "peer"})],
              "two": [Host("evil", ("3 1 1 mx1",), preference=10), Host("mx1", PEER, preference=20)],
              "refused": [Host("evil", ("3 1 1 mx1",), script={"extensions": ["PIPELINING"]})]},
        status=None, run=run, slow=True, last=True, profile="soak"),
]
