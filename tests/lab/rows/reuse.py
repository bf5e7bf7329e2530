# SPDX-License-Identifier: GPL-2.0-or-later
"""Channels kept open between a client's sessions, and TLS sessions resumed (security.md rules 3 and 17). A client here is one
that opens a connection for each message."""

import json
import os
import struct
import subprocess
import time

from lib.node import wait_for, write
from lib.proxy import merged
from lib.smtp import Smtp
from lib.table import Host, Row, expect

PEER = ("3 1 1",)


def deliver(case, name="client.example", label=None, local="rcpt"):
    """One message in one client session. Returns its event."""
    domain = case.row.domain_of(label) if label else case.domain
    before = len(case.proxy.events("delivery", domain=domain))
    client = Smtp(case.client.node, case.row.hosts[0].v4)
    client.hello(name)
    for code, lines in client.envelope("sender@client.example", case.address(local, label)):
        expect(code == 250, f"RCPT: {lines}")
    code, lines = client.data(b"Subject: reuse\r\n\r\nhello\r\n")
    expect(code == 250, f"end of data: {lines}")
    expect(client.say("QUIT")[0] == 221, "QUIT")
    client.close()
    return case.proxy.wait_event("delivery", count=before + 1, timeout=10, domain=domain)[-1]


def opened(case):
    return case.lab.evil.opened(case.row.hosts[0].addresses)


def says(event, **fields):
    fields = {"result": "verified", "outcome": "accepted", **fields}
    expect(all(event.get(key) == value for key, value in fields.items()), f"{event} instead of {fields}")


def status(case):
    done = case.proxy.command("status", "--json", "-c", case.proxy.config)
    expect(done.returncode == 0, f"status: {done}")
    return json.loads(done.stdout)["pool"]


def pooled(case):
    """The second session needs no second connection; in the end the peer hears QUIT."""
    says(deliver(case), reused=False)
    says(deliver(case), reused=True)
    says(deliver(case, label="b"), reused=True)  # another domain of the host: matched anew
    expect(opened(case) == 1, f"{opened(case)} connections")
    expect(status(case)["hits"] >= 2, f"{status(case)}")
    wait_for("the end of the channel", lambda: len(case.records()) == 1, 20, 0.1)
    entry = case.records()[0]
    expect(len(entry["messages"]) == 3 and all(message["tls"] for message in entry["messages"]), f"{entry['messages']}")
    expect(entry["end"] == "quit", f"{entry['end']}")
    expect(sum(command.startswith("tls EHLO") for command in entry["commands"]) == 1, f"{entry['commands']}")


def clock_set(case):
    """security.md rule 8: what was validated by the wall clock does not outlive a step of it, and the next message is as
    good as the first."""
    proxy, node = case.proxy, case.client.node
    clock, shim = f"{node.dir}/wall_clock", f"{node.dir}/wall_clock.so"
    write(clock, "\0" * 8)
    source = f"{os.path.dirname(os.path.dirname(os.path.abspath(__file__)))}/lib/wall_clock.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", shim, source], check=True)
    options = "detect_leaks=1:abort_on_error=0:exitcode=99:verify_asan_link_order=0"

    def kept():
        told = json.loads(proxy.command("status", "--json", "-c", proxy.config).stdout)
        return told["cache"]["entries"], told["pool"]["idle"]
    proxy.stop()
    proxy.write_config(merged(proxy.settings, {"pool": {"idle_timeout": "5m"}}))
    try:
        proxy.start("env", f"LD_PRELOAD={shim}", f"WALL_CLOCK={clock}", f"ASAN_OPTIONS={options}")
        says(deliver(case), reused=False, resumed=False)
        expect(all(kept()), f"cache, pool: {kept()}")
        warnings = len(proxy.events("warning"))
        with open(clock, "r+b") as file:
            file.write(struct.pack("=q", 3600))
        said = proxy.wait_event("warning", count=warnings + 1, timeout=20)[-1]
        expect("the wall clock was set" in said["text"], f"{said}")
        wait_for("an empty pool and cache", lambda: kept() == (0, 0), 10)
        says(deliver(case), reused=False, resumed=False)
        expect(proxy.stop() == 0, "exit status")
    finally:
        proxy.stop()
        proxy.write_config(proxy.settings)
        proxy.start()


def other_name(case):
    """Rule 17: a channel that was greeted with one name serves no other."""
    says(deliver(case, "one.example"), reused=False)
    says(deliver(case, "two.example"), reused=False)
    says(deliver(case, "one.example"), reused=True)
    expect(opened(case) == 2, f"{opened(case)} connections")


def other_client(case):
    """Rule 17: nor another client, here one of the other family at the same host."""
    says(deliver(case), reused=False)
    client = Smtp(case.client.node, case.row.hosts[0].v6, timeout=20)
    client.hello()
    client.envelope("sender@client.example", case.address())
    expect(client.data(b"\r\nhello\r\n")[0] == 250, "end of data")
    client.say("QUIT")
    client.close()
    expect(opened(case) == 2, f"{opened(case)} connections")


def closes(case):
    """The peer closes the idle channel: noticed, and not used again."""
    says(deliver(case), reused=False)
    wait_for("the peer's end", lambda: len(case.records()) == 1, 10, 0.05)
    says(deliver(case), reused=False)
    expect(opened(case) == 2, f"{opened(case)} connections")


