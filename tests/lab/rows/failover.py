# SPDX-License-Identifier: GPL-2.0-or-later
"""session.md, Candidates and Failover: who is tried, who never is, and what is remembered of a failure. Most rows speak SMTP
themselves, one RCPT a session, and count what arrives at the servers."""

import time

from lib.node import wait_for, write
from lib.proxy import merged
from lib.smtp import Smtp
from lib.table import Host, Profile, Row, expect

PROFILES = {
    "memory": Profile({"listen": {"workers": 2}}),  # which share what they know
    "memory-hup": Profile(),  # rows that make it forget
}

STRIPPED = {"extensions": ["PIPELINING", "8BITMIME", "SIZE 0"]}
VICTIM = ("3 1 1 mx1",)
PEER = ("3 1 1",)
GOOD = {"cert": "peer"}


def rcpt(case, host=0, name="client.example", local="rcpt"):
    """A session with one recipient, to an address of this host. Returns its reply."""
    client = Smtp(case.client.node, case.row.hosts[host].v4)
    client.hello(name)
    code, lines = client.envelope(case.sender, case.address(local))[0]
    client.say("QUIT")
    client.close()
    return code, " ".join(lines)


def connections(case, host=0):
    """Finished ones at the scripted MX."""
    addresses = case.row.hosts[host].addresses
    wait_for("the end of the connections", lambda: not case.lab.evil.unfinished(addresses), 20)
    return case.lab.evil.record(addresses)


def count(case, expected, host=0):
    seen = len(connections(case, host))
    expect(seen == expected, f"{seen} connections at host {host}, not {expected}")


def deliveries(case, expected):
    found = case.proxy.wait_event("delivery", domain=case.domain, count=expected)
    expect(len(found) == expected, f"{len(found)} delivery events, not {expected}: {found}")
    return found


def refused_once(code, reason):
    """The second answer is the first one's, and the server hears nothing of it; nor of the MTA's next message."""
    def run(case):
        first, second = rcpt(case), rcpt(case, local="other")
        expect(first[0] == 451 and f" {code} " in first[1], f"{first}")
        expect(first == second, f"{first}, then {second}")
        case.mta.sendmail(case.sender, [case.address("mta")], case.message())
        attempt = case.mta.wait_attempt(case.address("mta"))
        case.expect_attempt(attempt, "deferred", code.replace(".", r"\."))
        case.mta.delete(attempt["id"])
        count(case, 1)
        fresh, *later = deliveries(case, 3)
        expect("remembered" not in fresh["why"], f"{fresh}")
        for event in (fresh, *later):
            expect((event["reason"], event["outcome"]) == (reason, "deferred"), f"{event}")
        for event in later:
            expect(event["why"].startswith(fresh["why"] + " (remembered from "), f"{event}")
    return run


class Closed:
    """The host's port answers with RST, and its machine counts who asks."""

    def __init__(self, case):
        self.node = case.lab.evil.node
        self.address = case.row.hosts[0].v4
        self.rule = ["INPUT", "-d", self.address, "-p", "tcp", "--dport", "25", "-j", "REJECT", "--reject-with", "tcp-reset"]

    def __enter__(self):
        self.node.run("iptables", "-I", *self.rule)
        return self

    def __exit__(self, *_):
        self.node.run("iptables", "-D", *self.rule)

    def asked(self):
        line = next(line for line in self.node.run("iptables", "-nvxL", "INPUT").splitlines() if self.address in line)
        return int(line.split()[0])


def unreachable_once(case):
    """No second SYN within 60 s; HUP forgets."""
    with Closed(case) as port:
        first, second = rcpt(case), rcpt(case)
        expect(first[0] == second[0] == 451 and "4.4.1" in first[1] and "4.4.1" in second[1], f"{first} {second}")
        expect("not tried again before 60 s" not in first[1] and "not tried again before 60 s" in second[1], f"{second}")
        expect(port.asked() == 1, f"{port.asked()} SYNs")
    expect(rcpt(case)[0] == 451, "dialled within 60 s")
    count(case, 0)
    case.proxy.reload()
    expect(rcpt(case)[0] == 250, "not dialled after HUP")
    count(case, 1)


def reload_forgets(case):
    """The server is mended. Until HUP, or for 60 s, the answer is what it was."""
    expect(rcpt(case)[0] == 451, "not refused")
    case.lab.evil.set(case.row.hosts[0].addresses, case.lab.script(GOOD))
    expect(rcpt(case)[0] == 451, "asked again at once")
    count(case, 1)
    case.proxy.reload()
    expect(rcpt(case)[0] == 250, "still refused after HUP")
    count(case, 2)


