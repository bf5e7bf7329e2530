# SPDX-License-Identifier: GPL-2.0-or-later
"""`[[relay]]`: an administrator's next hop. No MX lookup; TLS before the client is greeted; AUTH only when verified."""

import base64
import re

from lib import mailbox, zones
from lib.smtp import Smtp
from lib.table import Host, Profile, Row, expect

OFFERS = ["PIPELINING", "8BITMIME", "SIZE 0", "STARTTLS"]
INSIDE = ["PIPELINING", "8BITMIME", "SIZE 0", "AUTH PLAIN LOGIN", "CHUNKING"]
RELAY = {"destination": ["{v4}:25", "[{v6}]:25"], "host": "{name}", "port": 25, "tls": "starttls", "level": "dane"}
# What the client believes in, and nobody must dial: the relay is another machine.
ELSEWHERE = {"destination": ["{d4}:25", "[{d6}]:25"]}
SECRET = "cGFwZXItdHJheS0y"  # paper-tray-2

PROFILES = {"relay-any": Profile(), "relay-no-dns": Profile({"dns": {"servers": [zones.BLACK_HOLE], "timeout": "2s"}})}


def host(script, tlsa=()):
    return Host("evil", tlsa, script={"extensions": OFFERS, "tls_extensions": INSIDE, **script})


def relay(name, script, tlsa, level="dane", **fields):
    settings = {**RELAY, "level": level, **fields.pop("settings", {})}
    return Row(name, [host(script, tlsa)], relay=settings, **fields)


def elsewhere(name, script, tlsa=(), level="dane", settings=(), **fields):
    """The client's own resolver names another host, and that is what the relay is for."""
    return Row(name, [host(script, tlsa)], forged=[Host("evil")], relay={**RELAY, **ELSEWHERE, "level": level, **dict(settings)},
               **fields)


def records_at(case, address):
    return [entry for entry in case.all_records() if entry["address"] in address.addresses]


def never_dialled(case):
    expect(not case.lab.evil.opened(case.row.forged[0].addresses), "the original destination was contacted")


def refused_before_greeting(code, reason=None):
    def run(case):
        dialled = (case.row.forged or case.row.hosts)[0].v4
        client = Smtp(case.client.node, dialled)
        got, lines = client.reply()
        client.close()
        expect(got == 421 and code in lines[0], f"greeting {lines}")
        events = case.proxy.wait_event("delivery", timeout=10, original_dst=f"{dialled}:25")
        expect(events[-1]["result"] in ("refused", "failed") and "domain" not in events[-1], f"{events[-1]}")
        expect(events[-1]["mx"] == case.row.hosts[0].name, f"{events[-1]}")
        expect(reason is None or events[-1]["reason"] == reason, f"{events[-1]}")
        secret = [command for entry in case.all_records() for command in entry["commands"] if "MAIL" in command]
        expect(not secret, f"{secret}")
    return run


def auth_passes(offered):
    def run(case):
        client = Smtp(case.client.node, case.row.hosts[0].v4)
        lines = client.hello()
        words = {line[4:].split()[0] for line in lines[1:]}
        expect(("AUTH" in words) == offered, f"offered {words}")
        expect(not words & {"STARTTLS", "CHUNKING"}, f"offered {words}")
        code, lines = client.say("AUTH PLAIN AGEAYg==")
        expect(offered or code == 502, f"AUTH: {lines}")
        client.say("QUIT")
        client.close()
        secret = case.all_records()
        secret = [entry for entry in secret if any("AGEAYg==" in command for command in entry["commands"])]
        expect(bool(secret) == offered and all(entry["tls"] for entry in secret), "where the credentials went")
        expect("AGEAYg" not in case.proxy.tail(10000), "credentials in the log")
    return run


def login(client, user, password):
    """The dialogue of a device. Returns the last reply."""
    code, lines = client.say("AUTH LOGIN")
    expect((code, lines) == (334, ["334 VXNlcm5hbWU6"]), f"AUTH LOGIN: {lines}")
    code, lines = client.say(base64.b64encode(user.encode()).decode())
    expect((code, lines) == (334, ["334 UGFzc3dvcmQ6"]), f"the user: {lines}")
    return client.say(base64.b64encode(password.encode()).decode())


def device(case, to, password="paper-tray-2"):
    """A scanner: plain SMTP to port 25, AUTH LOGIN, one message."""
    client = Smtp(case.client.node, to)
    lines = client.hello("scanner.office.example")
    expect(any(line[4:].startswith("AUTH ") and "LOGIN" in line for line in lines), f"offered {lines}")
    code, lines = login(client, "scanner", password)
    if password != "paper-tray-2":
        expect(code == 535, f"a wrong password: {lines}")
        code, lines = login(client, "scanner", "paper-tray-2")
    expect(code == 235, f"AUTH: {lines}")
    expect([reply[0] for reply in client.envelope("scanner@office.example", case.address())] == [250], "RCPT")
    code, lines = client.data(case.message(b"a page\n").replace(b"\n", b"\r\n"))
    expect(code == 250, f"end of data: {lines}")
    client.say("QUIT")
    client.close()
    expect(SECRET not in case.proxy.tail(100000), "credentials in the log")


