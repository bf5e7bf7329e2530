# SPDX-License-Identifier: GPL-2.0-or-later
"""`[[relay]]`: an administrator's next hop. No MX lookup; TLS before the client is greeted; AUTH only when verified."""

import re

from lib.smtp import Smtp
from lib.table import Host, Row, expect

OFFERS = ["PIPELINING", "8BITMIME", "SIZE 0", "STARTTLS"]
INSIDE = ["PIPELINING", "8BITMIME", "SIZE 0", "AUTH PLAIN LOGIN", "CHUNKING"]
RELAY = {"destination": ["{v4}:25", "[{v6}]:25"], "host": "{name}", "port": 25, "tls": "starttls", "level": "dane"}


def relay(name, script, tlsa, level="dane", **fields):
    host = Host("evil", tlsa, script={"extensions": OFFERS, "tls_extensions": INSIDE, **script})
    return Row(name, [host], relay={**RELAY, "level": level}, later=True, **fields)


def refused_before_greeting(code):
    def run(case):
        client = Smtp(case.client.node, case.row.hosts[0].v4)
        got, lines = client.reply()
        client.close()
        expect(got == 421 and code in lines[0], f"greeting {lines}")
        events = case.proxy.wait_event("delivery", timeout=10, original_dst=f"{case.row.hosts[0].v4}:25")
        expect(events[-1]["result"] in ("refused", "failed") and "domain" not in events[-1], f"{events[-1]}")
    return run


def auth_passes(offered):
    def run(case):
        client = Smtp(case.client.node, case.row.hosts[0].v4)
        lines = client.hello()
        words = {line[4:].split()[0] for line in lines[1:]}
        expect(("AUTH" in words) == offered, f"offered {words}")
        expect(not words & {"STARTTLS", "CHUNKING"}, f"offered {words}")
        if offered:
            client.say("AUTH PLAIN AGEAYg==")
        client.say("QUIT")
        client.close()
        secret = [entry for entry in case.records() if any("AGEAYg==" in command for command in entry["commands"])]
        expect(bool(secret) == offered and all(entry["tls"] for entry in secret), "where the credentials went")
        expect("AGEAYg" not in case.proxy.tail(10000), "credentials in the log")
    return run


ROWS = [
    relay("relay-dane", {"cert": "peer"}, ("3 1 1",), event=None),
    relay("relay-verify", {"cert": "peer"}, (), level="verify", event=None),
    relay("relay-auth", {"cert": "peer"}, ("3 1 1",), status=None, run=auth_passes(True)),
    relay("relay-auth-unverified", {"cert": "evil"}, (), level="encrypt", status=None, run=auth_passes(False)),
    relay("relay-stripped", {"extensions": ["AUTH PLAIN"]}, ("3 1 1 peer",), status=None, run=refused_before_greeting("4.7.5")),
    relay("relay-wrong-certificate", {"cert": "evil"}, ("3 1 1 peer",), status=None, run=refused_before_greeting("4.7.5")),
    relay("relay-greeting", {"greeting": "421 4.3.2 full"}, ("3 1 1",), status=None,
          run=refused_before_greeting("4.")),
    Row("relay-unreachable", [Host("nobody", ("3 1 1",))], relay={**RELAY, "destination": ["{v4}:25"]}, later=True,
        status=None, run=refused_before_greeting("4.4.1")),
    # a destination that matches no MX host and offers AUTH looks like a smarthost: the reply names the remedy
    Row("smarthost-forgotten", [Host("mx1", ("3 1 1",))], forged=[Host("evil", script={"extensions": [*OFFERS, "AUTH PLAIN"],
        "tls_extensions": INSIDE, "cert": "peer"})], status="deferred", reply=r"451 4\.7\.4 .*relay",
        event={"reason": re.compile("mx-mismatch|policy")}),
]
