# SPDX-License-Identifier: GPL-2.0-or-later
"""What peers answer, and when they go away: verified peers with a mind of their own."""

import re

from lib import mailbox
from lib.table import Host, Row, expect

PEER = ("3 1 1",)


def peer(name, script, status, reply="", event=None, **fields):
    host = Host("evil", PEER, script={"cert": "peer", **script})
    return Row(name, [host], status=status, reply=reply, event=event or {}, **fields)


def replies(**table):
    return {"replies": table}


def bounce_quotes(text):
    def check(case):
        found = mailbox.wait_delivered(case.client.node, case.sender)
        expect(any(text in message and case.domain.encode() in message for message in found), f"no bounce quotes {text}")
    return check


def not_taken(case):
    expect(not any(message["complete"] for entry in case.all_records() for message in entry["messages"]), "the peer has it whole")


LOST = {"outcome": re.compile("^deferred$")}

ROWS = [
    peer("rcpt-550", replies(RCPT="550 5.1.1 no such user here"), "bounced", r"550 5\.1\.1 no such user here",
         {"result": "verified", "outcome": "rejected", "reply": 550}, sender="bounce-rcpt",
         check=bounce_quotes(b"no such user here")),
    peer("rcpt-451", replies(RCPT="451 4.2.1 greylisted"), "deferred", r"451 4\.2\.1 greylisted",
         {"result": "verified", "outcome": "deferred", "reply": 451}),
    peer("mail-550", replies(MAIL="550 5.7.1 not from you"), "bounced", r"550 5\.7\.1 not from you",
         {"outcome": "rejected", "reply": 550}),
    peer("mail-451", replies(MAIL="451 4.3.0 try later"), "deferred", r"451 4\.3\.0 try later", {"outcome": "deferred"}),
    peer("data-451", replies(DATA="451 4.3.0 no data now"), "deferred", r"451 4\.3\.0 no data now", {"outcome": "deferred"}),
    peer("data-554", replies(DATA="554 5.6.0 no data ever"), "bounced", r"554 5\.6\.0 no data ever", {"outcome": "rejected"}),
    peer("eod-451", replies(EOD="451 4.3.0 disk full"), "deferred", r"451 4\.3\.0 disk full",
         {"outcome": "deferred", "reply": 451}),
    peer("eod-554", replies(EOD="554-5.7.1 this is\r\n554 5.7.1 spam"), "bounced", r"554.5\.7\.1 this is.*spam|554 5\.7\.1",
         {"outcome": "rejected", "reply": 554}, sender="bounce-eod", check=bounce_quotes(b"spam")),
    peer("greeting-421", {"greeting": "421 4.3.2 too busy today"}, "deferred", r"451 4\.3\.2 .*too busy today",
         {"result": "failed", "outcome": "deferred"}),
    peer("greeting-554", {"greeting": "554 5.7.1 you are listed"}, "deferred", r"451 4\.7\.1 .*you are listed",
         {"result": "failed", "outcome": "deferred"}),
    peer("greeting-lines", {"greeting": ["220-evil.lab", "220-says", "220 hello"]}, "sent", event={"result": "verified"}),
    peer("replies-in-pieces", {"chunk": 3}, "sent", event={"result": "verified"}),
    peer("lockstep", {"extensions": ["STARTTLS"]}, "sent", event={"result": "verified"}, recipients=("a", "b", "c")),
    peer("slow-replies", {"delay": {"MAIL": 1, "RCPT": 1, "DATA": 1, "EOD": 1}}, "sent", event={"result": "verified"}),
    peer("closed-at-connect", {"drop": "connect"}, "deferred", r"451 4\.4\.[12] .*danegate", {"result": "failed"}),
    peer("closed-at-ehlo", {"drop": "EHLO"}, "deferred", r"451 4\.4\.[12] .*danegate", {"result": "failed"}),
    peer("closed-at-starttls", {"drop": "STARTTLS"}, "deferred", r"451 4\.(4|7)\.\d .*danegate", {}),
    peer("closed-at-mail", {"drop": "MAIL"}, "deferred", r"451 4\.4\.2 ", LOST),
    peer("closed-at-rcpt", {"drop": "RCPT"}, "deferred", r"451 4\.4\.2 ", LOST),
    peer("closed-at-data", {"drop": "DATA"}, "deferred", r"451 4\.4\.2 ", LOST),
    peer("closed-in-content", {"drop": "content:20000"}, "deferred", r"451 4\.4\.2 ", LOST, message=b"Subject: x\n\n" + b"x" * 70 +
         b"\n" + (b"y" * 70 + b"\n") * 2000, check=not_taken),
    peer("closed-at-end-of-data", {"drop": "EOD"}, "deferred", r"451 4\.4\.2 ", LOST),
    peer("reset-at-end-of-data", {"drop": "EOD", "reset": True}, "deferred", r"451 4\.4\.2 ", LOST),
    # a peer must not be able to queue a reply for a later command: no "sent" may come of it
    peer("reply-in-advance-data", replies(DATA="354 go\r\n250 2.0.0 taken"), "deferred", r"451 ", {"reason": "peer-protocol"}),
    peer("reply-in-advance-rcpt", replies(RCPT="250 2.1.5 ok\r\n250 2.1.5 ok"), "deferred", r"451 ",
         {"reason": "peer-protocol"}),
    peer("reply-of-no-class", replies(RCPT="199 what"), "deferred", r"451 ", {"reason": "peer-protocol"}),
    peer("reply-without-code", replies(RCPT="certainly"), "deferred", r"451 ", {"reason": "peer-protocol"}),
    peer("reply-codes-differ", replies(RCPT="250-first\r\n550 second"), "deferred", r"451 ", {"reason": "peer-protocol"}),
    peer("reply-endless-line", replies(RCPT="250 " + "x" * 70000), "deferred", r"451 ", {"reason": "peer-protocol"}),
    peer("reply-with-controls", replies(RCPT="550 5.1.1 \x1b[31mred\x07"), "bounced", r"550 5\.1\.1 \?\[31mred\?"),
    peer("peer-421-at-rcpt", replies(RCPT="421 4.3.2 going down"), "deferred", r"451 4\.3\.2 ", {"outcome": "deferred"}),
    peer("silent-greeting", {"delay": {"connect": 12}}, "deferred", r"451 4\.4\.[12] .*danegate",
         {"result": "failed", "reason": "peer-timeout"}, profile="impatient"),
    peer("silent-rcpt", {"delay": {"RCPT": 12}}, "deferred", r"451 4\.4\.2 ", {"reason": "peer-timeout"}, profile="impatient"),
    # what it says so late is heard by nobody; a 250 would be a message that arrives twice
    peer("silent-end-of-data", {"delay": {"EOD": 12}, **replies(EOD="451 4.3.0 late")}, "deferred", r"451 4\.4\.2 ", {}, profile="impatient"),
]


def two_of_three(case):
    """One recipient is refused, the others get their mail."""
    names = [case.address(local) for local in ("good", "bad", "fine")]
    case.mta.sendmail(case.sender, names, case.message())
    for name, status in zip(names, ("sent", "bounced", "sent")):
        case.expect_attempt(case.mta.wait_attempt(name), status)
    case.expect_arrived(names[0], mailbox.body(case.message()), ["evil"])
    case.expect_event({"result": "verified", "outcome": "accepted", "rcpts": 2})


ROWS += [
    peer("one-of-three-refused", replies(**{"bad@one-of-three-refused.signed.lab": "550 5.1.1 unknown"}), None, run=two_of_three),
    peer("all-refused", replies(RCPT="550 5.1.1 unknown"), "bounced", r"550 5\.1\.1", {"outcome": "rejected"},
         recipients=("a", "b", "c")),
    Row("several-recipients", [Host("mx1", PEER)], recipients=("a", "b", "c", "d", "e"), event={"result": "verified", "rcpts": 5}),
    Row("null-sender", [Host("mx1", PEER)], sender="", event={"result": "verified"}),
    Row("pooled", [Host("mx1", PEER)], event={"result": "verified"}, profile="pool"),
]
