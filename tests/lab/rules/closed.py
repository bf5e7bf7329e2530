# SPDX-License-Identifier: GPL-2.0-or-later
"""Scope output: what is refused (security.md rules 12 and 13)."""
import socket
import time

from .host import BOX, HOST, HOST4, HOST6, HUB4, NET, NET4, NET6
from .kernel import MTA, OWN, Server, check, closed_early, dial, family, flow_across, inside, make_namespace, sh


def slammed(address, source):
    """A connection that the peer resets."""
    def run():
        with socket.socket(family(address)) as client:
            client.settimeout(2)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            client.bind(source)
            client.connect((address, 25))
            client.recv(200)
            client.sendall(b"slam\r\n")
            try:
                return client.recv(200).decode()
            except ConnectionResetError:
                return "reset"
    return run


def run_reset_flow(lab):
    """Rule 12: connection tracking remembers a flow of ours that the peer has reset, and takes a SYN from the same port for a
    part of it: not redirected, and with our bit."""
    lab.config("")
    lab.rules("apply")
    for number, address in enumerate((NET4, NET6)):
        source = ("::" if ":" in address else "0.0.0.0", 41000 + number)
        check("the peer resets our flow " + address, (got := inside(HOST, OWN, slammed(address, source))) == "reset", got)
        got = inside(HOST, MTA, dial(address, source=source))
        check("another user's from its port does not get out " + address, got == "refused", got)
        check("ours does " + address, (got := inside(HOST, OWN, dial(address, source=source))) == "SINK", got)
    lab.rules("remove")


def run_older_inbound(lab):
    """Rule 12: a connection that came in from a port of the intercepted number before the rules did."""
    lab.config("ports = [25, 26]")  # the other one's connections of before may still be remembered
    server = Server(HOST, 0, "172.30.0.1", 25, "LOCAL")
    got = flow_across(BOX, 0, "172.30.0.1", lambda: lab.rules("apply"), second=b"greet\r\n", source=("172.30.0.2", 26))
    check("an older connection to a service here, from an intercepted port, goes on (rule 12)", got == "open", got)
    lab.config("")
    lab.rules("remove")
    server.stop()


def run_bridges(lab):
    """Rule 13: which bridges, and what stays inside one."""
    neighbour = BOX + "2"
    make_namespace(neighbour)
    try:
        sh("ip link add box1 type veth peer name eth0 netns " + neighbour, HOST)
        sh("ip link set box1 master br-test up", HOST)
        sh("ip addr add 172.30.0.3/24 dev eth0", neighbour)
        sh("ip link set eth0 up", neighbour)
        lab.rules("apply")
        server = Server(neighbour, 0, "172.30.0.3", 25, "NEIGHBOUR")
        got = inside(BOX, 0, dial("172.30.0.3"))
        # Only with br_netfilter does this come by the rules at all.
        check("mail from one container to another of the bridge is left alone (rule 13)", got == "NEIGHBOUR", got)
        server.stop()
        lab.rules("remove")
    finally:
        sh("ip netns del " + neighbour)
    sh("ip link add lan7 type bridge", HOST)
    said = lab.rules("print")
    sh("ip link del lan7", HOST)
    wanted = [said.count(word) for word in (('iifname "%s"' if lab.variant == "nftables" else "-i %s ") % name for name in (
        ("docker*", "br-*", "lan7") if lab.variant == "nftables" else ("docker+", "br-+", "lan7")))]
    check("bridges that are there, and those that container managers will make (rule 13)", wanted == [4, 4, 4], (wanted, said))


def run_uplink_bridge(lab, bridge):
    """Rule 13: where the way to the outside is itself a bridge, what comes in by it is no container's."""
    def move(addresses_from, addresses_to):
        for address in (HOST4 + "/24", HOST6 + "/64"):
            sh("ip addr del %s dev %s" % (address, addresses_from), HOST)
            sh("ip addr add %s dev %s%s" % (address, addresses_to, " nodad" if ":" in address else ""), HOST)
        for gateway in (NET4, NET6):
            sh("ip -%d route replace default via %s dev %s" % (6 if ":" in gateway else 4, gateway, addresses_to), HOST)

    sh("ip link add %s type bridge" % bridge, HOST)
    sh("ip link set up0 master " + bridge, HOST)
    sh("ip link set %s up" % bridge, HOST)
    move("up0", bridge)
    server = Server(BOX, 0, "172.30.0.2", 25, "CONTAINER")
    try:
        lab.rules("apply")
        got = inside(NET, 0, dial("172.30.0.2"))
        check("mail for a container that comes in by a bridge is left alone (rule 13), " + bridge, got == "CONTAINER", got)
        check("what leaves by that bridge is refused (rule 13), " + bridge, (got := inside(BOX, 0, dial(NET4))) == "refused", got)
        sh("ip route add default dev br-test metric 7", HOST)
        check("check sees that there is another way out (rule 13), " + bridge, "danegate-forward" in lab.rules("check", must=1))
        sh("ip route del default dev br-test metric 7", HOST)
    finally:
        lab.rules("remove")
        server.stop()
        sh("ip link set up0 nomaster", HOST)
        move(bridge, "up0")
        sh("ip link del " + bridge, HOST)


