# SPDX-License-Identifier: GPL-2.0-or-later
"""Which host is dialled: forged MX, forged addresses, failover. session.md, Candidates."""

import re
import socket

from lib.evil import HARMLESS
from lib.smtp import Smtp
from lib.table import Host, Row, expect

STRIPPED = {"extensions": ["PIPELINING", "8BITMIME", "SIZE 0"]}
MISMATCH = r"451 4\.7\.4 .*danegate"


def no_envelope(case):
    for entry in case.all_records():
        verbs = {command.removeprefix("tls ").split(" ")[0].upper() for command in entry["commands"]}
        expect(verbs <= HARMLESS, f"the false MX heard {entry['commands']}")


def not_contacted(case):
    expect(not case.contacts(), f"contacted: {[entry['commands'] for entry in case.all_records()]}")


def forged(name, hosts, false_hosts, **fields):
    fields = {"status": "deferred", "reply": MISMATCH, "check": no_envelope,
              "event": {"result": "refused", "reason": "mx-mismatch", "outcome": "deferred"}, **fields}
    return Row(name, hosts, forged=false_hosts, **fields)


def from_the_clients_address(case):
    """A machine with several addresses: the peer sees the one that the MTA chose, in both families."""
    node, peer = case.client.node, case.row.hosts[0]
    link = node.run("ip", "-o", "route", "show", "default").split(" dev ")[1].split()[0]
    for family, source, length, dialled in ((socket.AF_INET, "192.0.2.120", 25, peer.v4),
                                            (socket.AF_INET6, "2001:db8:1::7820", 64, peer.v6)):
        extra = ["preferred_lft", "0", "nodad"] if family == socket.AF_INET6 else []  # nobody else's choice
        node.run("ip", "addr", "add", f"{source}/{length}", "dev", link, *extra)
        connected = node.socket(family)
        connected.settimeout(30)
        connected.bind((source, 0))
        connected.connect((dialled, 25))
        client = Smtp(node, dialled, connected=connected)
        client.hello()
        replies = client.envelope(case.sender, case.address())
        expect(replies[0][0] == 250, f"{source}: {replies}")
        client.say("QUIT")
        client.close()
        seen = [entry["peer"] for entry in case.all_records() if entry["address"] == dialled]
        expect(seen == [source], f"from {source}, the peer saw {seen}")


HEALED = {"status": "sent", "reply": "", "event": {"result": "verified", "rerouted": True, "outcome": "accepted"}}

ROWS = [
    forged("forged-mx-v4", [Host("mx1", ("3 1 1",), families="4")], [Host("evil", families="4")]),
    forged("forged-mx-v6", [Host("mx1", ("3 1 1",), families="6")], [Host("evil", families="6")]),
    forged("forged-mx-stripped", [Host("mx1", ("3 1 1",))], [Host("evil", script=STRIPPED)]),
    # the false MX has a certificate and TLSA-looking TLS of its own: proves nothing
    forged("forged-mx-with-tls", [Host("mx1", ("3 1 1",))], [Host("evil", script={"cert": "peer"})]),
    forged("forged-address", [Host("mx1", ("3 1 1",))], [Host("evil", name="@0")]),
    forged("forged-signed-no-tlsa", [Host("mx1")], [Host("evil")]),  # MX and addresses are secure: evidence enough
    forged("forged-mx-reroute", [Host("mx1", ("3 1 1",))], [Host("evil")], profile="reroute", at=["mx1"], **HEALED),
    forged("forged-address-reroute", [Host("mx2", ("2 1 1",))], [Host("evil", name="@0")], profile="reroute", at=["mx2"],
           **HEALED),
    # big providers rotate addresses: an unknown address that proves the published key is the host
    forged("rotated-address", [Host("nobody", ("3 1 1 peer",))], [Host("evil", script={"cert": "peer"}, name="@0")],
           status="sent", reply="", at=["evil"], event={"result": "verified", "tlsa": "3 1 1", "outcome": "accepted"},
           check=None),
    # without DNSSEC there is no evidence against the address: what the MTA chose, opportunistically
    forged("forged-unsigned", [Host("mx1", zone="plain")], [Host("evil")], zone="plain", status="sent", reply="", at=["evil"],
           event={"result": "encrypted"}, check=None),
    # an attacker on the client's DNS must not choose the weak backup
    forged("weak-backup", [Host("mx1", ("3 1 1",), preference=10), Host("evil", script=STRIPPED, preference=20)],
           [Host("evil", name="=1")], at=["mx1"], **{**HEALED, "event": {"result": "verified"}}),

    Row("failover-stripped", [Host("evil", ("3 1 1 mx1",), script=STRIPPED, preference=10),
                              Host("mx1", ("3 1 1",), preference=20)],
        at=["mx1"], event={"result": "verified", "tlsa": "3 1 1"}, attempts=[{"result": "refused", "reason": "no-starttls"}],
        check=no_envelope),
    Row("failover-wrong-certificate", [Host("evil", ("3 1 1 mx1",), preference=10), Host("mx2", ("2 1 1",), preference=20)],
        at=["mx2"], event={"result": "verified", "tlsa": "2 1 1"}, attempts=[{"reason": "tlsa-mismatch"}], check=no_envelope),
    Row("failover-greeting-4xx", [Host("evil", ("3 1 1",), script={"greeting": "421 4.3.2 busy"}, preference=10),
                                  Host("mx1", ("3 1 1",), preference=20)],
        at=["mx1"], event={"result": "verified"}, check=no_envelope),
    Row("failover-unreachable", [Host("nobody", ("3 1 1",), preference=10), Host("mx1", ("3 1 1",), preference=20)],
        at=["mx1"], event={"result": "verified"}, attempts=[{"result": "failed", "reason": "peer-unreachable"}]),
    Row("failover-all-refused", [Host("evil", ("3 1 1 mx1",), script=STRIPPED, preference=10),
                                 Host("evil", ("3 1 1 mx1",), preference=20)],
        status="deferred", reply=r"451 4\.7\.[45] ", event={"result": "refused", "reason": re.compile("tlsa-mismatch|no-starttls")},
        check=no_envelope),
    # with mx_failover = false only the host that the MTA dialled is tried; the MTA itself then tries the second
    Row("failover-off", [Host("evil", ("3 1 1 mx1",), script=STRIPPED, families="4", preference=10),
                         Host("mx1", ("3 1 1",), preference=20)],
        at=["mx1"], event={"result": "verified"}, check=no_envelope, profile="one-host"),
    Row("unreachable", [Host("nobody", ("3 1 1",))], status="deferred", reply=r"451 4\.4\.1 .*danegate",
        event={"result": "failed", "reason": "peer-unreachable"}),
    # an address that is not global is never dialled because DNS says so
    Row("private-address", [Host("mx1", ("3 1 1",), preference=10)], at=["mx1"], event={"result": "verified"},
        records=[("{host0}", "A", "10.9.8.7")]),
    Row("source-address", [Host("evil", ("3 1 1",), script={"cert": "peer"})], status=None, run=from_the_clients_address),
]
