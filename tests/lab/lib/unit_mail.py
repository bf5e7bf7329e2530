# SPDX-License-Identifier: GPL-2.0-or-later
"""Mail for the installed service: the room's own network becomes the machine that danegate.service runs on, and beside it are a
signed DNS and a mail server that publishes TLSA records; and the cases of package_test.py that need them."""

import json
import os
import re
import shutil
import socket
import threading

from . import node, pki, sandbox, zones
from .evil import Evil, leaks
from .smtp import Smtp
from .steps import expect, sh
from .units import ours

MX = ("203.0.113.16", "2001:db8:3::16")
SOURCES = ("203.0.113.1", "2001:db8:3::1")  # the room's, on the mail servers' network (node.LANS)
BODY = b"Subject: through the unit\r\n\r\n" + b"%070d\r\n" * 40 % tuple(range(40))
CONFIG = """[listen]
workers = 2
{listen}
[intercept]
{intercept}
[dns]
mode = "{mode}"
servers = ["{server}"]
trust_anchor = "/etc/danegate/lab.key"
[[policy.domain]]
domain = "noproof.plain.lab"
level = "{level}"
[metrics]
listen = "127.0.0.1:9125"
"""


class Stage:
    """Domains: unit.signed.lab, with the server's own TLSA record; forged.signed.lab, with another's; noproof.plain.lab, with none."""

    def __init__(self, it):
        self.it = it
        node.make_router()
        self.certificates = pki.Pki(sandbox.ROOM + "/pki", "signed.lab")
        os.chmod(sandbox.ROOM, 0o755)
        if os.path.exists("/proc/sys/net/bridge"):  # else tproxy loses what comes in by the room's bridges (README.md)
            for name in ("iptables", "ip6tables"):
                node.sysctl(f"bridge/bridge-nf-call-{name}", 0)
        self.nodes = [node.Node("dns", "dns", [zones.NSD, zones.NSD6, zones.HONEST, zones.HONEST6, zones.LYING, zones.LYING6], [zones.HONEST]),
                      node.Node("evil", "mx", MX, [zones.HONEST], "evil.lab")]
        self.serve_dns("dns-data")
        self.peer = Evil(self.nodes[1])
        self.peer.set(MX, {"cert": self.certificates.peer.chain, "key": self.certificates.peer.key})

    def serve_dns(self, folder, ahead=0):
        """Again: in the place of what was served before."""
        dns = zones.Dns(f"{sandbox.ROOM}/{folder}", ("signed", "plain"), ahead)
        certificates = self.certificates
        for name, zone, tlsa in (("unit", "signed", certificates.peer.tlsa(3, 1, 1)), ("forged", "signed", certificates.evil.tlsa(3, 1, 1)),
                                 ("noproof", "plain", None)):
            host = f"{name}.evil.{zone}.lab"
            dns.add(f"{name}.{zone}.lab", "MX", f"10 {host}.")
            dns.add(host, "A", MX[0])
            dns.add(host, "AAAA", MX[1])
            if tlsa:
                dns.add(f"_25._tcp.{host}", "TLSA", tlsa)
        for label in list(self.nodes[0].processes):
            self.nodes[0].stop(label)
        dns.start(self.nodes[0])
        shutil.copy(dns.trust_anchor, self.it.root + "/etc/danegate.lab.key")

    def configure(self, mode="auto", level="may", listen="", intercept=""):
        shutil.copy(self.it.root + "/etc/danegate.lab.key", self.it.root + "/etc/danegate/lab.key")
        with open(self.it.root + "/etc/danegate/danegate.toml", "w", encoding="ascii") as file:
            file.write(CONFIG.format(mode=mode, server=zones.HONEST, level=level, listen=listen, intercept=intercept))

    def stop(self):
        for machine in self.nodes:
            machine.remove()


def dialled(address, machine=None):
    """A legacy mail server's connection, greeted; of this machine, or of a node behind it."""
    connected = machine.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) if machine else socket.socket(
        socket.AF_INET6 if ":" in address else socket.AF_INET)
    connected.settimeout(30)
    connected.connect((address, 25))
    client = Smtp(None, address, connected=connected, timeout=30)
    code, lines = client.reply()
    return client, code, lines[0] if lines else ""