def scanner_scripted(case):
    device(case, case.row.forged[0].v4, "wrong")
    entry = records_at(case, case.row.hosts[0])[-1]
    expect(entry["tls"].startswith("TLSv1.2"), f"{entry['tls']}")
    expect("tls EHLO scanner.office.example" in entry["commands"] and f"tls {SECRET}" in entry["commands"],
           f"{entry['commands']}")
    expect([m["accepted"] for m in entry["messages"]] == [True], "the message")
    case.expect_event({"result": "verified", "outcome": "accepted", "mx": case.row.hosts[0].name, "rerouted": True,
                       "policy": "verify", "rcpts": 1})
    never_dialled(case)


def scanner_to_exim(case):
    device(case, case.row.forged[0].v4)
    mailbox.wait_delivered(case.lab.servers["mx2"], case.address())
    case.expect_event({"result": "verified", "outcome": "accepted", "tls": re.compile(r"^TLSv1\.2 "),
                       "peer": re.compile(":(587|465)$")})
    with open(f"{case.lab.servers['mx2'].var}/log/exim4/mainlog", encoding="utf-8", errors="replace") as file:
        mine = [line for line in file if case.domain in line or "scanner@office.example" in line]
    expect(any("A=login:scanner" in line and "TLS1.2" in line for line in mine), f"{mine}")
    never_dialled(case)


def transactions(case):
    """Several on one connection, RSET in between, one of them refused by the relay."""
    client = Smtp(case.client.node, case.row.forged[0].v4)
    client.hello()
    for turn in range(3):
        code, lines = client.envelope("s@sender.lab", case.address(f"r{turn}"), f"r{turn}@second.example")[0]
        expect(code == 250, f"RCPT: {lines}")
        if turn == 1:
            expect(client.say("RSET")[0] == 250, "RSET")
            continue
        expect(client.data(f"Subject: {turn}\r\n\r\n..dot\r\n".encode())[0] == 250, "end of data")
    client.say("QUIT")
    client.close()
    entry = records_at(case, case.row.hosts[0])[-1]
    expect([m["recipients"][0] for m in entry["messages"]] == [case.address("r0"), case.address("r2")], "the messages")
    expect(len(records_at(case, case.row.hosts[0])) == 1, "one connection to the relay")
    events = case.proxy.wait_event("delivery", count=3, domain=case.domain)
    expect([event["outcome"] for event in events] == ["accepted", "abandoned", "accepted"], f"{events}")
    expect(len(case.proxy.events("delivery", domain="second.example")) >= 3, "an event for each next-hop domain")
    never_dialled(case)


def nobody_knows(case):
    """Whether the destination is the name's cannot be looked up: neither the relay's nor anybody else's mail."""
    client = Smtp(case.client.node, case.row.forged[0].v4)
    code, lines = client.reply()
    client.close()
    expect(code == 421 and "4.4.3" in lines[0] and "smtp.isp.signed.lab" in lines[0], f"greeting {lines}")
    events = case.proxy.wait_event("delivery", timeout=10, original_dst=f"{case.row.forged[0].v4}:25")
    expect(events[-1]["reason"] == "dns-failure" and "domain" not in events[-1], f"{events[-1]}")
    expect(not case.contacts(), "somebody was contacted")


VERIFIED = {"result": "verified", "outcome": "accepted", "rerouted": True}
LARGE = b"Subject: large\n\n" + b"0123456789 abcdefghijklmnopqrstuvwxyz\n.dots\n" * 200000

