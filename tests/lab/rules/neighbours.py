# SPDX-License-Identifier: GPL-2.0-or-later
"""Foreign rules in the way: an administrator's own redirections of port 25, and what Docker, firewalld and ufw put beside ours."""
import os
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from lib import packages  # noqa: E402

from . import gateway, host  # noqa: E402
from .kernel import MTA, OWN, Server, check, dial, inside, sh  # noqa: E402

# What Docker's daemon writes when it starts (20.10), with the bridge and container of the test. It puts what belongs to FORWARD at its head.
DOCKER = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -j DOCKER
-A POSTROUTING -s 172.30.0.0/24 ! -o br-test -j MASQUERADE
-A DOCKER -i br-test -j RETURN
-A DOCKER ! -i br-test -p tcp -m tcp --dport 2525 -j DNAT --to-destination 172.30.0.2:25
COMMIT
*filter
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:DOCKER-ISOLATION-STAGE-1 - [0:0]
-I FORWARD -i br-test -o br-test -j ACCEPT
-I FORWARD -i br-test ! -o br-test -j ACCEPT
-I FORWARD -o br-test -j DOCKER
-I FORWARD -o br-test -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-I FORWARD -j DOCKER-ISOLATION-STAGE-1
-I FORWARD -j DOCKER-USER
-A DOCKER -d 172.30.0.2/32 ! -i br-test -o br-test -p tcp -m tcp --dport 25 -j ACCEPT
-A DOCKER-ISOLATION-STAGE-1 -j RETURN
-A DOCKER-USER -j RETURN
COMMIT
"""

# firewalld's table (1.3, backend nftables): it deletes and makes it anew at each --reload, and leaves others alone.
FIREWALLD = """table inet firewalld
delete table inet firewalld
table inet firewalld {
  chain nat_PREROUTING { type nat hook prerouting priority -90; policy accept; jump nat_PRE_public; }
  chain nat_PRE_public { return; }
  chain nat_OUTPUT { type nat hook output priority -90; policy accept; }
  chain filter_PREROUTING { type filter hook prerouting priority 10; policy accept; meta nfproto ipv6 fib saddr . mark . iif oif missing drop; }
  chain filter_INPUT {
    type filter hook input priority 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    ct state invalid drop
    meta l4proto { icmp, ipv6-icmp } accept
    tcp dport 22 accept
    reject with icmpx admin-prohibited
  }
  chain filter_FORWARD {
    type filter hook forward priority 10; policy accept;
    ct state { established, related } accept
    ct status dnat accept
    iifname "lo" accept
    reject with icmpx admin-prohibited
  }
  chain filter_OUTPUT {
    type filter hook output priority 10; policy accept;
    ct state { established, related } accept
    oifname "lo" accept
  }
}
"""


def at_work(lab, label):
    """What ours are for, beside the others."""
    for address in (host.NET4, host.NET6):
        got = inside(host.HOST, MTA, dial(address))
        check("%s: intercepted %s" % (label, address), got == address + " 25", got)
        got = inside(host.HOST, OWN, dial(address))
        check("%s: the proxy gets out %s" % (label, address), got == "SINK", got)
    said = lab.rules("check")
    check(label + ": check is content", "in force as configured" in said, said)


def docker(lab):
    """Started after ours, it stands before them in FORWARD."""
    program = "iptables-%s-restore --noflush" % ("nft" if lab.variant == "nftables" else lab.variant)
    lab.rules("apply")
    sh(program, host.HOST, text=DOCKER)
    got = inside(host.BOX, 0, dial(host.NET4))
    if lab.variant == "nftables":
        check("Docker, nftables: its ACCEPT does not help a container (rule 13)", got == "refused", got)
    else:
        check("Docker, started later, lets containers out", got == "SINK", got)
        said = lab.rules("check", must=1)
        check("Docker, started later: check names it", "IPv4: table filter, chain FORWARD: 6 foreign rules stand before ours" in said, said)
        lab.rules("apply")
        got = inside(host.BOX, 0, dial(host.NET4))
        check("Docker: apply puts ours before it again (rule 13)", got == "refused", got)
    at_work(lab, "Docker")
    server = Server(host.BOX, 0, "172.30.0.2", 25, "CONTAINER")
    got = inside(host.NET, 0, dial(host.HOST4, 2525))
    check("Docker: a published mail server is reached", got == "CONTAINER", got)
    server.stop()
    lab.rules("remove")
    sh("iptables-%s-restore" % ("nft" if lab.variant == "nftables" else lab.variant), host.HOST, text="*filter\nCOMMIT\n*nat\nCOMMIT\n")


def firewalld(lab):
    lab.rules("apply")
    for label in ("firewalld, started later", "firewalld --reload"):
        sh("nft -f -", host.HOST, text=FIREWALLD)
        at_work(lab, label)
    lab.rules("remove")
    check("firewalld: remove leaves its table alone", "chain filter_INPUT" in sh("nft list table inet firewalld", host.HOST).stdout)
    sh("nft delete table inet firewalld", host.HOST)


class Ufw:
    """Debian's own, unpacked beside the machine; its /etc/ufw is kept from one command to the next."""

    def __init__(self, folder):
        self.tree = folder + "/ufw"
        packages.fetch(["ufw"])
        packages.unpack("ufw", self.tree)
        os.makedirs(self.tree + "/etc.work")
        shutil.copytree(self.tree + "/lib/ufw", self.tree + "/usr/lib/ufw")
        for name in ("before", "before6", "after", "after6", "user", "user6"):
            shutil.copy("%s/usr/share/ufw/iptables/%s.rules" % (self.tree, name), self.tree + "/etc/ufw/")
        shutil.copy(self.tree + "/usr/share/ufw/ufw.conf", self.tree + "/etc/ufw/")

    def __call__(self, *words):
        overlay = "mount -t overlay overlay -o lowerdir=%s,upperdir=%s,workdir=%s %s;"
        script = "set -e; mount --make-rprivate /; " + overlay % ("/etc", self.tree + "/etc", self.tree + "/etc.work", "/etc") + \
            "mount -t overlay overlay -o lowerdir=%s/usr:/usr /usr; mount -t tmpfs tmpfs /run; exec ufw \"$@\"" % self.tree
        return sh(["unshare", "-m", "bash", "-c", script, "-", *words], host.HOST).stdout


