# SPDX-License-Identifier: GPL-2.0-or-later
"""  host ---- veth ---- internet       `host` runs the rules; `internet` is the sink on port 25
   |
  br-test ---- container             behind a bridge of the host
"""
import re
import shutil
import subprocess
import tempfile

from .kernel import DANEGATE, OWN, PROBE, TAG, Server, check, make_namespace, sh

HOST4, NET4, HUB4 = "203.0.113.1", "203.0.113.2", "198.51.100.7"
HOST6, NET6, HUB6 = "2001:db8:1::1", "2001:db8:1::2", "2001:db8:7::7"
HOST, NET, BOX = ("dg" + TAG + name for name in ("h", "i", "c"))


class Proxy:
    """The probe program as the proxy: answers with the original destination."""

    def __init__(self, address, port=10025, uid=OWN):
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", HOST, "setpriv", "--reuid", str(uid), "--regid", str(uid), "--clear-groups", PROBE,
             address, str(port)], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline().strip() == "listening"

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


class Lab:
    def __init__(self, variant):
        self.env = {} if variant == "nftables" else {"DANEGATE_IPTABLES": variant}
        self.variant = variant
        self.folder = tempfile.mkdtemp(prefix="danegate-rules-")
        self.config("")

    def config(self, intercept, listen="", uids=""):
        with open(self.folder + "/conf.toml", "w") as file:
            file.write('[listen]\n%s\n[intercept]\nuser = "daemon"\n'
                       'exclude = ["127.0.0.0/8", "::1/128", "%s/32", "%s"]\n%s\n' % (listen, HUB4, HUB6, intercept + ('\nbackend = "nftables"' if self.variant == "nftables" else "")))

    def rules(self, verb, must=0, **more):
        done = sh([DANEGATE, "rules", verb, "-c", self.folder + "/conf.toml"], ns=HOST, env=self.env, must=False)
        if must is not None and done.returncode != must:
            check("rules %s exits %d" % (verb, must), False, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def saved(self):
        """iptables-save of both families; comments, counters, and tables and built-in chains without rules aside."""
        if self.variant == "nftables":
            return sh("nft -s list ruleset", ns=HOST).stdout.splitlines()
        lines = []
        for program in ("iptables", "ip6tables"):
            tables = {}
            name = None
            for line in sh("%s-%s-save" % (program, self.variant), ns=HOST).stdout.splitlines():
                if line.startswith("*"):
                    name = program + " " + line
                elif line.startswith("-A") or (line.startswith(":") and " - " in line):
                    tables.setdefault(name, []).append(re.sub(r" ?\[\d+:\d+\]", "", line))
            lines += [name + " " + line for name in sorted(tables) for line in tables[name]]
        return lines

    def lose_redirection(self, six):
        if self.variant == "nftables":
            sh("nft flush chain %s danegate danegate-redirect" % ("ip6" if six else "ip"), ns=HOST)
        else:
            self.tables("-t nat -F danegate-redirect", six)

    def tables(self, line, six=False, must=True):
        return sh("%s-%s %s" % ("ip6tables" if six else "iptables", self.variant, line), ns=HOST, must=must)


def build():
    for ns in (HOST, NET, BOX):
        make_namespace(ns)
    sh("ip link add dgh%s type veth peer name dgi%s" % (TAG[-6:], TAG[-6:]))
    sh("ip link set dgh%s netns %s name up0" % (TAG[-6:], HOST))
    sh("ip link set dgi%s netns %s name eth0" % (TAG[-6:], NET))
    for ns, device, addresses in ((HOST, "up0", (HOST4 + "/24", HOST6 + "/64")), (NET, "eth0", (NET4 + "/24", NET6 + "/64", HUB4 + "/32", HUB6 + "/128"))):
        for address in addresses:
            sh("ip addr add %s dev %s%s" % (address, device, " nodad" if ":" in address else ""), ns)
        sh("ip link set %s up" % device, ns)
    sh("ip link add br-test type bridge", HOST)
    sh("ip link add box0 type veth peer name eth0 netns " + BOX, HOST)
    sh("ip link set box0 master br-test up", HOST)
    sh("ip link set br-test up", HOST)
    sh("ip addr add 172.30.0.1/24 dev br-test", HOST)
    sh("ip addr add 172.30.0.2/24 dev eth0", BOX)
    sh("ip link set eth0 up", BOX)
    sh("ip route add default via 172.30.0.1", BOX)
    sh("sysctl -qw net.ipv4.ip_forward=1", HOST)
    for command in ("ip route add default via " + NET4, "ip -6 route add default via " + NET6):
        sh(command, HOST)
    sh("ip route add 172.30.0.0/24 via " + HOST4, NET)


def clean():
    for ns in (HOST, NET, BOX):
        subprocess.run(["ip", "netns", "del", ns], capture_output=True)