def tlsa_changes(case):
    """Another TLSA RRset is another question: no waiting, but for the TTL."""
    begun = time.monotonic()
    expect(rcpt(case)[0] == 451, "not refused")
    host = case.row.hosts[0]
    case.lab.dns.change(f"_25._tcp.{host.name}", "TLSA", case.lab.pki.peer.tlsa(3, 1, 1))
    wait_for("the new record counts", lambda: rcpt(case)[0] == 250, 30, 0.3)
    expect(time.monotonic() - begun < 40, "the memory's own time has passed: this proves nothing")
    count(case, 2)  # refused once, and once more only when the record had changed


def goes_last(case):
    """The second time the host that failed is not even asked for its memory: the other one goes first."""
    for _ in range(2):
        expect(rcpt(case)[0] == 250, "not healed")
    count(case, 1)
    count(case, 2, host=1)
    attempts = case.proxy.events("attempt", domain=case.domain)
    expect(len(attempts) == 1, f"{attempts}")
    for event in deliveries(case, 2):
        expect(event["mx"] == case.row.hosts[1].name and event["rerouted"], f"{event}")


def not_behind_the_weak(case):
    """Whoever makes the host with TLSA records fail for a moment has not chosen the one without for half an hour."""
    expect(rcpt(case)[0] == 250, "not healed")
    case.lab.evil.set(case.row.hosts[0].addresses, case.lab.script(GOOD))
    expect(rcpt(case)[0] == 250, "not served")  # the refusal is remembered; but the order is what it was
    weak = [event["mx"] == case.row.hosts[1].name for event in deliveries(case, 2)]
    attempts = case.proxy.events("attempt", domain=case.domain)
    expect(weak == [True, True] and len(attempts) == 2, f"{weak} {attempts}")
    case.proxy.reload()
    expect(rcpt(case)[0] == 250, "not served")
    expect(deliveries(case, 3)[2]["result"] == "verified", "not by the host with TLSA records")


def broken_tls(case):
    """Two connections the first time, then one that does not ask for TLS; the log says so."""
    expect([rcpt(case)[0] for _ in range(2)] == [250, 250], "not delivered")
    asked = [any(command == "STARTTLS" for command in entry["commands"]) for entry in connections(case)]
    expect(asked == [True, False, False], f"STARTTLS: {asked}")
    first, second = deliveries(case, 2)
    expect(first["result"] == second["result"] == "plaintext", f"{first} {second}")
    expect(first["level"] == second["level"] == "warning", f"{first} {second}")
    expect("its TLS handshake broke" in first["why"] and "TLS was not tried" in second["why"], f"{first} {second}")


def only_better(case):
    """RFC 5321 section 5.1: a client that is itself an MX host of the domain is served by better ones only."""
    code, text = rcpt(case, name=f"me.{case.domain}")
    expect(code == 451 and "4.7.5" in text, f"{code} {text}")
    count(case, 0, host=1)
    expect(rcpt(case)[0] == 250, "anybody else is served by the next one")
    count(case, 1, host=1)


def own_route(case):
    """The client is the best MX host: its route is its administrator's, used as it is."""
    expect(rcpt(case, name=f"me.{case.domain}")[0] == 250, "not served")
    event, = deliveries(case, 1)
    expect((event["result"], event.get("mx", "")) == ("encrypted", ""), f"{event}")
    expect(rcpt(case)[0] == 451, "anybody else must have the TLSA record's key")


def dials_only(case):
    """Every address that was dialled is one that the MX host has in the world."""
    expect(rcpt(case)[0] == 451, "not refused")
    events = [*deliveries(case, 1), *case.proxy.events("attempt", domain=case.domain)]
    peers = {event.get("peer") for event in events}
    expect(peers == {f"{case.row.hosts[0].v4}:25"}, f"dialled: {peers}")


def table_reloaded(case):
    """policy.files is read again at HUP; the first match in it counts."""
    table = f"{case.client.node.dir}/levels.txt"
    settings = merged(case.proxy.settings, {"policy": {"files": ["levels.txt"]}})  # beside the configuration
    try:
        for text, code, levels in (("{domain} encrypt\n", 451, "encrypt"), ("{domain} may # first\n.signed.lab encrypt\n", 250, "may"),
                                   (".signed.lab encrypt\n{domain} may\n", 451, "encrypt"), ("other.example none\n", 250, "dane")):
            write(table, text.format(domain=case.domain))
            case.proxy.write_config(settings)
            case.proxy.reload()
            expect(rcpt(case)[0] == code, f"not {code} with {text!r}")
            expect(case.proxy.wait_event("delivery", domain=case.domain)[-1]["policy"] == levels, f"not {levels}")
        # a mistake in it leaves the old table in force
        write(table, f"{case.domain} none\nnonsense\n")
        said = case.proxy.reload()
        expect(said[-1]["level"] == "error", f"{said}")
        rcpt(case)
        expect(case.proxy.wait_event("delivery", domain=case.domain)[-1]["policy"] == "dane", "a broken table was taken")
    finally:
        case.proxy.write_config(case.proxy.settings)
        case.proxy.reload()


