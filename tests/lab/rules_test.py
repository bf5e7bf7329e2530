#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`danegate rules` against a real kernel, in network namespaces of its own. Run as root.

  host ---- veth ---- internet       `host` runs the rules; `internet` is the sink on port 25
   |
  br-test ---- container             behind a bridge of the host

usage: rules_test.py [DANEGATE [ORIGINAL_DESTINATION_PROBE]]      last line: N passed, N failed
"""
import ctypes
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
DANEGATE = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("DANEGATE", TOP + "/build/danegate"))
PROBE = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else os.environ.get(
    "ORIGINAL_DESTINATION_PROBE", os.path.join(os.path.dirname(DANEGATE), "original_destination_probe")))
LIBC = ctypes.CDLL(None, use_errno=True)
OWN, MTA, MALLORY = 1, 12345, 23456  # uid 1 is Debian's user "daemon": nothing needs to be created
HOST4, NET4, HUB4 = "203.0.113.1", "203.0.113.2", "198.51.100.7"
HOST6, NET6, HUB6 = "2001:db8:1::1", "2001:db8:1::2", "2001:db8:7::7"
TAG = str(os.getpid())
HOST, NET, BOX = ("dg" + TAG + name for name in ("h", "i", "c"))
passed, failed = 0, 0


def check(name, good, detail=""):
    global passed, failed
    if good:
        passed += 1
        print("ok   " + name)
    else:
        failed += 1
        print("FAIL " + name + ("" if detail == "" else ": " + repr(detail)))
    sys.stdout.flush()


def sh(command, ns=None, text=None, env=None, must=True):
    words = (["ip", "netns", "exec", ns] if ns else []) + (command if isinstance(command, list) else command.split())
    done = subprocess.run(words, input=text, capture_output=True, text=True, timeout=120, env={**os.environ, **(env or {})})
    if must and done.returncode != 0:
        raise RuntimeError("%s: %s" % (" ".join(words), done.stderr))
    return done


def enter(ns, uid):
    fd = os.open("/run/netns/" + ns, os.O_RDONLY)
    if LIBC.setns(fd, 0) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(fd)
    if uid:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)


def inside(ns, uid, function):
    """The (JSON) result of `function`, run by `uid` in `ns`."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            enter(ns, uid)
            result = function()
        except BaseException as error:  # the parent shall see whatever it was
            result = "error: %r" % error
        os.write(write, json.dumps(result).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return json.loads(text) if text else None


def family(address):
    return socket.AF_INET6 if ":" in address else socket.AF_INET


def dial(address, port=25, source=None, patience=2):
    """What a client sees: the first line, "refused", "reset" or "timeout"."""
    def run():
        with socket.socket(family(address)) as client:
            client.settimeout(patience)
            if source:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                client.bind(source)
            try:
                client.connect((address, port))
                return client.recv(200).decode().strip()
            except ConnectionRefusedError:
                return "refused"
            except ConnectionResetError:
                return "reset"
            except TimeoutError:
                return "timeout"
    return run


class Server:
    """Listens in `ns` as `uid`; sends `greeting`, then records what it gets and how it ended."""

    def __init__(self, ns, uid, address, port, greeting="SINK"):
        self.log = tempfile.NamedTemporaryFile("r", delete=False)
        os.chmod(self.log.name, 0o666)
        read, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                log = open(self.log.name, "a")
                os.close(read)
                enter(ns, 0)
                if uid:
                    os.setgroups([])
                    os.setresuid(uid, uid, uid)
                self.serve(address, port, greeting, write, log)
            finally:
                os._exit(1)
        os.close(write)
        assert os.read(read, 1) == b"r", "server did not start"
        os.close(read)

    @staticmethod
    def serve(address, port, greeting, ready, log):
        server = socket.socket(family(address))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family(address) == socket.AF_INET6:
            server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        server.bind((address, port))
        server.listen(16)
        os.write(ready, b"r")
        while True:
            peer, _ = server.accept()
            if os.fork():
                peer.close()
                continue
            server.close()
            signal.alarm(60)
            end = "eof"
            try:
                peer.sendall((greeting + "\r\n").encode())
                while data := peer.recv(4096):
                    log.write("data %s\n" % data.decode().strip())
                    log.flush()
                    if b"slam" in data:
                        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        peer.close()
                        os._exit(0)
                    if b"greet" in data:
                        time.sleep(1)
                        peer.sendall(b"again\r\n")
            except OSError as error:
                end = type(error).__name__
            log.write("end %s\n" % end)
            log.flush()
            os._exit(0)

    def text(self):
        with open(self.log.name) as file:
            return file.read()

    def stop(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.unlink(self.log.name)


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
        self.env = {"DANEGATE_IPTABLES": variant}
        self.variant = variant
        self.folder = tempfile.mkdtemp(prefix="danegate-rules-")
        self.config("")

    def config(self, intercept, listen="", uids=""):
        with open(self.folder + "/conf.toml", "w") as file:
            file.write('[listen]\n%s\n[intercept]\nuser = "daemon"\n'
                       'exclude = ["127.0.0.0/8", "::1/128", "%s/32", "%s"]\n%s\n' % (listen, HUB4, HUB6, intercept))

    def rules(self, verb, must=0, **more):
        done = sh([DANEGATE, "rules", verb, "-c", self.folder + "/conf.toml"], ns=HOST, env=self.env, must=False)
        if must is not None and done.returncode != must:
            check("rules %s exits %d" % (verb, must), False, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def saved(self):
        """iptables-save of both families; comments, counters, and tables and built-in chains without rules aside."""
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

    def tables(self, line, six=False, must=True):
        return sh("%s-%s %s" % ("ip6tables" if six else "iptables", self.variant, line), ns=HOST, must=must)


def build():
    for ns in (HOST, NET, BOX):
        sh("ip netns add " + ns)
        sh("ip link set lo up", ns)
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


FOREIGN = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -m comment --comment "a \\"quoted\\" -j danegate-closed" -j DOCKER
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:DOCKER-USER - [0:0]
:danegated - [0:0]
-A FORWARD -j DOCKER-USER
-A OUTPUT -p tcp -m tcp --dport 4444 -j DROP
-A DOCKER-USER -j RETURN
COMMIT
"""


def test_bookkeeping(lab):
    for program in ("iptables", "ip6tables"):
        sh("%s-%s-restore --noflush" % (program, lab.variant), HOST, text=FOREIGN if program == "iptables" else FOREIGN.replace("127.0.0.0/8", "::1/128"))
    before = lab.saved()
    check("check says that nothing is in force", "no rules are in force" in lab.rules("check", must=1))
    lab.rules("apply")
    once = lab.saved()
    lab.rules("apply")
    check("apply twice = once", once == lab.saved() and once != before)
    check("foreign rules are untouched by apply", [line for line in once if "danegate-" not in line or "quoted" in line] == before)
    said = lab.rules("check")
    check("check is content", "in force as configured" in said, said)
    check("check names what happens to containers (rule 13)", "bridges is rejected" in said, said)
    lab.tables("-D danegate-closed -p tcp -j REJECT --reject-with tcp-reset")
    said = lab.rules("check", must=1)
    check("check names a deleted rule", "IPv4: table filter, chain danegate-closed: missing: -p tcp -j REJECT" in said, said)
    lab.rules("apply")
    lab.tables("-I OUTPUT -p tcp -j ACCEPT", six=True)
    said = lab.rules("check", must=1)
    check("check names a foreign rule before ours", "IPv6: table filter, chain OUTPUT: 1 foreign rule stands before ours" in said, said)
    lab.tables("-D OUTPUT -p tcp -j ACCEPT", six=True)
    lab.rules("remove")
    check("remove restores", lab.saved() == before, lab.saved())
    lab.rules("remove")
    check("remove twice is harmless", lab.saved() == before)
    lab.rules("apply")
    lab.tables("-t nat -D OUTPUT -p tcp -m multiport --dports 25 -j danegate-redirect")
    lab.tables("-F danegate-forward", six=True)
    lab.config("ports = [25, 587]\nmark = 7\nfail = \"open\"")
    check("check sees another configuration", "not of this configuration" in lab.rules("check", must=1))
    lab.rules("remove")
    check("remove restores after hands and another configuration", lab.saved() == before, lab.saved())
    lab.rules("apply")
    lab.config("")
    lab.rules("apply")
    check("apply replaces another configuration's rules", lab.saved() == once)
    processes = [subprocess.Popen(["ip", "netns", "exec", HOST, DANEGATE, "rules", "apply", "-c", lab.folder + "/conf.toml"],
                                  env={**os.environ, **lab.env}) for _ in range(4)]
    check("four at once", [process.wait() for process in processes] == [0] * 4 and lab.saved() == once)
    lab.rules("remove")
    for name in ("-D FORWARD -j DOCKER-USER", "-D OUTPUT -p tcp -m tcp --dport 4444 -j DROP", "-F DOCKER-USER", "-X DOCKER-USER", "-X danegated", "-t nat -F", "-t nat -X"):
        lab.tables(name)
        lab.tables(name, six=True)


def test_redirection(lab, sinks):
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
    check("dialling the listener is no redirection", (got := inside(HOST, MTA, dial("127.0.0.1", 10025))) == "direct", got)

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


def conversation(address, before_second, first=b"one\r\n", second=b"two\r\n", close=False):
    """Dials, says `first`, waits until told, then says `second`: "eof", "open" or the error."""
    def run():
        client = socket.create_connection((address, 25), 5)
        client.settimeout(3)
        client.recv(100)
        client.sendall(first)
        before_second()
        try:
            if close:
                client.sendall(second * 20000)
                client.close()
                return "closed"
            client.sendall(second)
            time.sleep(0.3)
            client.sendall(second)
            return "open" if client.recv(100) else "eof"
        except TimeoutError:
            return "open"
        except OSError as error:
            return type(error).__name__
    return run


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


def test_reset_flow(lab):
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


def test_closed(lab, sinks):
    lab.config("")
    lab.rules("apply")
    for address, sink in ((NET4, sinks[0]), (NET6, sinks[1])):
        seen = sink.text()
        check("listener down: refused " + address, (got := inside(HOST, MTA, dial(address))) == "refused", got)
        lab.tables("-t nat -F danegate-redirect", six=":" in address)
        check("redirection lost: refused " + address, (got := inside(HOST, MTA, dial(address))) == "refused", got)
        check("nothing reached the sink " + address, sink.text() == seen)
        check("own user still gets out " + address, (got := inside(HOST, OWN, dial(address))) == "SINK", got)
    check("check names the lost redirection", "danegate-redirect: missing" in lab.rules("check", must=1))
    lab.rules("remove")

    def applied():
        # This child is inside `host` and MTA: the parent applies.
        os.write(told, b"1")
        time.sleep(1.5)

    for name, first in (("our packet first", b"one\r\n"), ("the peer's packet first", b"greet\r\n")):
        for address, sink in ((NET4, sinks[0]), (NET6, sinks[1])):
            asked, told = os.pipe()
            word = "secret%d" % passed
            read, write = os.pipe()
            if os.fork() == 0:
                os.write(write, inside(HOST, MTA, conversation(address, applied, first, (word + "\r\n").encode())).encode())
                os._exit(0)
            os.read(asked, 1)
            lab.rules("apply")
            got = os.read(read, 100).decode()
            os.wait()
            check("a flow older than apply is cut, %s %s" % (name, address), got in ("ConnectionResetError", "BrokenPipeError", "eof"), got)
            check("and leaks nothing", word not in sink.text())
            for fd in (asked, told, read, write):
                os.close(fd)
            lab.rules("remove")

    lab.rules("apply")
    before = sinks[0].text().count("end eof")
    inside(HOST, OWN, conversation(NET4, lambda: None, second=b"bulk" * 16, close=True))
    for _ in range(50):
        if sinks[0].text().count("end eof") > before:
            break
        time.sleep(0.1)
    check("our own closing connection is not cut (rule 12)", sinks[0].text().count("end eof") > before)
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


def simultaneous_open():
    """Mallory's half of a connection in which both sides send a SYN: finds the client's port, dials it from the proxy's."""
    for _ in range(300):
        with open("/proc/net/tcp") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        waiting = [row[1].split(":") for row in rows if row[3] == "02" and row[2].endswith(":0019")]  # SYN-SENT, port 25
        if not waiting:
            time.sleep(0.01)
            continue
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.settimeout(4)
            try:
                thief.bind(("127.0.0.1", 10025))
                thief.connect((socket.inet_ntoa(bytes.fromhex(waiting[0][0])[::-1]), int(waiting[0][1], 16)))
                thief.sendall(b"MALLORY\r\n")
                return "connected"
            except OSError as error:
                last = "%r" % error
        time.sleep(0.01)
        if "in use" not in last:
            return last
    return "no client seen"


def squat_by_simultaneous_open():
    """A listener, whose answers are dropped, keeps the client sending SYN; then it makes room for the dialling socket."""
    listener = Server(HOST, MALLORY, "127.0.0.1", 10025, "MALLORY")
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, inside(HOST, MTA, dial(NET4, patience=5)).encode())
        os._exit(0)
    time.sleep(0.3)
    if os.fork() == 0:
        inside(HOST, MALLORY, simultaneous_open)
        os._exit(0)
    time.sleep(0.2)
    listener.stop()
    got = os.read(read, 100).decode()
    os.wait()
    os.wait()
    return got


def test_squatting(lab):
    lab.rules("apply")
    for address, own in ((NET4, "127.0.0.1"), (NET6, "::1")):
        thief = Server(HOST, MALLORY, own, 10025, "MALLORY")
        check("squatter gets nothing " + address, (got := inside(HOST, MTA, dial(address))) == "timeout", got)
        said = lab.rules("check", must=1)
        check("check names the squatter", "port 10025 is held by user %d" % MALLORY in said, said)
        thief.stop()
        proxy = Proxy(own)
        check("the proxy does " + address, (got := inside(HOST, MTA, dial(address))) == address + " 25", got)
        lab.rules("check")
        proxy.stop()
    got = squat_by_simultaneous_open()
    check("squatter gets nothing by a simultaneous open", got in ("timeout", "refused"), got)
    lab.rules("remove")
    thief = Server(HOST, MALLORY, "127.0.0.1", 10025, "MALLORY")
    check("remove: direct again, and the port is anybody's", inside(HOST, MTA, dial(NET4)) == "SINK" and
          inside(HOST, MTA, dial("127.0.0.1", 10025)) == "MALLORY")
    thief.stop()


def test_errors(lab):
    done = sh(["setpriv", "--reuid", str(MTA), "--clear-groups", DANEGATE, "rules", "apply"], HOST, must=False)
    check("apply needs root, and says so", done.returncode == 1 and "root" in done.stderr and done.stderr.count("\n") == 1, done.stderr)
    readable = tempfile.mkdtemp(prefix="danegate-rules-")
    os.chmod(readable, 0o755)
    shutil.copy(lab.folder + "/conf.toml", readable + "/conf.toml")
    done = sh(["setpriv", "--reuid", str(MTA), "--clear-groups", DANEGATE, "rules", "print", "-c", readable + "/conf.toml"], HOST, must=False)
    check("print does not", done.returncode == 0 and "*nat" in done.stdout and "# ip6tables-restore" in done.stdout, done.stderr)
    shutil.rmtree(readable)
    with open(lab.folder + "/conf.toml", "w") as file:
        file.write('[intercept]\nuser = "no-such-user"\n')
    check("a user that does not exist", "user 'no-such-user' does not exist: create it with `useradd" in lab.rules("apply", must=1))
    lab.config("")
    if lab.variant != "nft":
        return
    # A private view of /etc/alternatives, in which one program is missing or fails.
    script = ("set -e; cp -a /etc/alternatives %(t)s/alt; %(change)s; mount --make-rprivate /; mount --bind %(t)s/alt /etc/alternatives;"
              "exec %(d)s rules apply -c %(t)s/conf.toml")
    for name, change, want in (
            ("ip6tables fails: IPv4 is rolled back", "printf '#!/bin/sh\\necho broken >&2; exit 3\\n' > %(t)s/bad; chmod +x %(t)s/bad; ln -sf %(t)s/bad %(t)s/alt/ip6tables-restore",
             "IPv6: ip6tables-restore refused the rules: broken; the IPv4 rules were put back as they were"),
            ("iptables is missing", "rm %(t)s/alt/iptables-save %(t)s/alt/iptables", "iptables-save is not installed: apt-get install iptables")):
        values = {"t": lab.folder, "d": DANEGATE}
        before = lab.saved()
        done = sh(["unshare", "-m", "bash", "-c", script % {**values, "change": change % values}], HOST, must=False)
        check(name, done.returncode == 1 and want in done.stderr and done.stderr.count("\n") == 1 and lab.saved() == before, done.stderr)
        shutil.rmtree(lab.folder + "/alt", ignore_errors=True)


def test_two_variants(lab):
    legacy = {"DANEGATE_IPTABLES": "legacy"}
    words = [DANEGATE, "rules", "apply", "-c", lab.folder + "/conf.toml"]
    sh(words, HOST, env=legacy)
    said = lab.rules("apply")
    check("apply warns of the other variant's rules", "iptables-legacy carries IPv4 rules of danegate too" in said, said)
    lab.rules("check", must=1)
    lab.rules("remove")
    left = sh("iptables-legacy-save", HOST).stdout + sh("ip6tables-legacy-save", HOST).stdout
    check("remove takes both away", "danegate-" not in left and lab.saved() == [], left)


def run(variant):
    print("== iptables-" + variant)
    build()
    lab = Lab(variant)
    sinks = [Server(NET, 0, "0.0.0.0", 25), Server(NET, 0, "::", 25)]
    try:
        test_bookkeeping(lab)
        test_redirection(lab, sinks)
        test_closed(lab, sinks)
        test_reset_flow(lab)
        test_squatting(lab)
        test_errors(lab)
        if variant == "nft":
            test_two_variants(lab)
    finally:
        for sink in sinks:
            sink.stop()
        shutil.rmtree(lab.folder)
        clean()


def main():
    if os.geteuid() != 0:
        sys.exit("rules_test.py makes network namespaces: run it as root")
    try:
        for variant in os.environ.get("VARIANTS", "nft legacy").split():
            run(variant)
    except Exception as error:
        check("the test itself", False, error)
        raise
    finally:
        clean()
        print("%d passed, %d failed" % (passed, failed))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