ROWS = [
    relay("relay-dane", {"cert": "peer"}, ("3 1 1",), event={"result": "verified", "tlsa": "3 1 1", "policy": "dane"}),
    relay("relay-verify", {"cert": "peer"}, (), level="verify", event={"result": "verified", "policy": "verify"}),
    relay("relay-encrypt", {"cert": "evil"}, (), level="encrypt", event={"result": "encrypted", "policy": "encrypt"}),
    relay("relay-none", {"cert": "evil"}, ("3 1 1 peer",), level="none", plaintext=True, event={"result": "plaintext"}),
    relay("relay-auth", {"cert": "peer"}, ("3 1 1",), status=None, run=auth_passes(True)),
    relay("relay-auth-unverified", {"cert": "evil"}, (), level="encrypt", status=None, run=auth_passes(False)),
    relay("relay-stripped", {"extensions": ["AUTH PLAIN"]}, ("3 1 1 peer",), status=None,
          run=refused_before_greeting("4.7.5", "no-starttls")),
    relay("relay-injected", {"cert": "peer", "inject": "250 2.0.0 more\r\n"}, ("3 1 1",), status=None,
          run=refused_before_greeting("4.7.5", "starttls-rejected")),
    relay("relay-wrong-certificate", {"cert": "evil"}, ("3 1 1 peer",), status=None,
          run=refused_before_greeting("4.7.5", "tlsa-mismatch")),
    relay("relay-wrong-name", {"cert": "nameless"}, (), level="verify", status=None,
          run=refused_before_greeting("4.7.5", "cert-name")),
    relay("relay-expired", {"cert": "expired"}, (), level="verify", status=None,
          run=refused_before_greeting("4.7.5", "cert-expired")),
    relay("relay-untrusted", {"cert": "evil"}, (), level="verify", status=None,
          run=refused_before_greeting("4.7.5", "cert-untrusted")),
    relay("relay-without-tlsa", {"cert": "peer"}, (), level="dane-only", status=None,
          run=refused_before_greeting("4.7.5", "no-usable-tlsa")),
    relay("relay-greeting", {"greeting": "421 4.3.2 full"}, ("3 1 1",), status=None,
          run=refused_before_greeting("4.3.2")),
    Row("relay-unreachable", [Host("nobody", ("3 1 1",))], forged=[Host("evil")], relay={**RELAY, **ELSEWHERE}, status=None,
        check=never_dialled, run=refused_before_greeting("4.4.1", "peer-unreachable")),
    Row("relay-dns-bogus", [Host("evil", ("3 1 1",), zone="badtlsa", script={"cert": "peer"})], relay=RELAY,
        status=None, run=refused_before_greeting("4.4.3", "dns-bogus")),
    # the relay is another machine than the one that the client dials
    elsewhere("relay-elsewhere", {"cert": "peer"}, ("3 1 1",), event=VERIFIED, check=never_dialled),
    elsewhere("relay-submission", {"cert": "peer"}, (), settings={"port": 587}, check=never_dialled,
              records=[("_587._tcp.{host0}", "TLSA", "{tlsa_peer_311}")],
              event={**VERIFIED, "tlsa": "3 1 1", "peer": re.compile(":587$")}),
    elsewhere("relay-implicit", {"cert": "peer"}, (), level="verify", settings={"port": 465, "tls": "implicit"},
              event={**VERIFIED, "peer": re.compile(":465$")}, check=never_dialled),
    relay("relay-implicit-plaintext", {"handshake": "garbage"}, (), level="verify",
          settings={"port": 465, "tls": "implicit"}, status=None, run=refused_before_greeting("4.7.5", "tls-handshake")),
    elsewhere("relay-name", {"cert": "peer"}, ("3 1 1",), settings={"destination": ["name:clouds.{dname}:25"]},
              records=[("clouds.{forged0}", "CNAME", "pool.{forged0}."),
                       ("pool.{forged0}", "A", "{forged0_v4}"),
                       ("pool.{forged0}", "AAAA", "{forged0_v6}")],
              event=VERIFIED, check=never_dialled),
    elsewhere("relay-name-unknown", {"cert": "peer"}, settings={"destination": ["name:smtp.isp.signed.lab:25"], "level": "none"},
              profile="relay-no-dns", status=None, run=nobody_knows),
    elsewhere("relay-any", {"cert": "peer"}, ("3 1 1",), settings={"destination": ["any:25"]}, profile="relay-any",
              event=VERIFIED, check=never_dialled),
    Row("relay-large", [Host("mx2")], forged=[Host("evil")], relay={**RELAY, **ELSEWHERE, "level": "verify"}, message=LARGE,
        event=VERIFIED, check=never_dialled),
    elsewhere("relay-lost", {"cert": "peer", "drop": "content:100000"}, ("3 1 1",), message=LARGE, status="deferred",
              event={"result": "failed", "outcome": "deferred", "rcpts": 1}, check=never_dialled),
    elsewhere("relay-transactions", {"cert": "peer"}, ("3 1 1",), status=None, run=transactions),
    # the scanner and the cloud: AUTH in plain SMTP on port 25, and a server that wants TLS 1.2
    elsewhere("relay-scanner", {"cert": "peer", "auth": "scanner:paper-tray-2", "max_tls": "1.2"}, (), level="verify",
              settings={"port": 587}, status=None, run=scanner_scripted),
    Row("relay-scanner-exim", [Host("mx2")], forged=[Host("evil")], status=None, run=scanner_to_exim,
        relay={**RELAY, **ELSEWHERE, "port": 587, "level": "verify"}),
    # a destination that matches no MX host and offers AUTH looks like a smarthost: the reply names the remedy
    Row("smarthost-forgotten", [Host("mx1", ("3 1 1",))], forged=[Host("evil", script={"extensions": [*OFFERS, "AUTH PLAIN"],
        "tls_extensions": INSIDE, "cert": "peer"})], status="deferred", reply=r"451 4\.7\.4 .*relay",
        event={"reason": re.compile("mx-mismatch|policy")}),
]