def greeted(address, machine=None):
    client, code, line = dialled(address, machine)
    expect((code, line.split()[1]) == (220, f"[IPv6:{address}]" if ":" in address else f"[{address}]"), f"not intercepted: {line}")
    client.say("EHLO mta.example")
    return client


def sends(address, domain="unit.signed.lab", name="b", machine=None):
    """The reply to RCPT, and to the end of data where it was 250."""
    client = greeted(address, machine)
    [rcpt] = client.envelope("a@mta.example", f"{name}@{domain}")
    end = client.data(BODY) if rcpt[0] == 250 else None
    client.say("QUIT")
    client.close()
    return rcpt, end


def arrives(it, name, source):
    """Once, whole, inside TLS, from this address; the peer tells of a connection when it has ended."""
    node.wait_for(f"the message for {name}", lambda: arrived(it.stage, name))
    expect(arrived(it.stage, name) == [(True, source)], f"{arrived(it.stage, name)}")


def arrived(stage, name):
    """Messages at the peer for this recipient: (whole and inside TLS, source address)."""
    found = []
    for entry in stage.peer.record(MX):
        expect(not leaks(entry), f"in plaintext: {leaks(entry)}")
        found += [(m["complete"] and m["tls"] and m["content"] == BODY, entry["peer"]) for m in entry["messages"]
                  if any(name + "@" in one for one in m["recipients"])]
    return found


def events(it, kind):
    """Of the unit since its last start, out of the journal."""
    log = it.booted.run("journalctl", "--no-pager", "--output=cat", "_SYSTEMD_INVOCATION_ID=" + show(it, "InvocationID")["InvocationID"]).stdout
    return [line for line in log.splitlines() if f" {kind} " in line + " "]


def show(it, *properties):
    text = it.booted.run("systemctl", "show", "danegate", "--property=" + ",".join(properties)).stdout
    return dict(line.split("=", 1) for line in text.splitlines())


def serves(it):
    """Installed, configured, started; the resolver has chosen its way."""
    it.install()
    it.stage.configure()
    it.systemctl("start", "danegate")
    it.becomes(["active", "active"])
    node.wait_for("a resolver is chosen", lambda: events(it, "resolver"))


