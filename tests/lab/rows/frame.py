# SPDX-License-Identifier: GPL-2.0-or-later
"""The frame itself, without the proxy: what a legacy MTA does on its own, and that the lab can see it."""

from lib import zones
from lib.table import Host, Profile, Row, expect

PROFILES = {"direct": Profile(proxy=False)}


def lookup(case, server, name, kind):
    return zones.node_dig(case.client.node, server, name, kind)


def is_status(name, kind, status, authentic):
    def run(case):
        answer = lookup(case, zones.HONEST, name.format(domain=case.domain), kind)
        expect(f"status: {status}" in answer, answer)
        flags = answer.split("flags:", 1)[1].split(";", 1)[0].split()
        expect(("ad" in flags) == authentic, f"flags {flags}, authentic should be {authentic}")
    return run


def plaintext_reaches_evil(case):
    entry = case.all_records()[-1]
    expect(any(c.startswith("MAIL FROM") for c in entry["commands"]), f"no MAIL in {entry['commands']}")
    expect(entry["tls"] is None, "the legacy MTA spoke TLS")


def lie_is_believed(case):
    answer = lookup(case, zones.LYING, case.domain, "MX")
    expect(".evil.signed.lab." in answer, answer)
    honest = lookup(case, zones.HONEST, case.domain, "MX")
    expect(".mx1.signed.lab." in honest and ".evil." not in honest, honest)


def direct(name, **fields):
    return Row(f"direct-{name}", profile="direct", event=None, plaintext=True, **fields)


def dns(name, zone, kind, status, authentic, owner="{domain}", hosts=None):
    return Row(f"dns-{name}", hosts or [Host("mx1", ("3 1 1",))], zone=zone, profile="direct", event=None, status=None,
               run=is_status(owner, kind, status, authentic))


ROWS = [
    direct("postfix-v4", hosts=[Host("mx1", families="4")]),
    direct("postfix-v6", hosts=[Host("mx1", families="6")]),
    direct("exim-v4", hosts=[Host("mx2", families="4")]),
    direct("exim-v6", hosts=[Host("mx2", families="6")]),
    direct("evil-takes-all", hosts=[Host("evil")], check=plaintext_reaches_evil),
    direct("forged-mx", hosts=[Host("mx1", ("3 1 1",))], forged=[Host("evil")], at=["evil"], check=lie_is_believed),
    direct("stripped", hosts=[Host("evil", ("3 1 1 mx1",), script={"extensions": ["PIPELINING"]})]),
    direct("greeting-4xx", hosts=[Host("evil", script={"greeting": "421 4.3.2 later"})], status="deferred",
           reply=r"421 4\.3\.2"),
    direct("several-recipients", hosts=[Host("mx1")], recipients=("a", "b", "c")),
    dns("signed-mx", "signed", "MX", "NOERROR", True),
    dns("nsec3-absent", "nsec3", "TXT", "NOERROR", True),
    dns("nsec3-nxdomain", "nsec3", "MX", "NXDOMAIN", True, owner="no.such.{domain}"),
    dns("plain-mx", "plain", "MX", "NOERROR", False),
    dns("island-mx", "island", "MX", "NOERROR", False),
    dns("bogus-mx", "bogus", "MX", "SERVFAIL", False),
    dns("expired-mx", "expired", "MX", "SERVFAIL", False),
    dns("secure-tlsa", "signed", "TLSA", "NOERROR", True, owner="_25._tcp.dns-secure-tlsa.mx1.signed.lab"),
]
