# SPDX-License-Identifier: GPL-2.0-or-later
"""A lookup that fails is never an absence: 451 4.4.3, and nobody hears an envelope. dane.md's table; RFC 7672 section 2.1."""

import re

from lib.table import Host, Row, expect

DNS = r"451 4\.4\.3 .*danegate"
FAILED = re.compile("^(refused|failed)$")


def never_contacted(case):
    expect(not case.contacts(), f"the peer was contacted: {[entry['commands'] for entry in case.all_records()]}")


def deferred(name, hosts, reason="dns-(bogus|failure|timeout)", **fields):
    event = {"result": FAILED, "reason": re.compile(f"^{reason}$"), "outcome": "deferred", **fields.pop("event", {})}
    return Row(name, hosts, status="deferred", reply=fields.pop("reply", DNS), event=event, check=never_contacted, **fields)


JUDGED = True

ROWS = [
    deferred("mx-bogus", [Host("evil", ("3 1 1",), zone="bogus")], "dns-(bogus|failure)", zone="bogus"),
    deferred("mx-expired", [Host("evil", ("3 1 1",), zone="expired")], "dns-(bogus|failure)", zone="expired"),
    deferred("mx-host-bogus", [Host("evil", zone="bogus")], "dns-(bogus|failure)"),
    deferred("tlsa-bogus", [Host("evil", ("3 1 1",), zone="badtlsa")], "dns-(bogus|failure)"),
    # nsd answers; the zone's own server for _tcp does not (name servers that drop TLSA queries exist)
    deferred("tlsa-server-dead", [Host("evil")], "dns-(failure|timeout)", profile="impatient", timeout=120,
             records=[("_tcp.{host0}", "NS", "ns-dead.lab.")]),
    deferred("mx-server-dead", [Host("nobody", zone="dead")], "dns-(failure|timeout)", zone="dead", forged=[Host("evil")],
             profile="impatient", timeout=120),
    deferred("mx-nxdomain", [], "dns-failure", forged=[Host("evil")], judge=("bounced", "no-mx")),
    deferred("null-mx", [], "dns-failure", records=[("{domain}", "MX", "0 .")], forged=[Host("evil")],
             judge=("bounced", "no-mx")),
    deferred("resolver-down", [Host("evil", ("3 1 1",))], "dns-(timeout|failure)", profile="no-dns", timeout=120),
    deferred("resolver-down-unsigned", [Host("evil", zone="plain")], "dns-(timeout|failure)", zone="plain", profile="no-dns",
             timeout=120),
    deferred("recursive-bogus", [Host("evil", ("3 1 1",), zone="bogus")], "dns-(bogus|failure)", zone="bogus",
             profile="recursive"),
    # one family's addresses do not fail because the host's TLSA names are elsewhere: a good second host serves
    Row("second-host-serves", [Host("evil", ("3 1 1",), zone="badtlsa", preference=10), Host("mx1", ("3 1 1",), preference=20)],
        at=["mx1"], event={"result": "verified", "tlsa": "3 1 1"}, attempts=[{"reason": re.compile("^dns-")}],
        check=never_contacted),
]