def locked_up(it):
    """That the unit's sandbox is there, seen from inside: systemd leaves out what a machine cannot do."""
    pid = it.main_pid()
    inside = ["nsenter", "--target", str(pid), "--mount", "--ipc", "--root"]
    places = ("/etc", "/etc/danegate", "/usr", "/var/lib", "/var/tmp", "/home", "/root", "/run/danegate")
    open_to_root = [place for place in places if sh(*inside, "test", "-w", place, must=False).returncode == 0]
    expect(open_to_root == ["/var/tmp", "/run/danegate"], f"can be written: {open_to_root}")
    devices = sh(*inside, "ls", "/dev").stdout.split()
    expect("null" in devices and not {"mem", "vda", "sda", "kvm", "net"} & set(devices), f"{devices}")
    expect(os.stat(f"/proc/{pid}/root/dev").st_dev != os.stat(it.root + "/dev").st_dev, "no /dev of its own")
    visible = [name for name in sh(*inside, "ls", "/proc").stdout.split() if not name.isdigit() and name not in ("self", "thread-self")]
    expect(not visible, f"in /proc: {visible}")
    for kind in ("mnt", "ipc"):
        expect(os.readlink(f"/proc/{pid}/ns/{kind}") != os.readlink(f"/proc/{it.booted.init}/ns/{kind}"), f"no {kind} namespace of its own")
    for one in it.booted.pids("danegate"):
        found = it.facts(one)
        expect((found["NoNewPrivs"], found["Seccomp"]) == ("1", "2") and "0" not in found["Uid"].split(), f"{found}")
        expect(not any(int(found[name], 16) for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")), f"{found}")


def the_units_deliver_mail_inside_their_sandbox(it):
    """Intercepted by danegate-rules.service, delivered with DANE by danegate.service, from this machine's addresses."""
    serves(it)
    locked_up(it)
    for address, source in zip(MX, SOURCES):
        name = "six" if ":" in address else "four"
        rcpt, end = sends(address, name=name)
        expect((rcpt[0], end and end[0]) == (250, 250), f"{rcpt} {end}")
        arrives(it, name, source)
        last = node.wait_for("its event", lambda: events(it, "delivery"))[-1]
        expect(re.search(r'domain=unit\.signed\.lab .* result=verified tlsa="3 1 1" .* outcome=accepted', last), last)
    rcpt, _ = sends(MX[0], "forged.signed.lab")
    expect(rcpt[0] == 451 and "4.7.5" in rcpt[1][0] and "danegate" in rcpt[1][0], f"{rcpt}")
    expect(not arrived(it.stage, "b"), "sent to who did not prove to be it")


def both_ways_of_dns_work_inside_the_sandbox(it):
    """libunbound is what `auto` chose above; getdns over TCP."""
    serves(it)
    expect("libunbound" in events(it, "resolver")[-1], f"{events(it, 'resolver')}")
    it.stage.configure(mode="stub")
    it.systemctl("restart", "danegate")
    it.becomes(["active", "active"])
    rcpt, end = sends(MX[0], name="stub")
    expect((rcpt[0], end and end[0]) == (250, 250), f"{rcpt} {end}")
    arrives(it, "stub", SOURCES[0])


def a_gateway_in_tproxy_mode_with_nftables(it):
    """What else the units' sandboxes have to let through: nft and ip in the one; a mark and foreign source addresses in the other."""
    it.install()
    behind = it.stage.nodes[0]
    it.stage.configure(listen='mode = "tproxy"', intercept='backend = "nftables"\nscope = ["forward"]\nmark = 7\nsources = ["%s", "%s"]' % (behind.v4, behind.v6))
    it.systemctl("start", "danegate")
    it.becomes(["active", "active"])
    for address, source in zip(MX, (behind.v4, behind.v6)):
        name = "behind6" if ":" in address else "behind4"
        rcpt, end = sends(address, name=name, machine=behind)
        expect((rcpt[0], end and end[0]) == (250, 250), f"{rcpt} {end}")
        arrives(it, name, source)
    capabilities = [int(it.facts(pid)["CapEff"], 16) for pid in it.booted.pids("danegate")]
    expect(capabilities == [1 << 13, 0, 0], f"{capabilities}")
    it.systemctl("stop", "danegate")
    it.becomes(["inactive", "inactive"])
    left = ours() + [line for option in ("-4", "-6") for line in sh("ip", option, "rule").stdout.splitlines() if "10025" in line]
    expect(not left, f"{left}")


def who_is_in_the_group_reads_the_status(it):
    serves(it)
    sends(MX[0], name="counted")
    for name, groups in (("watcher", ["--groups", "danegate"]), ("stranger", [])):
        it.booted.run("useradd", "--no-create-home", *groups, name)
    try:
        status_is_for_the_group(it)
    finally:
        for name in ("watcher", "stranger"):
            it.booted.run("userdel", name)


def status_is_for_the_group(it):
    done = it.booted.run("setpriv", "--reuid=watcher", "--regid=watcher", "--init-groups", "danegate", "status", "--json")
    expect(done.returncode == 0, f"{done.stdout}{done.stderr}")
    status = json.loads(done.stdout)
    expect("verified" in json.dumps(status["counters"]), f"{status}")
    done = it.booted.run("setpriv", "--reuid=stranger", "--regid=stranger", "--init-groups", "danegate", "status")
    expect(done.returncode == 1 and done.stderr.count("\n") == 1 and "ermission denied" in done.stderr, f"{done}")


def reload_and_watchdog_leave_the_session_alone(it):
    """A message half handed over sees `systemctl reload` and several of the watchdog's periods; the new policy is for others."""
    with it.drop_in("[Service]\nWatchdogSec=1\n"):
        serves(it)
        pid, since = it.main_pid(), int(show(it, "WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"])
        rcpt, end = sends(MX[0], "noproof.plain.lab", "before")
        expect((rcpt[0], end and end[0]) == (250, 250), f"{rcpt} {end}")
        client = greeted(MX[0])
        [rcpt] = client.envelope("a@mta.example", "inflight@unit.signed.lab")
        expect(rcpt[0] == 250 and client.say("DATA")[0] == 354, f"{rcpt}")
        client.send(BODY[:500])
        it.stage.configure(level="dane-only")
        it.systemctl("reload", "danegate")
        node.wait_for("the event reload", lambda: events(it, "reload"))
        rcpt, _ = sends(MX[0], "noproof.plain.lab", "after")
        expect(rcpt[0] == 451 and "4.7.4" in rcpt[1][0], f"{rcpt}")
        node.wait_for("the watchdog is fed for more than two periods", lambda: int(
            show(it, "WatchdogTimestampMonotonic")["WatchdogTimestampMonotonic"]) > since + 2_500_000, step=0.2)
        client.send(BODY[500:] + b".\r\n")
        expect((end := client.reply())[0] == 250, f"{end}")
        client.close()
        expect(it.main_pid() == pid and show(it, "NRestarts") == {"NRestarts": "0"}, "it was started anew")
        arrives(it, "inflight", SOURCES[0])


def a_stop_drains_and_then_the_rules_go(it):
    """While it drains nobody gets past it; after it mail goes out as without danegate."""
    serves(it)
    client = greeted(MX[1])
    [rcpt] = client.envelope("a@mta.example", "drained@unit.signed.lab")
    expect(rcpt[0] == 250 and client.say("DATA")[0] == 354, f"{rcpt}")
    client.send(BODY[:500])
    stopper = threading.Thread(target=it.systemctl, args=("stop", "danegate"))
    stopper.start()
    try:
        for address in MX:
            node.wait_for(f"{address} is refused", lambda address=address: refused(address))
        expect(ours(), "the rules went before the mail")
        client.send(BODY[500:] + b".\r\n")
        expect((end := client.reply())[0] == 250, f"{end}")
    finally:
        client.close()
        stopper.join(60)
    it.becomes(["inactive", "inactive"])
    arrives(it, "drained", SOURCES[1])
    expect(not ours(), "left: " + " | ".join(ours()))
    for address in MX:
        client, _, line = dialled(address)
        expect("evil" in line, f"{address}: {line}")
        client.close()


def with_a_wrong_clock_everything_waits_and_the_log_says_why(it):
    """What the world signs is of ten days after this machine's time, as where the clock stands still or was never set."""
    it.stage.serve_dns("dns-of-later", ahead=10 * 86400)
    it.install()
    for mode, why in (("auto", r"no resolver can be trusted, everything defers: .*signature before inception date"),
                      ("stub", r"the root zone does not validate against /etc/danegate/lab\.key: .*everything defers until it does \(is this machine's clock right\?\)")):
        it.stage.configure(mode=mode)
        it.systemctl("restart", "danegate")
        it.becomes(["active", "active"])
        said = node.wait_for("an error event", lambda: events(it, "error"))
        expect(len(said) == 1 and re.search(why, said[0]), f"{said}")
        for address in MX:
            rcpt, _ = sends(address, name="late")
            expect(rcpt[0] == 451 and "4.4.3" in rcpt[1][0] and "danegate" in rcpt[1][0], f"{mode}: {rcpt}")
    expect(not arrived(it.stage, "late"), "delivered by DNS that did not validate")


def refused(address):
    """Nobody talks to a new connection: refused, or 421 by the proxy."""
    try:
        client, code, _ = dialled(address)
        client.close()
        return code in (0, 421)
    except OSError:
        return True


CASES = (the_units_deliver_mail_inside_their_sandbox, both_ways_of_dns_work_inside_the_sandbox,
         a_gateway_in_tproxy_mode_with_nftables, who_is_in_the_group_reads_the_status,
         reload_and_watchdog_leave_the_session_alone, a_stop_drains_and_then_the_rules_go,
         with_a_wrong_clock_everything_waits_and_the_log_says_why)
