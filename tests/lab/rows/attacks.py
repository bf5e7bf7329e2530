# SPDX-License-Identifier: GPL-2.0-or-later
"""Someone sits between the MTA and an MX that publishes TLSA records. The mail stays in the MTA's queue, the log says why,
and the attacker's own record holds no MAIL, RCPT or content (checked after every row that may not speak plaintext)."""

from lib import mailbox
from lib.evil import HARMLESS
from lib.table import Host, Row, expect

STRIPPED = {"extensions": ["PIPELINING", "8BITMIME", "SIZE 0"]}
VICTIM = ("3 1 1 mx1",)  # the true MX's key, which the attacker does not have


def only_greetings(case):
    records = case.all_records()
    expect(records, "the attacker was never contacted: the row proves nothing")
    for entry in records:
        verbs = {command.removeprefix("tls ").split(" ")[0].upper() for command in entry["commands"]}
        expect(verbs <= HARMLESS, f"the attacker heard {entry['commands']}")
        expect(not entry["messages"], "the attacker got content")


def refused(name, script, reply, reason, tlsa=VICTIM, result="refused", **fields):
    host = Host("evil", tlsa, script=script, families=fields.pop("families", "46"))
    return Row(name, [host], status="deferred", reply=reply, check=fields.pop("check", only_greetings),
               event={"result": result, "reason": reason, "outcome": "deferred", "policy": "dane", **fields.pop("event", {})},
               **fields)


TLS = r"451 4\.7\.4 .*danegate"
CERT = r"451 4\.7\.5 .*danegate"


def attack_ends(case):
    """Deferred while STARTTLS is stripped; when the attack ends, the MTA's next attempt delivers: at once after HUP, or 60 s after
    the refusal, which is sooner than an MTA comes again."""
    recipient = case.address()
    case.mta.sendmail(case.sender, [recipient], case.message())
    first = case.mta.wait_attempt(recipient)
    case.expect_attempt(first, "deferred", TLS)
    host = case.row.hosts[0]
    case.lab.evil.set(host.addresses, case.lab.script({"cert": "peer"}))

    case.mta.retry(first["id"])
    case.expect_attempt(case.mta.wait_attempt(recipient, 2), "deferred", TLS)
    case.proxy.reload()
    case.mta.retry(first["id"])
    case.expect_attempt(case.mta.wait_attempt(recipient, 3), "sent")
    case.expect_arrived(recipient, mailbox.body(case.message()), ["evil"])
    case.expect_event({"result": "verified", "outcome": "accepted"})


JUDGED = True

ROWS = [
    refused("stripped-v4", STRIPPED, TLS, "no-starttls", families="4"),
    refused("stripped-v6", STRIPPED, TLS, "no-starttls", families="6"),
    refused("starttls-454", {"starttls": "454 4.7.0 TLS not available"}, TLS, "starttls-rejected"),
    refused("starttls-502", {"starttls": "502 5.5.1 unknown command"}, TLS, "starttls-rejected",
            judge=("bounced", "starttls-5xx")),
    refused("starttls-554", {"starttls": "554 5.7.0 go away"}, TLS, "starttls-rejected",
            judge=("bounced", "starttls-5xx")),
    # RFC 3207; CVE-2011-0411 seen from the client's side
    refused("starttls-injected", {"inject": "250-evil.lab\r\n250 AUTH PLAIN\r\n", "cert": "peer"}, TLS, "starttls-rejected",
            tlsa=("3 1 1",), judge=("verified", "starttls-injected")),
    refused("starttls-injected-one-octet", {"inject": "2", "cert": "peer"}, TLS, "starttls-rejected", tlsa=("3 1 1",),
            judge=("verified", "starttls-injected")),
    refused("handshake-garbage", {"handshake": "garbage"}, CERT, "tls-handshake"),
    refused("handshake-alert", {"handshake": "alert"}, CERT, "tls-handshake"),
    refused("handshake-closed", {"handshake": "close"}, CERT, "tls-handshake"),
    refused("handshake-hangs", {"handshake": "hang"}, r"451 4\.(7\.5|4\.1) ", "peer-timeout", result="failed",
            profile="impatient"),
    refused("wrong-certificate-v4", {"cert": "evil"}, CERT, "tlsa-mismatch", families="4"),
    refused("wrong-certificate-v6", {"cert": "evil"}, CERT, "tlsa-mismatch", families="6"),
    refused("wrong-certificate-tls12", {"cert": "evil", "max_tls": "1.2"}, CERT, "tlsa-mismatch"),
    refused("wrong-certificate-301", {"cert": "evil"}, CERT, "tlsa-mismatch", tlsa=("3 0 1 mx1",)),
    refused("wrong-certificate-300", {"cert": "evil"}, CERT, "tlsa-mismatch", tlsa=("3 0 0 mx1",)),
    # a certificate of the victim's name from another CA than the one published
    refused("wrong-ca", {"cert": "evil"}, CERT, "tlsa-mismatch", tlsa=("2 1 1 mx2",)),
    refused("wrong-ca-201", {"cert": "evil"}, CERT, "tlsa-mismatch", tlsa=("2 0 1 mx2",)),
    # the true CA in the chain, but it did not sign the leaf (the published record is public, anyone can append it)
    refused("ca-pasted", {"cert": "pasted"}, CERT, "cert-untrusted", tlsa=("2 1 1 mx2",)),
    refused("right-ca-wrong-name", {"cert": "nameless"}, CERT, "cert-name", tlsa=("2 1 1",)),
    refused("right-ca-expired", {"cert": "expired"}, CERT, "cert-expired", tlsa=("2 1 1",)),
    refused("strongest-digest-counts", {"cert": "evil"}, CERT, "tlsa-mismatch", tlsa=("3 1 2 other", "3 1 1")),
    refused("usage-2-is-not-the-leaf", {"cert": "evil"}, CERT, "tlsa-mismatch", tlsa=("2 1 1 leaf_of_evil",)),
    Row("attack-ends", [Host("evil", ("3 1 1 peer",), script=STRIPPED)], status=None, run=attack_ends,
        profile="memory-hup", alone=True),
]