def healed(name, hosts):
    """qmail speaks to the first MX host that answers, and to no other."""
    def run(case):
        client, recipient = case.client.others["qmail-remote"], case.address()
        sent = client.send(case.sender, [recipient], case.message(), "")
        expect(not client.queued(recipient), f"in the queue: {sent.text}")
        case.expect_arrived(recipient, b"This is " + name.encode() + b".\n", ["mx1"])
        case.expect_event({"result": "verified", "outcome": "accepted"})
    return Row(name, hosts, run=run, status=None, profile="clients")


def remembered(name, script, code, reason, tlsa=VICTIM):
    """One family, so that the MTA has no other address to try."""
    return own(f"memory-{name}", [Host("evil", tlsa, script=script, families="4")], refused_once(code, reason))


def own(name, hosts, run, **fields):
    return Row(name, hosts, run=run, status=None, profile=fields.pop("profile", "memory"), **fields)


def forgets(name, hosts, run, **fields):
    return own(name, hosts, run, profile="memory-hup", alone=True, **fields)


ME = [("{domain}", "MX", "20 me.{domain}."), ("me.{domain}", "A", "203.0.113.50")]

ROWS = [
    remembered("no-starttls", STRIPPED, "4.7.4", "no-starttls"),
    remembered("starttls-rejected", {"starttls": "454 4.7.0 no"}, "4.7.4", "starttls-rejected"),
    remembered("handshake", {"handshake": "alert"}, "4.7.5", "tls-handshake"),
    remembered("tlsa-mismatch", {}, "4.7.5", "tlsa-mismatch"),
    remembered("certificate", {"cert": "nameless"}, "4.7.5", "cert-name", tlsa=("2 1 1",)),
    remembered("greeting", {"greeting": "421 4.3.2 busy"}, "4.3.2", "peer-unreachable", tlsa=PEER),
    own("memory-tlsa-changes", [Host("evil", script=GOOD, families="4", zone="nsec3")], tlsa_changes, zone="nsec3",
        records=[("_25._tcp.{host0}", "TLSA", "{tlsa_mx1_311}", 1)]),
    own("memory-goes-last", [Host("evil", VICTIM, script=STRIPPED, preference=10), Host("evil", ("3 1 1 peer",), script=GOOD,
        preference=20)], goes_last),
    own("memory-broken-tls", [Host("evil", script={"handshake": "garbage"})], broken_tls, plaintext=True),
    forgets("memory-unreachable", [Host("evil", PEER, families="4")], unreachable_once),
    forgets("memory-hup", [Host("evil", ("3 1 1 peer",), script=STRIPPED)], reload_forgets),
    forgets("memory-weak-backup", [Host("evil", ("3 1 1 peer",), script=STRIPPED, preference=10), Host("evil", preference=20)],
            not_behind_the_weak),
    forgets("policy-file-reloaded", [Host("evil", script=STRIPPED)], table_reloaded, plaintext=True),

    healed("qmail-heals-refused", [Host("evil", VICTIM, families="4", script=STRIPPED, preference=10), Host("mx1", PEER, preference=20)]),
    healed("qmail-heals-dead", [Host("nobody", PEER, families="4", preference=10), Host("mx1", PEER, preference=20)]),

    own("backup-mx-client", [Host("evil", VICTIM, preference=10), Host("evil", ("3 1 1 peer",), script=GOOD, preference=30)],
        only_better, records=ME),
    own("best-mx-client", [Host("evil", VICTIM, preference=30)], own_route, records=ME),
    own("non-global-addresses", [Host("evil", VICTIM, families="4")], dials_only,
        records=[("{host0}", "A", address) for address in ("127.0.0.1", "10.9.8.7", "169.254.3.3", "192.168.7.7", "100.64.1.1")]),
    own("own-address", [Host("evil", script={"greeting": "421 4.3.2 busy"}, families="4", zone="plain")], dials_only, zone="plain",
        records=[("{host0}", "A", "{client_v4}")]),

    # inside and outside differ: such domains have a level of their own, and no DNS is asked
    Row("split-horizon", [Host("mx1", PEER)], forged=[Host("evil")], policy={"level": "may"}, at=["evil"],
        event={"result": "encrypted", "policy": "may"}),
    Row("split-horizon-inside-only", forged=[Host("evil")], policy={"level": "none"}, at=["evil"], plaintext=True,
        event={"result": "plaintext", "policy": "none"}),
    Row("split-horizon-forgotten", forged=[Host("evil")], status="deferred", reply=r"451 4\.4\.3 .*danegate",
        event={"result": "failed", "reason": "dns-failure"}),
]
