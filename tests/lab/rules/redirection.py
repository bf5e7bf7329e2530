# SPDX-License-Identifier: GPL-2.0-or-later
"""Scope output: what is redirected, and what is not."""
from .host import BOX, HOST, HOST4, HOST6, HUB4, HUB6, NET, NET4, NET6, Proxy
from .kernel import MALLORY, MTA, OWN, Server, check, dial, inside


def run(lab):
    lab.config("")
    proxies = [Proxy("127.0.0.1"), Proxy("::1")]
    lab.rules("apply")
    for address, hub in ((NET4, HUB4), (NET6, HUB6)):
        check("original destination " + address, (got := inside(HOST, MTA, dial(address))) == address + " 25", got)
        check("root too " + address, (got := inside(HOST, 0, dial(address))) == address + " 25", got)
        check("own user is not redirected " + address, (got := inside(HOST, OWN, dial(address))) == "SINK", got)
        check("excluded destination " + hub, (got := inside(HOST, MTA, dial(hub))) == "SINK", got)
    local = [Server(HOST, 0, HOST4, 25, "LOCAL"), Server(HOST, 0, HOST6, 25, "LOCAL")]
    check("LOCAL destination", (got := inside(HOST, MTA, dial(HOST4))) == "LOCAL", got)
    check("LOCAL destination v6", (got := inside(HOST, MTA, dial(HOST6))) == "LOCAL", got)
    check("inbound mail", (got := inside(NET, 0, dial(HOST4))) == "LOCAL", got)
    bridge = [Server(HOST, 0, "172.30.0.1", 25, "LOCAL"), Server(HOST, MTA, "172.30.0.1", 2525, "LOCAL")]
    for port in (25, 2525):
        got = inside(BOX, 0, dial("172.30.0.1", port, source=("172.30.0.2", 25)))
        check("inbound from port 25 to port %d (rule 12)" % port, got == "LOCAL", got)
    for server in local + bridge:
        server.stop()
    for address in ("127.0.0.1", "::1"):
        check("dialling the listener is no redirection " + address, (got := inside(HOST, MTA, dial(address, 10025))) == "direct", got)

    lab.config("mark = 7")
    lab.rules("apply")
    for address in (NET4, NET6):
        check("intercept.mark: whose packets carry it gets out " + address, (got := inside(HOST, 0, dial(address, mark=7))) == "SINK", got)
        check("intercept.mark: another mark does not help " + address, (got := inside(HOST, 0, dial(address, mark=6))) == address + " 25", got)
    lab.config('uids = ["%d"]' % MTA)
    lab.rules("apply")
    check("uids: the one", (got := inside(HOST, MTA, dial(NET4))) == NET4 + " 25", got)
    check("uids: another", (got := inside(HOST, MALLORY, dial(NET4))) == "SINK", got)
    for proxy in proxies:
        proxy.stop()

    dual = Proxy("::")
    lab.config("", listen='addresses = ["0.0.0.0:10025", "[::]:10025"]')
    lab.rules("apply")
    check("a dual-stack listener, IPv4", (got := inside(HOST, MTA, dial(NET4))) == NET4 + " 25", got)
    check("a dual-stack listener, IPv6", (got := inside(HOST, MTA, dial(NET6))) == NET6 + " 25", got)
    check("rule 15: from outside to the listener", (got := inside(NET, 0, dial(HOST4, 10025))) == "refused", got)
    check("rule 15: v6", (got := inside(NET, 0, dial(HOST6, 10025))) == "refused", got)
    dual.stop()
    lab.config("")
    lab.rules("remove")


