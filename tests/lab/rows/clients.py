# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that send mail, unmodified and with TLS off, each in every scenario: what they hand over arrives through a verified
channel; what may not be sent yet stays with them. README.md has the table."""

import hashlib
import re

from lib import mailbox
from lib.all_clients import ALL
from lib.node import wait_for
from lib.table import Host, Profile, Row, expect

BATCHES = ("exim4", "sendmail")  # put the recipients of all domains that have the same MX hosts into one transaction

PROFILES = {
    "clients": Profile(clients=tuple(ALL)),
    "clients-reroute": Profile({"policy": {"mx_mismatch": "reroute"}}, clients=BATCHES),
}

PEER = ("3 1 1",)
STRIPPED = {"extensions": ["PIPELINING", "8BITMIME", "SIZE 0"]}
REFUSED = {"msmtp": 69, "ssmtp": 1, "swaks": 24}  # exit codes of those that have no queue; 69 is EX_UNAVAILABLE

GREYLISTS = {"cert": "peer", "replies": {"RCPT": ["451 4.2.1 greylisted", "250 2.1.5 ok"]}}

MESSAGES = {
    "large": b"".join(hashlib.sha256(b"%d" % n).hexdigest().encode() + b"\n" for n in range(5 * (1 << 20) // 65 + 1)),
    "8-bit": "Grüße aus Köln, 你好\n".encode() + bytes(range(0xA0, 0x100)) + b"\n",
    "dots": b".\n..\n.one\nx.\n.\n\nend\n",
}


def send(case, name, recipients, message, sender=None):
    client = case.client.others[name]
    sender = case.sender if sender is None else sender
    sent = client.send(sender, recipients, message, case.row.hosts[0].name)
    return client, sent


def arrives(case, recipient, message, server):
    expect_body = mailbox.body(message)
    found = mailbox.wait_delivered(case.lab.servers[server], recipient, timeout=60)
    expect(len(found) == 1, f"{len(found)} copies for {recipient}")
    got = mailbox.body(found[0])
    expect(got == expect_body, f"{recipient}: content changed on the way: {got[-300:]!r}, expected {expect_body[-300:]!r}")
    return found[0]


def believes_it(client, recipients):
    """What was accepted has left the queue: the program has heard so, and will not send it again."""
    def empty():
        return not any(client.queued(recipient) for recipient in recipients)
    if client.queues:
        wait_for(f"the end of the message for {recipients[0]} in the queue of {client.name}", empty, 60, 0.1)


def verified(case, *labels):
    for label in labels:
        domain = case.row.domain_of(label) if label else case.domain
        case.expect_event({"result": "verified", "outcome": "accepted", "tlsa": "3 1 1"}, domain=domain)


def delivers(name, body=b"", recipients=("rcpt",), sender=None, server="mx1"):
    def run(case):
        message = case.message(body)
        names = [case.address(local) for local in recipients]
        client, sent = send(case, name, names, message, sender)
        expect(sent.code == 0, f"{name}: exit {sent.code}: {sent.text}")
        believes_it(client, names)
        for recipient in names:
            found = arrives(case, recipient, message, server)
            expect(sender is None or b"Return-Path: <>" in found, f"not from the null sender: {found[:200]!r}")
        verified(case, None)
    return run


def several_domains(name, labels):
    """labels: {label of the domain: server where its mail arrives}"""
    def run(case):
        message = case.message()
        names = {case.address("rcpt", label): server for label, server in labels.items()}
        client, sent = send(case, name, list(names), message)
        expect(sent.code == 0, f"{name}: exit {sent.code}: {sent.text}")
        believes_it(client, list(names))
        for recipient, server in names.items():
            arrives(case, recipient, message, server)
        verified(case, *labels)
        if name in BATCHES and len(set(labels.values())) == 1:
            domains = [case.row.domain_of(label) if label else case.domain for label in labels]
            sessions = {event["session"] for domain in domains for event in case.proxy.events("delivery", domain=domain)}
            expect(len(sessions) == 1, f"{name} took {len(sessions)} sessions: it does not batch by host any more")
    return run


def other_host_refused(name):
    """A program that knows one host, and so hands it a recipient of another's: 452 4.5.3; most send nothing to anybody then."""
    def run(case):
        names = [case.address(), case.address("rcpt", "b")]
        client, sent = send(case, name, names, case.message())
        case.expect_event({"result": "failed", "reason": "limit", "outcome": "deferred"}, domain=case.row.domain_of("b"))
        if name == "swaks":  # sends to those that were accepted, and does not say that there were others
            expect(sent.code == 0, f"{name}: exit {sent.code}: {sent.text}")
            arrives(case, names[0], case.message(), "mx1")
        else:
            kept(client, sent, names[0])
            case.expect_not_arrived(names[:1])
        case.expect_not_arrived(names[1:])
    return run