def run_notes(lab):
    """Rule 13: where nothing is forwarded, nobody's mail passes by."""
    lab.rules("apply")
    for v4, v6 in ((0, 0), (0, 1), (1, 0)):
        sh("sysctl -qw net.ipv4.ip_forward=%d net.ipv6.conf.all.forwarding=%d" % (v4, v6), HOST)
        said = lab.rules("check")
        check("check speaks of containers where either family is forwarded (rule 13), IPv4 %d, IPv6 %d" % (v4, v6), ("bridges is rejected" in said) == bool(v4 or v6), said)
    lab.rules("remove")


def run_closed(lab, sinks):
    lab.config("")
    lab.rules("apply")
    for address, sink in ((NET4, sinks[0]), (NET6, sinks[1])):
        seen = sink.text()
        check("listener down: refused " + address, (got := inside(HOST, MTA, dial(address))) == "refused", got)
        lab.lose_redirection(six=":" in address)
        check("redirection lost: refused " + address, (got := inside(HOST, MTA, dial(address))) == "refused", got)
        check("nothing reached the sink " + address, sink.text() == seen)
        check("own user still gets out " + address, (got := inside(HOST, OWN, dial(address))) == "SINK", got)
    check("check names the lost redirection", "danegate-redirect: missing" in lab.rules("check", must=1))
    lab.rules("remove")

    # the peer's packet comes a second after it was greeted
    for name, first, pause in (("our packet first", b"one\r\n", 0), ("the peer's packet first", b"greet\r\n", 1.2)):
        for address, sink in ((NET4, sinks[0]), (NET6, sinks[1])):
            word = "secret-%s-%s" % (name[0], address)
            got = flow_across(HOST, MTA, address, lambda: lab.rules("apply"), first, (word + "\r\n").encode(), pause)
            check("a flow older than apply is cut, %s %s" % (name, address), got in ("ConnectionResetError", "BrokenPipeError", "eof"), got)
            check("and leaks nothing", word not in sink.text())
            lab.rules("remove")
    got = flow_across(BOX, 0, NET4, lambda: lab.rules("apply"), second=b"secret-of-a-container\r\n")
    check("a container's flow older than apply is cut (rules 12 and 13)", got in ("ConnectionResetError", "BrokenPipeError", "eof"), got)
    check("and leaks nothing", "secret-of-a-container" not in sinks[0].text())

    lab.rules("apply")
    left = False
    for _ in range(5):  # on a machine that stood still, the peer may have read all
        before = sinks[0].text().count("end eof")
        left = inside(HOST, OWN, closed_early(NET4))
        for _ in range(50):
            if sinks[0].text().count("end eof") > before:
                break
            time.sleep(0.1)
        if left:
            break
    check("our own closing connection is not cut (rule 12)", left is True and sinks[0].text().count("end eof") > before, left)
    check("containers are refused (rule 13)", (got := inside(BOX, 0, dial(NET4))) == "refused", got)
    check("containers reach excluded hubs", (got := inside(BOX, 0, dial(HUB4))) == "SINK", got)
    lab.config('fail = "open"')
    lab.rules("apply")
    check('fail = "open": containers pass', (got := inside(BOX, 0, dial(NET4))) == "SINK", got)
    check('check names it', "passes the proxy by" in lab.rules("check"))
    lab.config("", listen='addresses = ["127.0.0.1:10025"]')
    lab.rules("apply")
    check("no IPv6 listener: IPv6 is refused, not leaked", (got := inside(HOST, MTA, dial(NET6))) == "refused", got)
    lab.config("")
    lab.rules("remove")


def run(lab, sinks):
    run_closed(lab, sinks)
    run_reset_flow(lab)
    run_older_inbound(lab)
    run_bridges(lab)
    for bridge in ("wan0", "br-out"):  # the second has a name that container managers' may have
        run_uplink_bridge(lab, bridge)
    run_notes(lab)
