# SPDX-License-Identifier: GPL-2.0-or-later
"""SMTP smuggling (CVE-2023-51764, -51765, -51766): everything that has been published as an end of data for somebody, with a second
envelope behind it, to Postfix, to Exim, and to a peer that takes each of them for the end. Never a second message."""

from lib import mailbox
from lib.node import wait_for
from lib.smtp import Smtp
from lib.table import Host, Row, expect

PEER = ("3 1 1",)
HEAD = b"Subject: smuggling\r\n\r\n"

# name → octets, and whether they hold a bare CR or LF (bare_lf = "reject" refuses those)
VARIANTS = {
    "lf-dot-lf": (b"\n.\n", True),
    "lf-dot-crlf": (b"\n.\r\n", True),
    "lf-dot-cr": (b"\n.\r", True),
    "cr-dot-cr": (b"\r.\r", True),
    "cr-dot-crlf": (b"\r.\r\n", True),
    "cr-dot-lf": (b"\r.\n", True),
    "crlf-dot-lf": (b"\r\n.\n", True),
    "crlf-dot-cr": (b"\r\n.\r", True),
    "crcrlf-dot-crcrlf": (b"\r\r\n.\r\r\n", True),
    "crlf-dotdot-crlf": (b"\r\n..\r\n", False),
    "crlf-nul-dot-crlf": (b"\r\n\0.\r\n", False),
    "crlf-dot-nul-crlf": (b"\r\n.\0\r\n", False),
}


def hidden(victim):
    """A second transaction, as the smuggler wants it to be read."""
    return f"MAIL FROM:<forged@example.org>\r\nRCPT TO:<{victim}>\r\nDATA\r\nSubject: forged\r\n\r\nforged\r\n".encode()


def say(case, host, label, terminator):
    """The message with the variant in it, and an honest one behind it in the same session. Returns the reply to the first."""
    client = Smtp(case.client.node, host.v4)
    client.hello(case.client.node.hostname)
    replies = client.envelope(case.sender, case.address("first", label))
    expect(replies[0][0] == 250, f"RCPT: {replies}")
    code, lines = client.data(HEAD + b"first" + terminator + hidden(case.address("victim", label)))
    replies = client.envelope(case.sender, case.address("second", label))
    expect(replies[0][0] == 250, f"RCPT of the second message: {replies}")
    again = client.data(HEAD + b"second\r\n")
    expect(again[0] == 250, f"the second message: {again}")
    expect(client.say("QUIT")[0] == 221, "a reply too many: QUIT was not answered by 221")
    client.close()
    return code, lines


def at_server(case, server, label, taken):
    box = case.lab.servers[server]
    mailbox.wait_delivered(box, case.address("second", label))
    if taken:
        mailbox.wait_delivered(box, case.address("first", label))
    for local, count in (("first", int(taken)), ("second", 1), ("victim", 0)):
        found = len(mailbox.files(box, case.address(local, label)))
        expect(found == count, f"{server} has {found} messages for {local}, expected {count}")


def at_lax_peer(case, taken):
    recipients = [case.address(local) for local in ("first", "victim", "second")]
    wait_for("the second message at the lax peer", lambda: case.evil_messages(recipients[2]), 20, 0.05)
    case.all_records()
    counts = [len(case.evil_messages(recipient)) for recipient in recipients]
    expect(counts == [int(taken), 0, 1], f"the lax peer took {counts} messages for {recipients}")
    for entry in case.all_records():
        expect(not any("forged" in command for command in entry["commands"]), f"smuggled: {entry['commands']}")


def smuggle(name, reject):
    terminator, bare = VARIANTS[name]
    taken = not (bare and reject)

    def run(case):
        lax, postfix, exim = case.row.hosts[0], case.row.more["postfix"][0], case.row.more["exim"][0]
        for host, label in ((lax, None), (postfix, "postfix"), (exim, "exim")):
            code, lines = say(case, host, label, terminator)
            expect(code == (250 if taken else 550) and (taken or "5.6.11" in lines[-1]), f"{label}: end of data: {code} {lines}")
        at_lax_peer(case, taken)
        at_server(case, "mx1", "postfix", taken)
        at_server(case, "mx2", "exim", taken)

    return Row(f"smuggle-{name}" + ("-reject" if reject else ""), [Host("evil", PEER, script={"cert": "peer", "lax": True})],
               more={"postfix": [Host("mx1", PEER)], "exim": [Host("mx2", PEER)]}, status=None, run=run, event=None,
               profile="bare-lf-reject" if reject else "default")


ROWS = [smuggle(name, reject) for name in VARIANTS for reject in (False, True)]