def kept(client, sent, recipient):
    """The message is still its sender's."""
    if client.queues:
        expect(sent.code == 0, f"{client.name}: exit {sent.code}: {sent.text}")
        wait_for(f"the message for {recipient} in the queue", lambda: client.queued(recipient), 10, 0.1)
    else:
        expect(sent.code == REFUSED[client.name], f"{client.name}: exit {sent.code}: {sent.text}")


def refused(name):
    def run(case):
        recipient = case.address()
        client, sent = send(case, name, [recipient], case.message())
        case.expect_event({"result": "refused", "reason": "no-starttls", "outcome": "deferred"})
        kept(client, sent, recipient)
        case.expect_not_arrived([recipient])
    return run


def waits(name):
    """The peer says 451 at first: a second attempt delivers, be it in the same session or in a new one."""
    def run(case):
        recipient, message = case.address(), case.message()
        client, sent = send(case, name, [recipient], message)
        case.expect_event({"result": "verified", "outcome": "deferred", "reply": 451})
        kept(client, sent, recipient)
        case.lab.evil.set(case.row.hosts[0].addresses, case.lab.script({"cert": "peer"}))
        if client.queues:
            wait_for("the queue is empty", lambda: not client.queued(recipient) or client.retry(recipient), 60, 1)
        else:
            _, sent = send(case, name, [recipient], message)
            expect(sent.code == 0, f"{name}: exit {sent.code}: {sent.text}")
        case.expect_arrived(recipient, mailbox.body(message), ["evil"])
    return run


def comes_again(name):
    """The client's resolver is told that both domains have the first one's host, so both go into one transaction. danegate knows
    better: 452 4.5.3 to the other's recipient, who gets the message afterwards in a transaction of its own, from its own host."""
    def run(case):
        message = case.message()
        mine, other = case.address(), case.address("rcpt", "b")
        client, sent = send(case, name, [mine, other], message)
        expect(sent.code == 0, f"{name}: exit {sent.code}: {sent.text}")
        arrives(case, mine, message, "mx1")
        event = case.proxy.wait_event("delivery", domain=case.row.domain_of("b"))[0]
        expect((event.get("reason"), event["outcome"]) == ("limit", "deferred"), f"{event}")
        wait_for("the queue is empty", lambda: not client.queued(other) or client.retry(other), 60, 1)
        arrives(case, other, message, "mx2")
        verified(case, None, "b")
        expect(len(mailbox.files(case.lab.servers["mx1"], mine)) == 1, "a second copy")
    return run


def rows_of(name):
    by_mx = name == "postfix" or ALL[name].by_mx

    def row(scenario, hosts, run, text="delivered", **fields):
        return Row(f"{name}-{re.sub('[^a-z0-9]+', '-', scenario)}", hosts, status=None, run=run, profile="clients",
                   cell=(name, scenario, text), **fields)

    def one():
        return [Host("mx1", PEER)]

    found = [
        row("single", one(), delivers(name)),
        row("recipients", [Host("mx2", PEER)], delivers(name, recipients=("a", "b", "c"), server="mx2")),
        row("large", one(), delivers(name, MESSAGES["large"])),
        row("8-bit", [Host("mx2", PEER)], delivers(name, MESSAGES["8-bit"], server="mx2")),
        row("dots", one(), delivers(name, MESSAGES["dots"])),
        row("stripped", [Host("evil", ("3 1 1 mx1",), script=STRIPPED)], refused(name), text="stays"),
        row("peer 451", [Host("evil", PEER, script=GREYLISTS)], waits(name)),
    ]
    if name not in ("ssmtp", "dma"):  # which put a name of their own in its place
        found.append(row("null sender", one(), delivers(name, sender="")))
    shared = Host("mx1", PEER)
    found.append(row("domains", [shared], several_domains(name, {None: "mx1", "b": "mx1", "c": "mx1"}),
                     more={"b": [shared], "c": [shared]}))
    more = {"b": [Host("mx2", PEER)]}
    if by_mx:
        found.append(row("hosts", one(), several_domains(name, {None: "mx1", "b": "mx2"}), more=more))
    else:
        found.append(row("hosts", one(), other_host_refused(name), text="stays" if name != "swaks" else "in part", more=more))
    return found


ROWS = [row for name in ("postfix", *ALL) for row in rows_of(name)]


def batched(name):
    """Both MX RRsets name one host to the client; in truth the second domain's names another."""
    return Row(f"{name}-split", [Host("mx1", PEER)], more={"b": [Host("mx2", PEER)]}, status=None, run=comes_again(name),
               profile="clients-reroute", cell=(name, "one host by a lie", "452, then delivered"),
               lies=[("b-{domain}", "MX", "10 {host0}.")])


ROWS += [batched(name) for name in BATCHES]
