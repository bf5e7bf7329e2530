# SPDX-License-Identifier: GPL-2.0-or-later
"""Every combination of backend, scope and mode, with `danegate run`: two mail servers behind a gateway that runs the rules, and
mail of the gateway's own.

  mta1 --- lan1 --- gate --- wan0 --- internet
  mta2 --- lan2 ---'

The proxy's policy is "none": what it dials is the original destination, and no DNS is needed.
"""
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time

from .errors import without
from .kernel import DANEGATE, MALLORY, MTA, TAG, Server, check, dial, flow_across, inside, mail, make_namespace, sh

GATE, NET, MTA1, MTA2 = ("dg" + TAG + name for name in ("g", "n", "m", "o"))
NAMESPACES = (GATE, NET, MTA1, MTA2)
# What the contract allows: scope and mode. tproxy with "output" is a configuration error.
COMBINATIONS = (("output", "redirect"), ("forward", "redirect"), ("forward", "tproxy"), ("output+forward", "redirect"))
BACKENDS = {"nft": "iptables-nft", "legacy": "iptables-legacy", "nftables": "nftables"}
NO = ("refused", "timeout", "reset")


class Family:
    def __init__(self, name, gate, sink, hub, lan, mtas, other):
        self.name, self.gate, self.sink, self.hub, self.lan, self.mtas, self.other = name, gate, sink, hub, lan, mtas, other
        self.v6 = ":" in gate


V4 = Family("IPv4", "203.0.113.1", "203.0.113.2", "198.51.100.7", ("10.99.1.1", "10.99.2.1"), ("10.99.1.2", "10.99.2.2"), "10.99.2.3")
V6 = Family("IPv6", "2001:db8:1::1", "2001:db8:1::2", "2001:db8:7::7", ("fd99:1::1", "fd99:2::1"), ("fd99:1::2", "fd99:2::2"), "fd99:2::3")


def link(left, left_device, left_addresses, right, right_addresses):
    sh("ip link add %s netns %s type veth peer name eth0 netns %s" % (left_device, left, right))
    for ns, device, addresses in ((left, left_device, left_addresses), (right, "eth0", right_addresses)):
        for address in addresses:
            width = ("/64" if ":" in address else "/24") + (" nodad" if ":" in address else "")
            sh("ip addr add %s%s dev %s" % (address, width, device), ns)
        sh("ip link set %s up" % device, ns)


def build():
    for ns in NAMESPACES:
        make_namespace(ns)
    for f in (V4, V6):
        sh("ip addr add %s dev lo" % f.hub, NET)
    link(GATE, "wan0", (V4.gate, V6.gate), NET, (V4.sink, V6.sink))
    link(GATE, "lan1", (V4.lan[0], V6.lan[0]), MTA1, (V4.mtas[0], V6.mtas[0]))
    link(GATE, "lan2", (V4.lan[1], V6.lan[1]), MTA2, (V4.mtas[1], V6.mtas[1], V4.other, V6.other))
    for index, ns in enumerate((MTA1, MTA2)):
        sh("ip route add default via " + V4.lan[index], ns)
        sh("ip -6 route add default via " + V6.lan[index], ns)
    for f in (V4, V6):
        sh("ip route add default via " + f.gate, NET)
        sh("ip route add %s via %s" % (f.hub, f.sink), GATE)
    # Strict reverse path filtering, as many distributions set it: what is diverted must not look like a martian.
    for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=1"):
        sh("sysctl -qw " + setting, GATE)


def clean():
    for ns in NAMESPACES:
        subprocess.run(["ip", "netns", "del", ns], capture_output=True)


