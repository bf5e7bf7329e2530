# SPDX-License-Identifier: GPL-2.0-or-later
"""The daemon's life: killed, stopped, reloaded, absent. Each of these has the profile to itself while it runs."""

import json
import os
import re
import shutil
import signal
import subprocess
import threading
import time

from lib import mailbox
from lib.node import wait_for, write
from lib.proxy import merged
from lib.smtp import Smtp
from lib.table import Host, Row, expect

PEER = ("3 1 1",)
MIB = 1 << 20


def big(case, size):
    text = os.urandom(size * 3 // 8).hex()
    return case.message("".join(text[at:at + 72] + "\n" for at in range(0, len(text), 72)).encode())


def slow_peer(case, seconds, **script):
    case.lab.evil.set(case.row.hosts[0].addresses, case.lab.script({"cert": "peer", "slow": seconds, **script}))


def in_transfer(case):
    """True once content flows; the evil MX records a connection only at its end, so the proxy's own sockets tell."""
    return case.lab.evil.unfinished(case.row.hosts[0].addresses) > 0


def only_once(case, recipient, message):
    complete = [m for m in case.evil_messages(recipient) if m["complete"]]
    expect(len(complete) == 1, f"{len(complete)} complete messages at the peer")
    expect(complete[0]["tls"], "outside TLS")
    wanted = mailbox.body(message).replace(b"\n", b"\r\n")
    expect(complete[0]["content"].endswith(wanted[-1000:]), "content changed on the way")


def killed_in_transfer(case):
    """SIGKILL in the middle of a message: the MTA requeues, nothing leaves meanwhile, after the restart it arrives once."""
    recipient = case.address()
    slow_peer(case, 0.03, window=65536)
    message = big(case, 10 * MIB)  # more than the kernel hands over for the dead
    case.mta.sendmail(case.sender, [recipient], message)
    wait_for("the transfer begins", lambda: in_transfer(case), 30)
    time.sleep(1.0)
    case.proxy.kill()
    first = case.mta.wait_attempt(recipient)
    case.expect_attempt(first, "deferred", "lost connection|timed out|[Rr]efused|unreachable")
    wait_for("the peer sees the end", lambda: not in_transfer(case), 30)
    expect(not case.evil_messages(recipient), "the peer took a part for the whole")
    # with the proxy down and the rules in place: nothing leaves
    contacts = case.contacts()
    case.mta.retry(first["id"])
    second = case.mta.wait_attempt(recipient, 2)
    case.expect_attempt(second, "deferred")
    expect(case.contacts() == contacts, "the peer was contacted without the proxy")
    slow_peer(case, 0)
    case.proxy.start()
    case.mta.retry(first["id"])
    case.expect_attempt(case.mta.wait_attempt(recipient, 3), "sent")
    wait_for("the message at the peer", lambda: case.evil_messages(recipient), 20)
    only_once(case, recipient, message)


def proxy_down(case):
    """No proxy, rules in place: every connection to port 25 fails, of any user, in both families, and reaches nobody."""
    case.proxy.kill()
    host = case.row.hosts[0]
    try:
        case.mta.sendmail(case.sender, [case.address()], case.message())
        attempt = case.mta.wait_attempt(case.address())
        case.expect_attempt(attempt, "deferred", "refused|unreachable|timed out|lost connection")
        for address in host.addresses:
            try:
                client = Smtp(case.client.node, address, timeout=5)
                code, lines = client.reply()
                client.close()
                raise AssertionError(f"something answered at {address}: {code} {lines}")
            except OSError:
                pass
        expect(not case.contacts(), "the peer was contacted")
    finally:
        case.proxy.start()
    case.mta.retry(attempt["id"])
    case.expect_attempt(case.mta.wait_attempt(case.address(), 2), "sent")


def drained(case):
    """TERM in the middle of a message: it is finished and acknowledged, then the daemon ends with 0."""
    recipient = case.address()
    slow_peer(case, 0.02)
    message = big(case, 4 * MIB)
    case.mta.sendmail(case.sender, [recipient], message)
    wait_for("the transfer begins", lambda: in_transfer(case), 30)
    time.sleep(0.5)
    status = []
    stopper = threading.Thread(target=lambda: status.append(case.proxy.stop(60)))
    stopper.start()
    try:
        attempt = case.mta.wait_attempt(recipient)
        case.expect_attempt(attempt, "sent")
        stopper.join()
        expect(status == [0], f"danegate ended with {status}")
        wait_for("the scripted MX's record", lambda: not in_transfer(case), 10)  # written when the connection ends
        only_once(case, recipient, message)
        case.expect_event({"outcome": "accepted", "result": "verified"})
    finally:
        stopper.join()
        case.proxy.start()


def signalled_at_start(case):
    """TERM and INT while it is still starting are a stop like any other, and HUP does not end it (contract.md section 1)."""
    proxy = case.proxy
    proxy.stop()
    try:
        for signals in (["TERM"], ["INT"], ["HUP", "TERM"]):
            words = case.client.node.enter(proxy.program, "run", "-c", proxy.config)
            with subprocess.Popen(words, stderr=subprocess.PIPE) as process:
                first = json.loads(process.stderr.readline())
                for name in signals:
                    process.send_signal(getattr(signal, f"SIG{name}"))
                rest = [json.loads(line) for line in process.stderr]
            said = [event["event"] for event in rest if event["event"] in ("ready", "stop")]
            expect(first["event"] == "start", f"{first}")
            expect(process.returncode == 0 and said == ["ready", "stop", "stop"], f"{signals}: {process.returncode}, {rest}")
    finally:
        proxy.start()


def files_at_start(case):
    """What is missing is said at the start, not by mail that defers: the trust anchor is for the resolver's user to read, and
    tls.ca_file, when the file names one, has to be there. Root reads that one, so nobody else needs to."""
    proxy, node = case.proxy, case.client.node
    closed = f"{node.dir}/closed"
    os.makedirs(closed, 0o700, exist_ok=True)
    for name in (proxy.settings["dns"]["trust_anchor"], proxy.settings["tls"]["ca_file"]):
        shutil.copy(name, closed)
    anchor = f"{closed}/{os.path.basename(proxy.settings['dns']['trust_anchor'])}"
    ca_file = f"{closed}/{os.path.basename(proxy.settings['tls']['ca_file'])}"
    proxy.stop()
    try:
        for changed, complaint in (({"dns": {"trust_anchor": anchor}}, "the trust anchor .*Permission denied"),
                                   ({"tls": {"ca_file": "/nonexistent/ca"}}, "cannot read /nonexistent/ca: No such file")):
            proxy.write_config(merged(proxy.settings, changed))
            done = proxy.command("run", "-c", proxy.config)
            last = json.loads(done.stderr.splitlines()[-1])
            expect(done.returncode == 1 and last["event"] == "error" and re.match(complaint, last["text"]), f"{done}")
        errors = len(proxy.events("error"))
        deaf = {"mode": "auto", "servers": ["127.0.0.1:1"], "root_hints": "/nonexistent/hints"}
        proxy.write_config(merged(proxy.settings, {"dns": deaf}))
        proxy.start()
        proxy.wait_event("error", count=errors + 1)
        expect(proxy.stop() == 0 and not proxy.events("not-json"), f"{proxy.tail(5)}")  # libunbound says nothing of its own
        proxy.write_config(merged(proxy.settings, {"tls": {"ca_file": ca_file}}))
        warnings = len(proxy.events("warning"))
        proxy.start()
        expect(len(proxy.events("warning")) == warnings, f"{proxy.events('warning')[warnings:]}")
        expect(proxy.stop() == 0, "exit status")
    finally:
        proxy.stop()
        proxy.write_config(proxy.settings)
        proxy.start()


def terminated_twice(case):
    """The second TERM ends it at once: a message half said is not waited for, and its peer sees no end of data."""
    proxy = case.proxy
    client = Smtp(case.client.node, case.row.hosts[0].v4)
    client.hello()
    client.envelope(case.sender, case.address())
    expect(client.say("DATA")[0] == 354, "DATA")
    client.send(b"Subject: half\r\n\r\nhalf of it")
    drains = len(proxy.events("stop", state="draining"))
    proxy.process.send_signal(signal.SIGTERM)
    try:
        proxy.wait_event("stop", state="draining", count=drains + 1)
        expect(proxy.running(), "it did not wait for the message at the first TERM")
        expect(proxy.stop(10) == 0, "exit status")  # limits.drain_s is 30
        expect(case.all_records(), "the peer was not dialled")
        expect(not case.evil_messages(case.address()), "the peer took half a message")
    finally:
        client.close()
        proxy.start()


def reloaded(case):
    """HUP: a bad configuration is refused and the old one stays; a good one takes effect; sessions are not dropped."""
    proxy = case.proxy
    open_session = Smtp(case.client.node, case.row.hosts[0].v4)
    open_session.hello()
    before = len(proxy.events())
    write(proxy.config, "this is = not = toml\n")
    os.kill(proxy.process.pid, 1)
    said = wait_for("a word on the bad configuration",
                    lambda: [e for e in proxy.events()[before:] if e["event"] in ("reload", "error", "warning")], 20)
    expect(proxy.running(), "the daemon ended")
    expect(any(e["level"] in ("error", "warning") for e in said), f"{said}")
    case.mta.sendmail(case.sender, [case.address("old")], case.message())
    case.expect_attempt(case.mta.wait_attempt(case.address("old")), "sent")
    # now a policy that this domain (without TLSA) cannot meet
    settings = {**proxy.settings, "policy.domain": [{"domain": case.domain, "level": "dane-only"}]}
    proxy.write_config(settings)
    try:
        proxy.reload()
        case.mta.sendmail(case.sender, [case.address("new")], case.message())
        attempt = case.mta.wait_attempt(case.address("new"))
        case.expect_attempt(attempt, "deferred", r"451 4\.7\.4 .*danegate")
        case.mta.delete(attempt["id"])
        code, lines = open_session.say("NOOP")
        expect(code == 250, f"the session in flight was dropped: {lines}")
        open_session.say("QUIT")
    finally:
        proxy.write_config(proxy.settings)
        proxy.reload()
        open_session.close()
    case.mta.sendmail(case.sender, [case.address("again")], case.message())
    case.expect_attempt(case.mta.wait_attempt(case.address("again")), "sent")


def rules_checked(case):
    """`rules check` finds them in force; applying twice changes nothing; remove takes away what was installed."""
    proxy = case.proxy
    proxy.rules("check")
    proxy.rules("apply")
    proxy.rules("check")
    proxy.rules("remove")
    try:
        done = proxy.command("rules", "check", "-c", proxy.config)
        expect(done.returncode == 1, f"rules check without rules: exit {done.returncode}: {done.stdout}{done.stderr}")
        left = "".join(case.client.node.run(tool) for tool in ("iptables-save", "ip6tables-save"))
        expect("danegate" not in left.lower(), f"left behind:\n{left}")
    finally:
        proxy.rules("apply")
    proxy.rules("check")


def sandboxed(case):
    """security.md rule 16: no process of the daemon is root, has a capability (redirect mode) or can gain one, before and
    after a reload; the daemon and its resolver process are behind a system call filter, every thread of theirs. The
    supervisor between, which only starts the resolver process anew, has none."""
    def state(pid, task):
        with open(f"/proc/{pid}/task/{task}/status", encoding="ascii") as file:
            return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)

    for _ in range(2):
        pids = case.proxy.settled_family()
        for pid in pids:
            filtered = pid != pids[1]
            for task in os.listdir(f"/proc/{pid}/task"):
                found = state(pid, task)
                for key in ("CapEff", "CapPrm", "CapInh", "CapAmb"):
                    expect(int(found[key], 16) == 0, f"{pid}: {key} {found[key]}")
                expect("0" not in found["Uid"].split(), f"{pid}: Uid {found['Uid']}")
                expect(found["NoNewPrivs"] == "1", f"{pid}: NoNewPrivs {found['NoNewPrivs']}")
                expect(found["Seccomp"] == ("2" if filtered else "0"), f"{pid}/{task}: Seccomp {found['Seccomp']}")
        case.proxy.reload()


