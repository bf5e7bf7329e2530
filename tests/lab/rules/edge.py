# SPDX-License-Identifier: GPL-2.0-or-later
"""A box at the network's edge: the router hands it the mail servers' connections to port 25 by policy routing, as README says.

  mta --- lan --- router --- wan --- internet
                     |
                  transit
                     |
                    box     runs the rules (scope forward, redirect) and `danegate run`
"""
import shutil

from . import gateway
from .kernel import Server, check, dial, inside, mail, make_namespace, sh

ROUTER, NET, MTA, BOX = gateway.NET, gateway.MTA1, gateway.MTA2, gateway.GATE
WAN = {"v4": ("203.0.113.1", "203.0.113.2"), "v6": ("2001:db8:1::1", "2001:db8:1::2")}
LAN = {"v4": ("10.99.1.1", "10.99.1.2"), "v6": ("fd99:1::1", "fd99:1::2")}
TRANSIT = {"v4": ("198.51.100.1", "198.51.100.2"), "v6": ("2001:db8:7::1", "2001:db8:7::2")}


def ends(net, index):
    return tuple(net[family][index] for family in ("v4", "v6"))


def build():
    for ns in (ROUTER, NET, MTA, BOX):
        make_namespace(ns)
    for device, net, other in (("wan0", WAN, NET), ("lan0", LAN, MTA), ("transit0", TRANSIT, BOX)):
        gateway.link(ROUTER, device, ends(net, 0), other, ends(net, 1))
        sh("ip route add default via " + net["v4"][0], other)
        sh("ip -6 route add default via " + net["v6"][0], other)
    for setting in ("net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1", "net.ipv4.conf.all.rp_filter=1"):
        sh("sysctl -qw " + setting, ROUTER)
    for family, option in (("v4", "-4"), ("v6", "-6")):
        sh("ip %s route add default via %s table 25" % (option, TRANSIT[family][1]), ROUTER)
        sh("ip %s route add unreachable default metric 4096 table 25" % option, ROUTER)
        sh("ip %s rule add iif lan0 ipproto tcp dport 25 lookup 25" % option, ROUTER)


def families(what, label, want):
    for family in ("v4", "v6"):
        got = inside(MTA, 0, what(WAN[family][1]))
        check("%s, %s" % (label, family), got == want(family), got)


def run():
    print("== edge")
    build()
    sinks = [Server(NET, 0, address, 25, "220 sink") for address in ("0.0.0.0", "::")]
    gate = gateway.Gate("nftables", "redirect")
    before = gate.saved()
    try:
        gate.config('self = ["192.0.2.1"]')
        gate.rules("apply")
        daemon = gateway.Daemon(gate)
        # Reverse path filtering stays strict: the rule that brings connections here is also how the kernel looks for the way
        # back of the answers, which come in the peer's name.
        families(mail, "edge: intercepted, and delivered from the box's address", lambda family: [
            "220 %s ESMTP" % ("[%s]" % WAN["v4"][1] if family == "v4" else "[IPv6:%s]" % WAN["v6"][1]),
            "250 2.1.5 from " + TRANSIT[family][1], "250 ok"])
        daemon.stop()
        families(dial, "edge: proxy dead: refused", lambda family: "refused")
        gate.rules("remove")
        check("edge: remove leaves no trace", gate.saved() == before)
        families(lambda to: dial(to, patience=1), "edge: without rules the box forwards nothing", lambda family: "timeout")
        sh("ip link set transit0 down", ROUTER)
        for family in ("v4", "v6"):
            got = inside(MTA, 0, dial(WAN[family][1], patience=1))
            check("edge: box gone: no way past it, " + family, got not in ("220 sink", "refused") and "220" not in got, got)
        check("edge: nothing but the proxy's mail reached the Internet", all("mail from 10." not in sink.text() and "mail from fd" not in sink.text() for sink in sinks))
    finally:
        gate.rules("remove", must=None)
        shutil.rmtree(gate.folder)
        for sink in sinks:
            sink.stop()
        gateway.clean()
