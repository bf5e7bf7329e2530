# SPDX-License-Identifier: GPL-2.0-or-later
"""Octets: what a client says on the wire and what the peer gets, through a verified channel. RFC 5321 sections 2.3.8, 4.1.1.4,
4.5.2; the smuggling family of CVE-2023-51764."""

import hashlib
import re
import socket

from lib import mailbox
from lib.smtp import Smtp
from lib.table import Host, Row, expect

PEER = ("3 1 1",)
SCRIPT = {"cert": "peer"}
HEAD = b"Subject: octets\r\n\r\n"


def connect(case, family="v4"):
    """A session through the proxy to the row's first host, greeted."""
    host = case.row.hosts[0]
    client = Smtp(case.client.node, host.v4 if family == "v4" else host.v6)
    client.hello(case.client.node.hostname)
    return client


def arrived(case, recipient=None):
    recipient = recipient or case.address()
    messages = case.evil_messages(recipient)
    if not messages:
        from lib.node import wait_for
        messages = wait_for("the message at the peer", lambda: case.evil_messages(recipient), 20, 0.05)
    return messages[-1]["content"]


def octets(name, sent, expected=None, code=250, text="", **fields):
    """One message whose content (with its final CRLF, dots stuffed) is `sent`; the peer's record must hold `expected`."""
    def run(case):
        client = connect(case)
        replies = client.envelope(case.sender, case.address())
        expect(replies[0][0] == 250, f"RCPT: {replies}")
        got, lines = client.data(sent)
        expect(got == code and re.search(text, lines[-1]), f"end of data: {got} {lines}")
        client.say("QUIT")
        client.close()
        if code == 250:
            content = arrived(case)
            wanted = sent if expected is None else expected
            expect(content == wanted, f"the peer has {content[:400]!r}, expected {wanted[:400]!r}")
        else:
            case.all_records()
            expect(not case.evil_messages(case.address()), "the peer has a complete message")
    return Row(name, [Host("evil", PEER, script=SCRIPT)], status=None, run=run, event=None, **fields)


def smuggled(name, terminator, **fields):
    """A second message hidden behind something that is almost the end of data: it stays content, one message arrives."""
    inner = b"MAIL FROM:<forged@example>\r\nRCPT TO:<victim@example>\r\nDATA\r\nSubject: forged\r\n\r\nforged"

    def run(case):
        client = connect(case)
        client.envelope(case.sender, case.address())
        code, lines = client.data(HEAD + b"first" + terminator + inner + b"\r\n")
        expect(code == 250, f"end of data: {code} {lines}")
        client.say("QUIT")
        client.close()
        content = arrived(case)
        entry = next(e for e in case.all_records() if e["messages"])
        expect(len(entry["messages"]) == 1, f"the peer saw {len(entry['messages'])} messages")
        expect(not any("forged" in command for command in entry["commands"]), f"smuggled: {entry['commands']}")
        for bad in (b"\n.\n", b"\n.\r", b"\r.\r", b"\r.\n"):
            rest = content.replace(b"\r\n", b"\x00")  # a line of one dot would be \0.\0
            expect(b"\x00.\x00" not in rest and bad not in rest, f"the peer was given {bad!r}: {content[:200]!r}")
    return Row(name, [Host("evil", PEER, script=SCRIPT)], status=None, run=run, event=None, **fields)


def pipelined_session(case):
    """RFC 2920: everything at once, twice, and a QUIT."""
    client = connect(case)
    one = f"MAIL FROM:<{case.sender}>\r\nRCPT TO:<{case.address()}>\r\nDATA\r\n".encode()
    client.send(one)
    expect([client.reply()[0] for _ in range(3)] == [250, 250, 354], "first transaction")
    client.send(HEAD + b"one\r\n.\r\n" + one)
    expect([client.reply()[0] for _ in range(4)] == [250, 250, 250, 354], "second transaction")
    client.send(HEAD + b"two\r\n.\r\nQUIT\r\n")
    expect([client.reply()[0] for _ in range(2)] == [250, 221], "end")
    client.close()
    arrived(case)
    contents = [message["content"] for message in case.evil_messages(case.address())]
    expect(contents == [HEAD + b"one\r\n", HEAD + b"two\r\n"], f"{contents}")


def several_messages(case):
    """Several transactions in one session, to two domains in turn: each goes to its own peer."""
    client = connect(case)
    for turn in range(3):
        for label, server in ((None, "mx1"), ("other", "mx1")):
            recipient = case.address(f"turn{turn}", label)
            replies = client.envelope(case.sender, recipient)
            expect(replies[0][0] == 250, f"{recipient}: {replies}")
            code, lines = client.data(HEAD + f"turn {turn}\r\n".encode())
            expect(code == 250, f"{recipient}: {lines}")
            found = mailbox.wait_delivered(case.lab.servers[server], recipient)
            expect(mailbox.body(found[0]) == f"turn {turn}\n".encode(), f"{found}")
    client.say("QUIT")
    client.close()
    case.proxy.wait_event("delivery", count=3, domain=case.domain, result="verified")
    case.proxy.wait_event("delivery", count=3, domain=case.row.domain_of("other"), result="verified")