def ufw(lab):
    """It keeps its own chains, entered from behind ours, and empties nothing else."""
    run = Ufw(lab.folder)
    run("--force", "enable")
    check("ufw: its rules are in force", sum("ufw-" in line for line in lab.saved()) > 50)
    lab.rules("apply")
    at_work(lab, "ufw")
    run("reload")
    at_work(lab, "ufw reload")
    run("disable")
    run("--force", "enable")
    at_work(lab, "ufw, enabled later")
    lab.rules("remove")
    alone = lab.saved()
    lab.rules("apply")
    lab.rules("remove")
    check("ufw: remove leaves its rules as they were", lab.saved() == alone, set(alone) ^ set(lab.saved()))
    run("disable")


def run_host(lab):
    lab.config("")
    proxies = [host.Proxy("127.0.0.1"), host.Proxy("::1")]
    try:
        docker(lab)
        firewalld(lab)
        if lab.variant != "legacy":  # the system's iptables, which ufw takes, is the other one
            ufw(lab)
    finally:
        for proxy in proxies:
            proxy.stop()
        for variant in ("nft", "legacy"):
            for program in ("iptables", "ip6tables"):
                sh("%s-%s-restore" % (program, variant), host.HOST, text="*filter\n:INPUT ACCEPT\n:FORWARD ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\n*nat\nCOMMIT\n")


class Redirection:
    """An administrator's DNAT of port 25, in the gateway's packet filter, before our rules or behind them."""

    def __init__(self, gate, f, hook, match, to):
        self.gate, self.f = gate, f
        self.iptables = "%s-%s -t nat %%s %s %s -p tcp --dport 25 -j DNAT --to-destination %s" % (
            "ip6tables" if f.v6 else "iptables", gate.variant, hook.upper(), match, to)
        saddr = match.replace("-s ", "%s saddr " % ("ip6" if f.v6 else "ip")).replace("-i ", "iifname ").replace("-d ", "%s daddr " % ("ip6" if f.v6 else "ip"))
        self.nft = "table %s admin { chain a { type nat hook %s priority %%d; %s tcp dport 25 dnat to %s; }; }" % ("ip6" if f.v6 else "ip", hook, saddr, to)

    def __call__(self, first):
        if self.gate.variant == "nftables":
            sh(["nft", self.nft % (-120 if first else -100)], gateway.GATE)
        else:
            sh((self.iptables % ("-I" if first else "-A")), gateway.GATE)

    def gone(self):
        if self.gate.variant == "nftables":
            sh("nft delete table %s admin" % ("ip6" if self.f.v6 else "ip"), gateway.GATE)
        else:
            sh(self.iptables % "-D", gateway.GATE)