def squatter(case):
    """While the proxy is down another user binds its port: it must not get the MTA's mail (security.md rule 11)."""
    case.proxy.kill()
    thief = ("import socket\ns=socket.create_server(('127.0.0.1',10025))\ns.settimeout(20)\nprint('up',flush=True)\n"
             "c,_=s.accept()\nprint('CAUGHT',flush=True)\nc.sendall(b'220 thief\\r\\n')\nprint(c.recv(100),flush=True)")
    log = f"{case.client.node.dir}/squatter.log"
    case.client.node.start("squatter", "setpriv", "--reuid=6105", "--regid=6105", "--clear-groups", "/usr/bin/python3", "-c",
                           thief, log=log)
    try:
        wait_for("the squatter listens", lambda: "up" in open(log, encoding="utf-8").read())
        case.mta.sendmail(case.sender, [case.address()], case.message())
        attempt = case.mta.wait_attempt(case.address(), timeout=120)
        case.expect_attempt(attempt, "deferred")
        with open(log, encoding="utf-8") as file:
            said = file.read()
        expect("EHLO" not in said and "MAIL" not in said, f"the squatter got {said}")
        case.mta.delete(attempt["id"])
    finally:
        case.client.node.stop("squatter")
        case.proxy.start()


def status_and_resolve(case):
    """The tools beside the daemon, in the client's own place."""
    proxy = case.proxy
    status = proxy.command("status", "--json", "-c", proxy.config)
    expect(status.returncode == 0, f"status: {status}")
    expect({"sessions", "counters", "cache", "pool", "refusals"} <= set(json.loads(status.stdout)), status.stdout)
    mx = proxy.command("resolve", "--json", "-c", proxy.config, case.domain, "MX")
    expect(mx.returncode == 0 and json.loads(mx.stdout)["status"] == "secure", f"resolve: {mx}")
    bogus = proxy.command("resolve", "--json", "-c", proxy.config, "bogus.lab", "SOA")
    expect(bogus.returncode in (1, 2), f"resolve: {bogus}")  # SOA may be no type of this command