def split_recipients(case):
    """A recipient whose next hop cannot share the channel is told to come again: 452 4.5.3."""
    client = connect(case)
    replies = client.envelope(case.sender, case.address(), case.address(label="elsewhere"))
    expect(replies[0][0] == 250, f"{replies}")
    expect(replies[1][0] == 452 and "4.5.3" in replies[1][1][0], f"{replies}")
    code, lines = client.data(HEAD + b"one\r\n")
    expect(code == 250, f"{lines}")
    client.say("QUIT")
    client.close()
    expect(arrived(case) == HEAD + b"one\r\n", "content")


def greeting_is_a_literal(case):
    """The machine's own name must not come back as the peer's: Postfix would bounce "mail loops back to myself"."""
    host = case.row.hosts[0]
    for address, literal in ((host.v4, f"[{host.v4}]"), (host.v6, f"[IPv6:{host.v6}]")):
        client = Smtp(case.client.node, address)
        _, greeting = client.reply()
        expect(greeting[0].startswith(f"220 {literal} "), f"greeting {greeting}")
        _, hello = client.say(f"EHLO {case.client.node.hostname}")
        expect(hello[0].split()[0] == f"250-{literal}", f"EHLO reply {hello}")
        offered = {line[4:].split()[0] for line in hello[1:]}
        expect(offered == {"PIPELINING", "SIZE", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES"}, f"offered: {offered}")
        client.say("QUIT")
        client.close()


def own_name(case):
    """The legacy MTA's own name is the machine's."""
    name = case.client.node.run("hostname").strip()
    expect(case.client.node.run("postconf", "-h", "myhostname").strip() == name, "the row proves nothing")
    case.standard()


def commands(case):
    """What is answered here, before any peer is known."""
    client = connect(case)
    for line, code in (("NOOP", 250), ("RSET", 250), ("VRFY root", 252), ("EXPN list", 502), ("HELP", 214), ("DATA", 503),
                       ("RCPT TO:<a@b.example>", 503), ("NONSENSE", 500), ("STARTTLS", 502), ("AUTH PLAIN AAAA", 502),
                       (f"MAIL FROM:<{case.sender}>", 250), ("DATA", 554)):
        got, lines = client.say(line)
        expect(got == code or (got // 100 == 5 and code // 100 == 5 and line != "DATA"), f"{line}: {lines}, expected {code}")
    client.say("QUIT")
    client.close()
    expect(not case.contacts(), "the peer was contacted without a recipient")


def bdat(case):
    """CHUNKING is not offered; an unsolicited BDAT consumes its octets, which are never commands."""
    client = connect(case)
    client.say(f"MAIL FROM:<{case.sender}>")
    chunk = b"RSET\r\nQUIT\r\n"
    client.send(b"BDAT %d LAST\r\n" % len(chunk) + chunk)
    code, lines = client.reply()
    expect(code == 503, f"BDAT: {lines}")
    code, lines = client.say("NOOP")
    expect(code == 250, f"the chunk was parsed: {lines}")
    client.say("QUIT")
    client.close()


def refused_as_direct(node, address):
    client = Smtp(node, address, port=10025)
    code, lines = client.reply()
    expect(code == 421, f"{address}: {lines}")
    client.close()


def direct_dial(case):
    """Nobody was to be reached: 421, no dialling, no loop. Nor where a rule of somebody's brings the listener connections to its
    own port at another address of this machine: they were redirected, to itself (security.md rule 15)."""
    node = case.client.node
    for address in ("127.0.0.1", "::1"):
        refused_as_direct(node, address)
    for tables, address in (("iptables", node.v4), ("ip6tables", node.v6)):
        rule = ("OUTPUT", "-d", address, "-p", "tcp", "--dport", "10025", "-j", "REDIRECT")
        node.run(tables, "-t", "nat", "-A", *rule)
        try:
            refused_as_direct(node, address)
        finally:
            node.run(tables, "-t", "nat", "-D", *rule)


def half_closed(case):
    """As Exim does: QUIT and the end of its side come together with the end of data; the peer's reply is still for it."""
    client = connect(case)
    client.envelope(case.sender, case.address())
    client.say("DATA")
    client.send(HEAD + b"all of it\r\n.\r\nQUIT\r\n")
    client.socket.shutdown(socket.SHUT_WR)
    replies = [client.reply()[0] for _ in range(3)]
    client.close()
    expect(replies == [250, 221, 0], f"{replies}")
    expect(arrived(case) == HEAD + b"all of it\r\n", "content")
    case.expect_event({"result": "verified", "outcome": "accepted"})


def half_said(case):
    """A client that goes away in its content: the peer must not take the rest for a message."""
    client = connect(case)
    client.envelope(case.sender, case.address())
    client.say("DATA")
    client.send(HEAD + b"half of a mess\r\n")
    client.close()
    from lib.node import wait_for
    entry = wait_for("the peer's end", lambda: next((e for e in case.records() if e["messages"]), None), 20, 0.05)
    expect(not entry["messages"][0]["complete"], "the peer took half a message")
    case.expect_event({"outcome": "abandoned"})


LONG = b"x" * 5000
BITS = bytes(range(128, 256)) * 4

ROWS = [
    octets("plain-octets", HEAD + b"hello\r\n"),
    octets("empty-message", b""),
    octets("header-only", b"Subject: nothing more\r\n"),
    octets("dots", HEAD + b"..\r\n..two\r\nmid.dle\r\n.\x2e.\r\n"),
    octets("eight-bit", HEAD + BITS + b"\r\n"),
    octets("nul-octets", HEAD + b"a\x00b\r\n"),
    octets("long-line", HEAD + LONG + b"\r\n"),
    octets("bare-lf", HEAD + b"one\ntwo\r\n", HEAD + b"one\r\ntwo\r\n"),
    octets("bare-lf-exposes-dot", HEAD + b"one\n.two\r\n", HEAD + b"one\r\n..two\r\n"),
    octets("bare-cr", HEAD + b"one\rtwo\r\n", HEAD + b"one two\r\n"),
    octets("bare-lf-rejected", HEAD + b"one\ntwo\r\n", code=550, text=r"550 5\.6\.11 .*danegate", profile="bare-lf-reject"),
    octets("bare-cr-rejected", HEAD + b"one\rtwo\r\n", code=550, text=r"550 5\.6\.11 ", profile="bare-lf-reject"),
    octets("bare-lf-reject-lets-crlf", HEAD + b"one\r\ntwo\r\n", profile="bare-lf-reject"),
    smuggled("smuggling-lf-dot-lf", b"\n.\n"),
    smuggled("smuggling-lf-dot-crlf", b"\n.\r\n"),
    smuggled("smuggling-crlf-dot-lf", b"\r\n.\n"),
    smuggled("smuggling-cr-dot-cr", b"\r.\r"),
    smuggled("smuggling-crlf-dot-cr", b"\r\n.\r"),
    smuggled("smuggling-cr-dot-crlf", b"\r.\r\n"),
    Row("pipelined", [Host("evil", PEER, script=SCRIPT)], status=None, run=pipelined_session),
    Row("pipelined-lockstep-peer", [Host("evil", PEER, script={**SCRIPT, "extensions": ["STARTTLS"]})], status=None,
        run=pipelined_session),
    Row("several-messages", [Host("mx1", PEER)], more={"other": [Host("mx1", PEER)]}, status=None, run=several_messages),
    Row("split-recipients", [Host("evil", PEER, script=SCRIPT)], more={"elsewhere": [Host("mx1", PEER)]}, status=None,
        run=split_recipients),
    Row("greeting", [Host("evil", PEER)], status=None, run=greeting_is_a_literal),
    Row("own-name", [Host("mx1", PEER)], run=own_name, event={"result": "verified"}),
    Row("commands", [Host("evil", PEER)], status=None, run=commands),
    Row("bdat", [Host("evil", PEER)], status=None, run=bdat),
    Row("direct-dial", [], status=None, run=direct_dial),
    Row("half-closed", [Host("evil", PEER, script={**SCRIPT, "delay": {"EOD": 0.5}})], status=None, run=half_closed),
    Row("half-said", [Host("evil", PEER, script=SCRIPT)], status=None, run=half_said),
    # through a real MTA, as a person would write it
    Row("eight-bit-postfix", [Host("mx1", PEER)], message="Subject: ä\n\nGrüße aus Köln, 你好\n".encode(),
        event={"result": "verified"}),
    Row("dots-postfix", [Host("mx2", PEER)], message=b"Subject: dots\n\n.\n..\n.one\nx.\n.\n", event={"result": "verified"}),
    Row("long-line-postfix", [Host("mx1", PEER)], message=b"Subject: long\n\n" + LONG + b"\nend\n", event={"result": "verified"}),
    Row("big-v4", [Host("mx1", PEER, families="4")], slow=True, timeout=120, event={"result": "verified"},
        message=b"Subject: 20 MiB\n\n" + b"".join(hashlib.sha256(b"%d" % i).hexdigest().encode() + b"\n" for i in range(322640))),
    Row("big-v6", [Host("mx2", PEER, families="6")], slow=True, timeout=120, event={"result": "verified"},
        message=b"Subject: 20 MiB\n\n" + b"".join(hashlib.sha256(b"%d" % -i).hexdigest().encode() + b"\n" for i in range(322640))),
]
