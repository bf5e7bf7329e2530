# SPDX-License-Identifier: GPL-2.0-or-later
"""Peers that are who their zone says: mail arrives, verified. RFC 7672 and RFC 7671."""

import re

from lib import mailbox
from lib.table import Host, Row, expect

PEER = {"cert": "peer"}


def verified(name, hosts, tlsa=None, **fields):
    event = {"result": "verified", "outcome": "accepted", "mx_secure": True, "policy": "dane", "rcpts": 1, "reply": 250,
             **({"tlsa": tlsa} if tlsa else {}), **fields.pop("event", {})}
    return Row(name, hosts, event=event, **fields)


def peer_saw(**wanted):
    def check(case):
        entry = next(entry for entry in case.all_records() if entry["messages"])
        for key, value in wanted.items():
            value = value.format(host0=case.row.hosts[0].name, domain=case.domain)
            expect(re.fullmatch(value, str(entry[key])), f"the peer saw {key}={entry[key]!r}, expected {value}")
    return check


def received_over_tls(case):
    """Postfix's own Received header says that the message came through TLS."""
    message = mailbox.delivered(case.lab.servers["mx1"], case.address())[0]
    expect(b"(using TLSv1." in message, message[:600].decode("latin-1"))


JUDGED = True

ROWS = [
    verified("ee-311-v4", [Host("mx1", ("3 1 1",), families="4")], "3 1 1", check=received_over_tls,
             event={"peer": "203.0.113.11:25", "tlsa_base": "ee-311-v4.mx1.signed.lab", "domain": "ee-311-v4.signed.lab",
                    "mx": "ee-311-v4.mx1.signed.lab", "rerouted": False}),
    verified("ee-311-v6", [Host("mx1", ("3 1 1",), families="6")], "3 1 1",
             event={"peer": "[2001:db8:3::11]:25"}),
    verified("ee-312", [Host("mx1", ("3 1 2",))], "3 1 2"),
    verified("ee-301", [Host("mx1", ("3 0 1",))], "3 0 1"),
    verified("ee-302", [Host("mx1", ("3 0 2",))], "3 0 2"),
    verified("ee-310", [Host("mx1", ("3 1 0",))], "3 1 0"),
    verified("ee-300", [Host("mx1", ("3 0 0",))], "3 0 0"),
    verified("ee-311-exim", [Host("mx2", ("3 1 1",))], "3 1 1"),
    verified("ta-211-exim-v4", [Host("mx2", ("2 1 1",), families="4")], "2 1 1"),
    verified("ta-211-exim-v6", [Host("mx2", ("2 1 1",), families="6")], "2 1 1"),
    verified("ta-201-exim", [Host("mx2", ("2 0 1",))], "2 0 1"),
    verified("ta-202-exim", [Host("mx2", ("2 0 2",))], "2 0 2"),
    verified("ta-212-exim", [Host("mx2", ("2 1 2",))], "2 1 2"),
    verified("ta-200-exim", [Host("mx2", ("2 0 0",))], "2 0 0"),
    verified("ta-210-exim", [Host("mx2", ("2 1 0",))], "2 1 0"),
    verified("roll-over-old-first", [Host("mx1", ("3 1 1 other", "3 1 1"))], "3 1 1"),
    verified("roll-over-new-first", [Host("mx1", ("3 1 1", "3 1 1 other"))], "3 1 1"),
    verified("ee-wrong-ta-right", [Host("mx2", ("3 1 1 other", "2 1 1"))], "2 1 1"),
    verified("ta-wrong-ee-right", [Host("mx2", ("2 1 1 other", "3 1 1"))], "3 1 1"),
    verified("pkix-usages-beside", [Host("mx1", ("1 1 1 other", "0 0 1 other", "3 1 1"))], "3 1 1"),  # RFC 7672 section 3.1.3
    verified("weaker-digest-wrong", [Host("mx1", ("3 1 1 other", "3 1 2"))], "3 1 2"),  # RFC 7671 section 9
    verified("nsec3-zone", [Host("mx1", ("3 1 1",), zone="nsec3")], "3 1 1", zone="nsec3"),
    verified("tls12-peer", [Host("evil", ("3 1 1",), script={**PEER, "max_tls": "1.2"})], "3 1 1",
             event={"tls": re.compile(r"^TLSv1\.2 ")}, check=peer_saw(tls=r"TLSv1\.2 .*")),
    verified("tls13-peer", [Host("evil", ("3 1 1",), script={**PEER, "min_tls": "1.3"})], "3 1 1",
             event={"tls": re.compile(r"^TLSv1\.3 TLS_")}, check=peer_saw(tls=r"TLSv1\.3 .*")),
    # SNI is the TLSA base domain (RFC 7672 section 8.1)
    verified("sni", [Host("evil", ("3 1 1",), script=PEER)], "3 1 1", check=peer_saw(sni=r"{host0}")),
    # names and dates do not count for usage 3 (RFC 7671 section 5.1): the attacker's is another issuer's, and fits
    verified("ee-unknown-issuer", [Host("evil", ("3 1 1",), script={"cert": "evil"})], "3 1 1"),
    verified("ee-expired", [Host("evil", ("3 1 1",), script={"cert": "expired"})], "3 1 1"),
    verified("ee-wrong-name", [Host("evil", ("3 1 1",), script={"cert": "nameless"})], "3 1 1"),
    # the domain itself is the host (RFC 5321 section 5.1, implicit MX)
    verified("implicit-mx", [Host("mx1", ("3 1 1",), name="implicit")], "3 1 1",
             event={"mx": "implicit-mx.signed.lab", "tlsa_base": "implicit-mx.signed.lab"}),
    # TLSA through a secure alias (RFC 7671 section 7)
    verified("tlsa-cname", [Host("mx1")], "3 1 1", records=[
        ("_25._tcp.{host0}", "CNAME", "_dane.{domain}."), ("_dane.{domain}", "TLSA", "{tlsa_mx1_311}")]),
    # MX host that is an alias, all secure: records at the expanded name (RFC 7672 section 2.2.2)
    verified("mx-cname", [Host("mx1", families="")], "3 1 1", event={"tlsa_base": "real.mx-cname.signed.lab"}, records=[
        ("{host0}", "CNAME", "real.{domain}."), ("real.{domain}", "A", "203.0.113.11"),
        ("_25._tcp.real.{domain}", "TLSA", "{tlsa_mx1_311}")]),
    verified("mx-cname-original-name", [Host("mx1", families="")], "3 1 1",
             event={"tlsa_base": "mx-cname-original-name.mx1.signed.lab"}, records=[
                 ("{host0}", "CNAME", "real.{domain}."), ("real.{domain}", "A", "203.0.113.11"),
                 ("_25._tcp.{host0}", "TLSA", "{tlsa_mx1_311}")]),
    Row("dane-only-verified", [Host("mx1", ("3 1 1",))], policy={"level": "dane-only"},
        event={"result": "verified", "policy": "dane-only", "tlsa": "3 1 1"}),
    Row("pkix-verified", [Host("mx2")], policy={"level": "verify"}, event={"result": "verified", "policy": "verify"}),
    verified("recursive-engine", [Host("mx1", ("3 1 1",))], "3 1 1", profile="recursive"),
    verified("nftables-v4", [Host("mx1", ("3 1 1",), families="4")], "3 1 1", profile="nftables"),
    verified("nftables-v6", [Host("mx1", ("3 1 1",), families="6")], "3 1 1", profile="nftables"),
    verified("two-workers", [Host("mx1", ("3 1 1",))], "3 1 1", profile="workers2"),
]