class Gate:
    """The gateway's configuration and rules."""

    def __init__(self, variant, mode, scope="forward"):
        self.variant, self.mode, self.scope = variant, mode, scope.split("+")
        self.env = {} if variant == "nftables" else {"DANEGATE_IPTABLES": variant}
        self.folder = tempfile.mkdtemp(prefix="danegate-gate-")
        self.config()

    def config(self, more="", listen=None):
        listen = listen or ('["127.0.0.1:10025", "[::1]:10025"]' if self.mode == "tproxy" or self.scope == ["output"] else '["0.0.0.0:10025", "[::]:10025"]')
        with open(self.folder + "/conf.toml", "w") as file:
            file.write('[listen]\naddresses = %s\nmode = "%s"\nworkers = 1\n[intercept]\nbackend = "%s"\nscope = %s\n'
                       'mark = 7\nsources = ["10.99.1.0/24", "10.99.2.2", "fd99:1::/64", "fd99:2::2"]\nexclude = ["%s", "%s"]\nuser = "daemon"\n%s\n'
                       '[dns]\nmode = "stub"\nservers = ["127.0.0.1"]\n[policy]\ndefault = "none"\n[control]\nsocket = "%s/control.sock"\n'
                       % (listen, self.mode, "nftables" if self.variant == "nftables" else "iptables", json.dumps(self.scope), V4.hub, V6.hub, more, self.folder))

    def rules(self, verb, must=0, before=()):
        done = sh([*before, DANEGATE, "rules", verb, "-c", self.folder + "/conf.toml"], ns=GATE, env=self.env, must=False)
        if must is not None and done.returncode != must:
            check("rules %s exits %d" % (verb, must), False, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def saved(self):
        """Everything of packet filter and policy routing; counters, and built-in chains without rules, aside."""
        lines = []
        for number, programs in (("4 ", "iptables ip -4"), ("6 ", "ip6tables ip6 -6")):
            iptables, table, option = programs.split()
            for variant in ("nft", "legacy"):
                lines += [number + line for line in sh("%s-%s-save" % (iptables, variant), GATE).stdout.splitlines() if line.startswith("-A") or " - [" in line]
            words = ["nft list tables " + table] if self.variant == "nft" else ["nft -s list ruleset " + table]
            words += ["ip %s rule show" % option, "ip %s route show table 10025" % option]
            for command in words:
                lines += [number + line for line in sh(command, GATE, must=False).stdout.splitlines() if self.variant != "nft" or "danegate" in line or "10025" in line]
        return lines

    def lose_interception(self, six):
        for chain in ["redirect"] * ("output" in self.scope) + ["gateway" if self.mode == "redirect" else "tproxy"] * ("forward" in self.scope):
            if self.variant == "nftables":
                sh("nft flush chain %s danegate danegate-%s" % ("ip6" if six else "ip", chain), GATE)
            else:
                table = "mangle" if chain == "tproxy" else "nat"
                sh("%s-%s -t %s -F danegate-%s" % ("ip6tables" if six else "iptables", self.variant, table, chain), GATE)


def capabilities(pid):
    with open("/proc/%s/status" % pid) as file:
        fields = dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)
    return {name: int(fields[name], 16) for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")}


def children(pid):
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry) as file:
                    if file.read().rsplit(")", 1)[1].split()[1] == str(pid):
                        yield entry
            except OSError:
                pass  # ended meanwhile