def named(gate, first):
    """Whether `rules check` says what stands before ours; it is content with what stands behind."""
    said = gate.rules("check", must=1 if first else 0)
    want = ("may redirect connections before ours" if gate.variant == "nftables" else "1 foreign rule stands before ours") if first else "in force as configured"
    return want in said, said


def inward(gate, f, label):
    """The gateway's port 25 is a mail server's of the LAN: that is left alone, wherever the rule stands."""
    server = Server(gateway.MTA1, 0, f.mtas[0], 25, "INWARD")
    to_lan = Redirection(gate, f, "prerouting", "-i wan0", f.mtas[0])
    for first, where in ((False, "behind ours"), (True, "before ours")):
        to_lan(first)
        got = inside(gateway.NET, 0, dial(f.gate))
        check("%s: a port forwarding to a mail server inside works, %s" % (label, where), got == "INWARD", got)
        got = inside(gateway.MTA2, 0, dial(f.sink, source=(f.mtas[1], 0)))
        check("%s: and outgoing mail is intercepted, %s" % (label, where), got.startswith("220 ["), got)
        good, said = named(gate, first)
        check("%s: check says so of a port forwarding %s" % (label, where), good, said)
        to_lan.gone()
    server.stop()


def outward(gate, f, label):
    """Outgoing connections to port 25 are sent to a machine of the LAN."""
    hub = Server(gateway.MTA2, 0, f.other, 25, "HUB")
    for who, ns, uid, hook, match in (("mta1", gateway.MTA1, 0, "prerouting", "-s " + f.mtas[0]), ("own", gateway.GATE, MTA, "output", "-d " + f.sink)):
        capture = Redirection(gate, f, hook, match, f.other)
        capture(False)
        got = inside(ns, uid, dial(f.sink))
        check("%s: %s intercepted, a DNAT behind ours comes too late" % (label, who), got.startswith("220 ["), got)
        good, said = named(gate, False)
        check("%s: check is content with a DNAT behind ours, %s" % (label, who), good, said)
        capture.gone()
        capture(True)
        got = inside(ns, uid, dial(f.sink, patience=1))
        check("%s: %s refused, a DNAT before ours takes the connection (rule 12)" % (label, who), got == "refused", got)
        good, said = named(gate, True)
        check("%s: check names a DNAT before ours, %s" % (label, who), good, said)
        gate.rules("apply")
        got = inside(ns, uid, dial(f.sink, patience=1))
        if gate.variant == "nftables":
            check("%s: %s refused still: apply cannot come before that chain" % (label, who), got == "refused", got)
        else:
            check("%s: %s intercepted: apply puts ours before it" % (label, who), got.startswith("220 ["), got)
        capture.gone()
    check(label + ": the machine of the foreign rule got nothing", "data" not in hub.text(), hub.text())
    hub.stop()


def run_gateway(variant):
    """In namespaces of the gateway's stage, with `danegate run`; both scopes at once."""
    gate = gateway.Gate(variant, "redirect", "output+forward")
    label = gateway.BACKENDS[variant]
    before = gate.saved()
    try:
        gate.rules("apply")
        daemon = gateway.Daemon(gate)
        for f in (gateway.V4, gateway.V6):
            inward(gate, f, "%s %s" % (label, f.name))
            outward(gate, f, "%s %s" % (label, f.name))
        daemon.stop()
        gate.rules("remove")
        after = gate.saved()
        check(label + ": beside foreign redirections ours go without trace", after == before, after)
    finally:
        gate.rules("remove", must=None)
        shutil.rmtree(gate.folder)
