# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys of the configuration, each turned from its default: what changes for mail is what contract.md says of the key."""

import json
import re

from lib.node import wait_for
from lib.smtp import Smtp
from lib.table import Host, Profile, Row, expect

SELF = "self-name-1.evil.signed.lab"  # the second host of the row `self-name`
EXCLUDED = ["203.0.113.11/32", "2001:db8:3::11"]  # mx1
PROFILES = {
    "turned": Profile({"tls": {"min_version": "1.3"}, "policy": {"families": "any", "insecure_mx": "may"},
                       "intercept": {"self": [SELF], "exclude": EXCLUDED}, "dns": {"cache_size": 3}, "log": {"level": "debug"}}),
}
PEER = {"cert": "peer"}


def mail(case):
    """One message by the row's first IPv4 address. Returns the reply to RCPT, or to the end of data."""
    client = Smtp(case.client.node, next(host.v4 for host in case.row.hosts if host.v4))
    client.hello()
    code, lines = client.envelope(case.sender, case.address())[0]
    if code == 250:
        code, lines = client.data(b"Subject: turned\r\n\r\n")
    client.say("QUIT")
    client.close()
    return code, lines


def says(code, text, event, attempts=()):
    def run(case):
        got, lines = mail(case)
        expect(got == code and re.search(text, lines[0]), f"{got} {lines}")
        case.expect_event(event)
        for fields in attempts:
            case.expect_event(fields, kind="attempt")
    return run


def insecure_mx_may(case):
    """The TLSA records of a host below an insecure MX do not count: anybody's certificate will do, and none is named."""
    code, lines = mail(case)
    expect(code == 250, f"{lines}")
    event = case.proxy.wait_event("delivery", domain=case.domain)[-1]
    expect(event["result"] == "encrypted" and "tlsa" not in event and event["mx_secure"] is False, f"{event}")


def cache_and_debug(case):
    """dns.cache_size bounds the cache; log.level "debug" tells of each session's beginning and end, with its addresses."""
    mail(case)
    cache = json.loads(case.proxy.command("status", "--json", "-c", case.proxy.config).stdout)["cache"]
    expect(0 < cache["entries"] <= 3 and cache["evictions"] > 0, f"{cache}")
    delivery = case.proxy.wait_event("delivery", domain=case.domain)[-1]
    told = wait_for("both events of the session", lambda: (lambda found: found if len(found) == 2 else None)(
        case.proxy.events("session", session=delivery["session"])), 10)
    expect([event["state"] for event in told] == ["opened", "closed"], f"{told}")
    for event in told:
        expect(event["level"] == "debug" and all(event[key] == delivery[key] for key in ("client", "original_dst")), f"{event}")


def row(name, hosts, run, **fields):
    return Row(name, hosts, status=None, run=run, event=None, profile="turned", **fields)


ROWS = [
    row("min-version", [Host("evil", ("3 1 1",), script={**PEER, "max_tls": "1.2"})],
        says(451, r"^451 4\.7\.5 danegate: ", {"result": "refused", "reason": "tls-handshake"})),
    row("min-version-met", [Host("evil", ("3 1 1",), script={**PEER, "min_tls": "1.3"})],
        says(250, "", {"result": "verified", "tls": re.compile(r"^TLSv1\.3 TLS_")})),
    row("families-any", [Host("evil", ("3 1 1 other",), script=PEER, families="4"),
                         Host("evil", ("3 1 1",), script=PEER, families="6", preference=20)],
        says(250, "", {"result": "verified", "rerouted": True, "peer": re.compile(r"^\[2001:db8:3::[0-9a-f]+\]:25$")},
             [{"reason": "tlsa-mismatch", "rerouted": False}])),
    # RFC 5321 section 5.1: this machine is the second host, whose mail must not come back to it
    row("self-name", [Host("evil", ("3 1 1 other",), script=PEER), Host("evil", ("3 1 1",), script=PEER, preference=20)],
        says(451, r"^451 4\.7\.5 danegate: self-name\.evil", {"reason": "tlsa-mismatch", "mx": "self-name.evil.signed.lab"})),
    # a host that the client did not dial, at an address of intercept.exclude
    row("excluded-candidate", [Host("evil", ("3 1 1 other",), script=PEER), Host("mx1", ("3 1 1",), preference=20)],
        says(451, r"^451 4\.7\.5 danegate: ", {"reason": "tlsa-mismatch", "mx": "excluded-candidate.evil.signed.lab"})),
    row("insecure-mx-may", [Host("evil", ("3 1 1 other",), script=PEER)], insecure_mx_may, zone="plain"),
    row("cache-and-debug", [Host("evil", ("3 1 1",), script=PEER)], cache_and_debug),
]