def dead(case):
    """It ends at the first command of the next session, which does not notice."""
    says(deliver(case), reused=False)
    says(deliver(case), reused=False)
    expect(opened(case) == 2, f"{opened(case)} connections")


def vanished(case):
    """Neither the peer nor the network says that the connection is no more, as when a NAT has forgotten it: 15 s without TCP's
    acknowledgement, not timeouts.command, and another one serves."""
    says(deliver(case), reused=False)
    node, address = case.lab.evil.node, case.row.hosts[0].v4
    [connection] = node.run("ss", "-Htn", "state", "established", "src", f"{address}:25").splitlines()
    port = connection.rsplit(":", 1)[1].strip()
    rules = [("INPUT", "-p", "tcp", "-d", address, "--sport", port, "-j", "DROP"),
             ("OUTPUT", "-p", "tcp", "-s", address, "--dport", port, "-j", "DROP")]
    for rule in rules:
        node.run("iptables", "-I", *rule)
    try:
        event = deliver(case)
        says(event, reused=False)
        expect(event["ms"] >= 14000, f"after {event['ms']} ms: the row proves nothing")
        expect(opened(case) == 2, f"{opened(case)} connections")
    finally:
        for rule in rules:
            node.run("iptables", "-D", *rule)


def reloaded(case):
    """HUP empties the pool and forgets TLS sessions, under the same configuration too."""
    says(deliver(case), reused=False, resumed=False)
    case.proxy.reload()
    wait_for("QUIT", lambda: len(case.records()) == 1, 5, 0.05)
    says(deliver(case), reused=False, resumed=False)
    says(deliver(case), reused=True)
    expect(opened(case) == 2, f"{opened(case)} connections")


def brief(case):
    """max_deliveries 2, idle_timeout 3 s."""
    for reused in (False, True, False):
        says(deliver(case), reused=reused)
    expect(opened(case) == 2, f"{opened(case)} connections")
    wait_for("the idle channel's end", lambda: len(case.records()) == 2, 20, 0.05)
    expect(all(entry["end"] == "quit" for entry in case.records()), f"{[entry['end'] for entry in case.records()]}")
    says(deliver(case), reused=False)


def workers(case):
    """Whichever worker accepts a connection: it goes to the one that has the channel."""
    events = [deliver(case) for _ in range(12)]
    expect([event["reused"] for event in events] == [False] + 11 * [True], f"{[event['reused'] for event in events]}")
    expect(opened(case) == 1, f"{opened(case)} connections")


def resumed(case):
    """Two connections, one full handshake; the chain of it is matched for the second, too."""
    says(deliver(case), resumed=False, reused=False)
    wait_for("the peer's record", lambda: len(case.records()) == 1, 10, 0.05)
    says(deliver(case), resumed=True, reused=False, tlsa="3 1 1")
    wait_for("the peer's record", lambda: len(case.records()) == 2, 10, 0.05)
    expect([entry["resumed"] for entry in case.records()] == [False, True], f"{[e['resumed'] for e in case.records()]}")
    says(deliver(case), resumed=True)


def new_certificate(case):
    """The peer has another certificate, in the records too: it cannot resume, and shows it."""
    says(deliver(case), resumed=False)
    case.lab.evil.set(case.row.hosts[0].addresses, case.lab.script({"cert": "evil"}))
    says(deliver(case), resumed=False)
    case.lab.evil.set(case.row.hosts[0].addresses, case.lab.script({"cert": "mx1"}))  # not in the records
    client = Smtp(case.client.node, case.row.hosts[0].v4, timeout=20)
    client.hello()
    [(code, lines)] = client.envelope("sender@client.example", case.address())
    expect(code == 451 and "4.7.5" in lines[0], f"{lines}")
    client.close()


def never_resumed(case):
    for _ in range(2):
        says(deliver(case), resumed=False)
        time.sleep(0.1)


def row(name, run, script=None, tlsa=PEER, **fields):
    host = Host("evil", tlsa, script={"cert": "peer", **(script or {})}, families=fields.pop("families", "46"))
    return Row(name, [host], run=run, status=None, profile=fields.pop("profile", "pool"), **fields)


SHARED = Host("evil", PEER, script={"cert": "peer"})

ROWS = [
    Row("pool-hit", [SHARED], run=pooled, status=None, profile="pool", more={"b": [SHARED]}),
    row("pool-rule-17-other-name", other_name),
    row("pool-rule-17-other-client", other_client),
    row("pool-peer-closes", closes, {"idle": 0.5}),
    row("pool-dead-at-mail", dead, {"replies": {"MAIL": ["250 2.1.0 ok", "421 4.4.2 too late"]}}),
    row("pool-peer-vanished", vanished, {"idle": 10}, families="4"),
    row("pool-reload", reloaded, profile="pool-reload", alone=True),
    row("rule-8-clock-set", clock_set, profile="pool-reload", alone=True),
    row("pool-brief", brief, profile="pool-brief"),
    row("pool-workers", workers, profile="pool-workers2"),
    row("resumed-tls13", resumed, profile="default"),
    row("resumed-tls12", resumed, {"max_tls": "1.2"}, profile="default"),
    row("resumed-rule-3-new-certificate", new_certificate, tlsa=("3 1 1 peer", "3 1 1 evil"), profile="default"),
    row("resumption-off", never_resumed, profile="no-resumption"),
]