def limits(case):
    """Over the limit: 421 4.3.2, and those within it are served."""
    host = case.row.hosts[0]
    clients = [Smtp(case.client.node, host.v4) for _ in range(7)]
    codes = [client.reply() for client in clients]
    expect([code for code, _ in codes].count(220) == 4, f"{codes}")
    expect(all(code == 220 or (code == 421 and "4.3.2" in lines[0]) for code, lines in codes), f"{codes}")
    for client in clients:
        client.close()

    def free_again():
        client = Smtp(case.client.node, host.v4)
        code, _ = client.reply()
        client.close()
        return code == 220
    wait_for("a place is free again", free_again, 10, 0.2)


def reloaded_under_load(case):
    """Forty sessions, each with two messages, while HUP after HUP arrives: every message is accepted, and comes once."""
    host, begun, failed = case.row.hosts[0], threading.Event(), []
    body = b"".join(b"%070d\r\n" % number for number in range(400))

    def deliver(number):
        try:
            for turn in range(5):
                client = Smtp(case.client.node, host.v4)
                client.hello()
                for which in ("a", "b"):
                    name = f"load-{number}-{turn}{which}"
                    expect([code for code, _ in client.envelope(case.sender, case.address(name))] == [250], name)
                    code, lines = client.data(b"Subject: " + name.encode() + b"\r\n\r\n" + body)
                    expect(code == 250, f"{name}: {lines}")
                    begun.set()
                client.say("QUIT")
                client.close()
        except Exception as error:  # the row shall say which
            failed.append(f"client {number}: {error!r}")
            begun.set()

    clients = [threading.Thread(target=deliver, args=(number,)) for number in range(8)]
    for client in clients:
        client.start()
    begun.wait(20)
    reloads = 0
    while any(client.is_alive() for client in clients) and reloads < 200:
        case.proxy.reload()
        reloads += 1
    for client in clients:
        client.join(60)
    expect(not failed, "; ".join(failed))
    expect(reloads >= 5, f"only {reloads} reloads in that time")
    case.all_records()
    for number in range(8):
        for turn in range(5):
            for which in ("a", "b"):
                came = case.evil_messages(case.address(f"load-{number}-{turn}{which}"))
                expect(len([m for m in came if m["complete"] and m["tls"]]) == 1, f"{number}-{turn}{which}: {len(came)}")


def alone(name, hosts, run, **fields):
    return Row(name, hosts, run=run, status=None, profile=fields.pop("profile", "service"), alone=True, **fields)


ROWS = [
    alone("killed-in-transfer", [Host("evil", PEER, script={"cert": "peer"})], killed_in_transfer, slow=True),
    alone("proxy-down", [Host("evil", PEER, script={"cert": "peer"})], proxy_down, slow=True),
    alone("drained", [Host("evil", PEER, script={"cert": "peer"})], drained, slow=True),
    alone("signalled-at-start", [], signalled_at_start),
    alone("files-at-start", [], files_at_start),
    alone("terminated-twice", [Host("evil", PEER, script={"cert": "peer"})], terminated_twice),
    alone("reloaded", [Host("mx1")], reloaded),
    alone("reloaded-under-load", [Host("evil", PEER, script={"cert": "peer"})], reloaded_under_load),
    alone("rules-checked", [], rules_checked),
    alone("sandboxed", [], sandboxed),
    alone("squatter", [Host("mx1", PEER, families="4")], squatter, slow=True),
    alone("limits", [Host("evil", PEER)], limits, profile="small-limits"),
    Row("tools", [Host("mx1", PEER)], status=None, run=status_and_resolve),
]