class Daemon:
    """`danegate run`, started as root; stderr is watched for what it says."""

    def __init__(self, gate, before=()):
        self.log = open(gate.folder + "/log", "w+")
        self.process = subprocess.Popen(["ip", "netns", "exec", GATE, *before, DANEGATE, "run", "-c", gate.folder + "/conf.toml"], stderr=self.log)
        for _ in range(200):
            if " ready " in self.text() or self.process.poll() is not None:
                break
            time.sleep(0.05)

    def text(self):
        with open(self.log.name) as file:
            return file.read()

    def capabilities(self):
        return capabilities(self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()


def delivered(label, who, f, source, got):
    """One message of `who`, from end to end."""
    check("%s: %s intercepted" % (label, who), got[:1] == ["220 %s ESMTP" % ("[IPv6:%s]" if f.v6 else "[%s]") % f.sink], got)
    check("%s: %s from %s" % (label, who, source), got[1:] == ["250 2.1.5 from " + source, "250 ok"], got)


def proxied_output(gate, f, label):
    """What the running proxy does for one family's mail of this machine."""
    delivered(label, "own", f, f.gate, inside(GATE, MTA, mail(f.sink)))
    got = inside(GATE, 0, dial(f.hub))
    check(label + ": own mail to an excluded destination is left alone", got == "220 sink", got)
    got = inside(NET, 0, dial(f.gate, 10025))
    check("%s: the listener cannot be dialled at %s (rule 15)" % (label, f.gate), got == "refused", got)
    got = inside(GATE, MTA, dial("::1" if f.v6 else "127.0.0.1", 10025))
    check(label + ": a direct dial of this machine gets 421, or nothing (rule 15)", got == "refused" or got.startswith("421 "), got)
    if gate.scope == ["output"]:
        got = inside(MTA1, 0, dial(f.sink))
        check(label + ": what is only forwarded is left alone", got == "220 sink", got)


def proxied(gate, f, label):
    """What the running proxy does for one family's mail of other machines."""
    for index, ns in enumerate((MTA1, MTA2)):
        delivered(label, "mta%d" % (index + 1), f, f.mtas[index] if gate.mode == "tproxy" else f.gate, inside(ns, 0, mail(f.sink, f.mtas[index])))
    got = inside(MTA2, 0, dial(f.sink, source=(f.other, 0)))
    check(label + ": a machine that is not in sources is left alone (rule 14)", got == "220 sink", got)
    got = inside(MTA1, 0, dial(f.hub))
    check(label + ": an excluded destination is left alone", got == "220 sink", got)
    local = Server(GATE, 0, f.gate, 25, "LOCAL")
    got = inside(MTA1, 0, dial(f.gate))
    check(label + ": the gateway's own mail server is left alone (rule 14)", got == "LOCAL", got)
    local.stop()
    inward = [Server(MTA1, 0, f.mtas[0], 25, "INWARD"), Server(MTA1, MALLORY, f.mtas[0], 2525, "INWARD")]
    for port in (25, 2525):
        # the other from a port of the intercepted number, by a machine that is in sources, too
        got = inside(*((NET, 0, dial(f.mtas[0])) if port == 25 else (MTA2, 0, dial(f.mtas[0], port, source=(f.mtas[1], 25)))))
        check("%s: inbound mail to port %d (rule 12)" % (label, port), got == "INWARD", got)
    for server in inward:
        server.stop()
    for ns, address in ((MTA1, f.lan[0]), (NET, f.gate)):
        got = inside(ns, 0, dial(address, 10025))
        check("%s: the listener cannot be dialled at %s (rule 15)" % (label, address), got == "refused" or got.startswith("421 "), got)
    if gate.mode == "tproxy":
        got = inside(GATE, MALLORY, dial("::1" if f.v6 else "127.0.0.1", 10025))
        check(label + ": a direct dial is no original destination (rule 15)", got.startswith("421 "), got)


def said_to(sink):
    return [line for line in sink.text().splitlines() if not line.startswith("end")]


def refused(gate, f, sink, label):
    """Without the proxy."""
    clients = [("own", GATE, MTA)] * ("output" in gate.scope) + [("mta1", MTA1, 0)] * ("forward" in gate.scope)
    seen = said_to(sink)
    for who, ns, uid in clients:
        got = inside(ns, uid, dial(f.sink, patience=1))
        check("%s: %s refused, proxy dead" % (label, who), got in NO, got)
    thief = Server(GATE, MALLORY, "::" if f.v6 else "0.0.0.0", 10025, "MALLORY")
    for who, ns, uid in clients:
        got = inside(ns, uid, dial(f.sink, patience=1))
        check("%s: a squatter on its port gets nothing of %s (rule 11)" % (label, who), got in NO, got)
    said = gate.rules("check", must=1)
    check(label + ": check names the squatter", "port 10025 is held by user %d" % MALLORY in said, said)
    thief.stop()
    gate.lose_interception(f.v6)
    for who, ns, uid in clients:
        got = inside(ns, uid, dial(f.sink, patience=1))
        check("%s: %s refused, interception lost (rule 12)" % (label, who), got == "refused", got)
    got = inside(MTA2, 0, dial(f.sink, source=(f.other, 0)))
    check(label + ": others are not", got == "220 sink", got)
    said = gate.rules("check", must=1)
    check(label + ": check names what is lost", f.name in said and "missing" in said, said)
    gate.rules("apply")
    check(label + ": nothing reached the sink but others", said_to(sink) == seen, said_to(sink))


def older_flow(gate, f, sink, label):
    """A connection that was there before the rules."""
    gate.rules("remove")
    got = flow_across(MTA1, 0, f.sink, lambda: gate.rules("apply"), b"NOOP\r\n", b"secret\r\n")
    check(label + ": a flow older than apply is cut (rule 12)", got in ("ConnectionResetError", "BrokenPipeError", "eof"), got)
    check(label + ": and leaks nothing", "secret" not in sink.text(), sink.text())


def note_on_bridges(gate, label):
    """Those of a machine with br_netfilter, where there is that module."""
    if sh("sysctl -qw net.bridge.bridge-nf-call-iptables=1 net.bridge.bridge-nf-call-ip6tables=0", GATE, must=False).returncode != 0:
        return
    told = "note: net.bridge.bridge-nf-call-iptables is 1 (Docker sets it): tproxy loses connections that come in by a bridge (br-lan)"
    without_bridge = gate.rules("check", must=None)
    sh("ip link add br-lan type bridge", GATE)
    with_bridge = gate.rules("check", must=None)
    sh("ip link del br-lan", GATE)
    check(label + ": check notes that tproxy and br_netfilter do not go together", told in with_bridge and "ip6tables" not in with_bridge and "tproxy loses" not in without_bridge,
          (with_bridge, without_bridge))


def bookkeeping(gate, before, label):
    once = gate.saved()
    gate.rules("apply")
    check(label + ": apply twice = once", gate.saved() == once)
    said = gate.rules("check")
    check(label + ": check is content", "in force as configured" in said, said)
    fate = "networks that are not in intercept.sources" if "forward" in gate.scope else "bridges is rejected"
    check(label + ": check names what happens to whom it forwards (rule 13)", fate in said, said)
    if gate.mode == "tproxy":
        for words, want in (("ip -4 rule del priority 10025", "IPv4: policy routing: the rule for mark 0x20000000 is missing"),
                            ("ip -6 route del local default dev lo table 10025", "IPv6: policy routing: the local route of table 10025 is missing")):
            sh(words, GATE)
            said = gate.rules("check", must=1)
            check(label + ": check names " + want, want in said, said)
        sh("sysctl -qw net.ipv4.conf.all.src_valid_mark=1", GATE)
        said = gate.rules("check", must=1)
        check(label + ": check names src_valid_mark", "martians" in said, said)
        sh("sysctl -qw net.ipv4.conf.all.src_valid_mark=0", GATE)
        note_on_bridges(gate, label)
        gate.rules("apply")
        check(label + ": apply repairs it", gate.saved() == once)
    gate.rules("remove")
    after = gate.saved()
    for f in (V4, V6):
        left = [line for line in after if line not in before and line.startswith("6 ") == f.v6]
        got = [inside(GATE, MTA, dial(f.sink)), inside(MTA1, 0, dial(f.sink))]
        check("%s %s: removed without trace" % (label, f.name), not left and got == ["220 sink", "220 sink"], (left, got))
    check(label + ": remove restores what was there", after == before, after)


def no_tproxy(gate):
    """Words before a command: a view of the system whose packet filter knows no TPROXY; iptables gets as far as the first table."""
    if gate.variant == "nftables":
        hidden, real = "nft", "/usr/sbin/nft"
        script = '#!/bin/bash\nif [ "$1" = -f ]; then printf "/dev/stdin:9:1-6: Error: Could not process rule: No such file or directory\\n tproxy to x\\n" >&2; exit 1; fi\nexec %s/real "$@"\n' % gate.folder
    else:
        hidden = "xtables-%s-multi" % gate.variant
        real = "/usr/sbin/" + hidden
        script = ('#!/bin/bash\nname=${0##*/}\ninput=$(cat)\ncase "$name" in *-restore) if [[ $input == *TPROXY* ]]; then\n'
                  'sed "/^\\*mangle/,\\$d" <<<"$input" | (exec -a "$name" %(f)s/real "$@"); echo "line 9: RULE_APPEND failed (No such file or directory)" >&2; exit 2; fi;; esac\n'
                  'exec -a "$name" %(f)s/real "$@" <<<"$input"\n' % {"f": gate.folder})
    shutil.copy(real, gate.folder + "/real")
    with open(gate.folder + "/fake", "w") as file:
        file.write(script)
    os.chmod(gate.folder + "/fake", 0o755)
    return ["unshare", "-m", "bash", "-c", 'mount --make-rprivate /; mount --bind %s/fake %s; exec "$@"' % (gate.folder, real), "-"]


def failures(gate, before, label):
    """Issue 5, bad input: a clear sentence, and nothing half applied."""
    done = gate.rules("apply", must=1, before=without(["ip"]))
    check(label + ": without ip nothing is changed", "ip is not installed: apt-get install iproute2; nothing was changed" in done and gate.saved() == before,
          (done, gate.saved(), before))
    done = gate.rules("apply", must=1, before=no_tproxy(gate))
    check(label + ": no TPROXY in the kernel: nothing is half applied", "(does the kernel lack a netfilter module?); nothing was changed" in done and gate.saved() == before,
          (done, gate.saved(), before))
    daemon = Daemon(gate, before=["setpriv", "--bounding-set", "-net_raw,-net_admin"])
    check(label + ": run without CAP_NET_RAW says so", daemon.process.wait(5) == 1 and "CAP_NET_RAW" in daemon.text(), daemon.text())
    daemon.stop()


def as_service(gate, f, label):
    """As systemd starts it with User= and too many AmbientCapabilities=."""
    os.chown(gate.folder, 1, 1)
    gate.rules("apply")
    given = "+net_raw,+net_admin,+sys_ptrace"
    daemon = Daemon(gate, before=["setpriv", "--reuid", "1", "--regid", "1", "--clear-groups", "--inh-caps", given, "--ambient-caps", given])
    check(label + ": started as its user it runs", " ready " in daemon.text(), daemon.text())
    got = {name: value for name, value in daemon.capabilities().items() if name != "CapBnd"}
    check(label + ": and keeps CAP_NET_RAW alone (rule 16)", got == {"CapEff": 1 << 13, "CapPrm": 1 << 13, "CapAmb": 0}, got)
    got = [capabilities(child) for child in children(daemon.process.pid)]
    check(label + ": the resolver has none (rule 16)", got and all(one["CapEff"] == one["CapPrm"] == one["CapAmb"] == 0 for one in got), got)
    got = inside(MTA1, 0, mail(f.sink))
    check(label + ": and delivers", got[1:] == ["250 2.1.5 from " + f.mtas[0], "250 ok"], got)
    daemon.stop()


def direct_without_rules(gate, label):
    """A transparent listener knows by itself what TPROXY cannot have brought: a loopback address, a port that is not intercepted."""
    gate.config(listen='["0.0.0.0:10025", "[::]:10025"]')
    sh("ip -6 route add local fd99:9::/64 dev lo", GATE)
    daemon = Daemon(gate)
    for address in ("127.0.0.2", "fd99:9::9"):  # of this machine, and not among its interfaces' addresses
        got = inside(GATE, MALLORY, dial(address, 10025))
        check("%s: without rules a direct dial at %s is none either (rule 15)" % (label, address), got.startswith("421 "), got)
    daemon.stop()
    gate.config()


def row(variant, scope, mode, sinks):
    gate = Gate(variant, mode, scope)
    label = "%s %s %s" % (BACKENDS[variant], scope, mode)
    before = gate.saved()
    try:
        gate.rules("apply")
        daemon = Daemon(gate)
        check(label + ": the proxy runs", " ready " in daemon.text(), daemon.text())
        wanted = 1 << 13  # CAP_NET_RAW (intercept.mark), and never CAP_NET_ADMIN (rule 16)
        got = daemon.capabilities()
        check(label + ": capabilities (rule 16)", got == {"CapEff": wanted, "CapPrm": wanted, "CapBnd": 0, "CapAmb": 0}, got)
        for f, sink in zip((V4, V6), sinks):
            name = "%s %s" % (label, f.name)
            if "output" in gate.scope:
                proxied_output(gate, f, name)
            if "forward" in gate.scope:
                proxied(gate, f, name)
            if scope == "forward":
                older_flow(gate, f, sink, name)
        daemon.stop()
        for f, sink in zip((V4, V6), sinks):
            refused(gate, f, sink, "%s %s" % (label, f.name))
        bookkeeping(gate, before, label)
        if mode == "tproxy":
            failures(gate, before, label)
            as_service(gate, V4, label)
            gate.rules("remove")
            direct_without_rules(gate, label)
    finally:
        gate.rules("remove", must=None)
        shutil.rmtree(gate.folder)


def rename(suffix):
    """This process has namespaces of its own."""
    global GATE, NET, MTA1, MTA2, NAMESPACES
    GATE, NET, MTA1, MTA2 = NAMESPACES = tuple("dg%s%s%s" % (TAG, name, suffix) for name in "gnmo")


def staged(suffix, title, play):
    """In namespaces of its own, with what listens outside."""
    rename(suffix)
    print("== gateway, " + title)
    build()
    sinks = [Server(NET, 0, "0.0.0.0", 25, "220 sink"), Server(NET, 0, "::", 25, "220 sink")]
    try:
        play(sinks)
    finally:
        for sink in sinks:
            sink.stop()
        clean()


def parts(variant):
    """Functions for side_by_side(), because they wait more than they work: one for each combination."""
    for index, (scope, mode) in enumerate(COMBINATIONS):
        yield lambda index=index, scope=scope, mode=mode: staged(
            "%s%d" % (variant[-1], index), "%s, %s, %s" % (BACKENDS[variant], scope, mode), lambda sinks: row(variant, scope, mode, sinks))
