# SPDX-License-Identifier: GPL-2.0-or-later
"""A node: one machine of the lab, as a network, mount and UTS namespace with its own /etc, /usr additions and /var.

The runner's own network namespace is the router between the nodes; it has no way out.
"""

import ipaddress
import os
import resource
import shutil
import signal
import socket
import subprocess
import threading
import time

from . import sandbox

LANS = {  # bridge in the router's namespace: its address in both families
    "clients": ("192.0.2.1/25", "2001:db8:1::1/64"),
    "dns": ("198.51.100.1/25", "2001:db8:2::1/64"),
    # the servers': with a second and third IPv4 network, because every row has an address of the scripted MX to itself
    "mx": ("203.0.113.1/24", "2001:db8:3::1/64", "198.51.100.129/25", "192.0.2.129/25"),
}

# Accounts the packages would have made; appended to the nodes' own passwd and group when the machine lacks them.
USERS = {"postfix": 6101, "Debian-exim": 6102, "danegate": 6103, "vmail": 6104, "story": 6105, "smmta": 6106, "smmsp": 6107,
         "opensmtpd": 6108, "opensmtpq": 6109, "courier": 6111}
GROUPS = {"postdrop": 6110}

NSSWITCH = "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nservices: files\nprotocols: files\n"


def run(*command, **options):
    """A command that must succeed; its output on failure is the message."""
    done = subprocess.run([str(word) for word in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=options.pop("stdin", subprocess.DEVNULL), text=True, check=False, **options)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}: {done.stdout.strip()}")
    return done.stdout


def make_router():
    run("ip", "link", "set", "lo", "up")
    sysctl("ipv4/ip_forward", 1)
    sysctl("ipv6/conf/all/forwarding", 1)
    sysctl("ipv6/conf/default/accept_dad", 0)
    for lan, addresses in LANS.items():
        run("ip", "link", "add", f"br-{lan}", "type", "bridge", "mcast_snooping", "0")
        for address in addresses:
            run("ip", "addr", "add", address, "dev", f"br-{lan}", *(["nodad"] if ":" in address else []))
        run("ip", "link", "set", f"br-{lan}", "up")


def sysctl(name, value):
    with open(f"/proc/sys/net/{name}", "w", encoding="ascii") as file:
        file.write(str(value))


def write(path, text, mode=0o644):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    os.chmod(path, mode)


class Node:
    """name: also the machine's host name unless `hostname` is given. addresses: of its LAN, the first of each family is
    the source of what it sends. packages: unpacked Debian packages that appear in its /usr."""

    def __init__(self, name, lan, addresses, resolver, hostname=None, packages=()):
        self.name = name
        self.lan = lan
        self.addresses = [ipaddress.ip_address(a) for a in addresses]
        self.hostname = hostname or name
        self.dir = f"{sandbox.ROOM}/{name}"
        self.etc = f"{self.dir}/etc"
        self.var = f"{self.dir}/var"
        self.processes = {}
        self._lock = threading.Lock()
        self._make_files(resolver)
        self._make_namespaces(packages)
        self._make_network()

    @property
    def v4(self):
        return str(next(a for a in self.addresses if a.version == 4))

    @property
    def v6(self):
        return str(next(a for a in self.addresses if a.version == 6))

    def _make_files(self, resolver):
        for path in ("etc", "etc.work", "usr", "usr.work", "var/spool", "var/lib", "var/log", "var/mail", "var/cache"):
            os.makedirs(f"{self.dir}/{path}")
        os.mkdir(f"{self.var}/tmp")
        os.chmod(f"{self.var}/tmp", 0o1777)
        os.symlink("/run", f"{self.var}/run")
        write(f"{self.etc}/resolv.conf", "".join(f"nameserver {a}\n" for a in resolver) + "options timeout:5 attempts:2\n")
        write(f"{self.etc}/nsswitch.conf", NSSWITCH)
        short = self.hostname.split(".")[0]
        write(f"{self.etc}/hosts", f"127.0.0.1 localhost\n::1 localhost\n{self.addresses[0]} {self.hostname} {short}\n")
        write(f"{self.etc}/hostname", short + "\n")
        write(f"{self.etc}/mailname", self.hostname + "\n")
        self._make_accounts()

    def _make_accounts(self):
        accounts = {}
        for base in ("passwd", "group"):
            with open(f"/etc/{base}", encoding="utf-8") as file:
                accounts[base] = file.read()
        have = {base: {line.split(":")[0] for line in text.splitlines()} for base, text in accounts.items()}
        for name, number in {**USERS, **GROUPS}.items():
            if name not in have["group"]:
                accounts["group"] += f"{name}:x:{number}:\n"
            if name in USERS and name not in have["passwd"]:
                accounts["passwd"] += f"{name}:x:{number}:{number}::/nonexistent:/usr/sbin/nologin\n"
        for base, text in accounts.items():
            write(f"{self.etc}/{base}", text)

    def _make_namespaces(self, packages):
        ready, ready_end = os.pipe()
        self.holder = os.fork()
        if self.holder == 0:
            try:
                self._become_holder(packages)
                os.write(ready_end, b"y")
                os.close(ready_end)
                while True:
                    signal.pause()
            except BaseException as error:  # pylint: disable=broad-except
                os.write(2, f"{self.name}: {error}\n".encode())
            finally:
                os._exit(1)
        os.close(ready_end)
        if os.read(ready, 1) != b"y":
            raise RuntimeError(f"node {self.name} could not be made")
        os.close(ready)

    def _become_holder(self, packages):
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # ^C reaches the whole group; the runner still needs its nodes then
        sandbox.unshare(sandbox.CLONE_NEWNS | sandbox.CLONE_NEWNET | sandbox.CLONE_NEWUTS)
        run("mount", "--make-rprivate", "/")
        run("mount", "-t", "sysfs", "sysfs", "/sys")
        run("hostname", self.hostname)
        self._overlay("/etc", [])
        self._overlay("/usr", [f"{package}/usr" for package in packages])
        run("mount", "--bind", self.var, "/var")

    def _overlay(self, where, lowers):
        upper = self.dir + where
        lower = ":".join([*lowers, where])
        run("mount", "-t", "overlay", "overlay", "-o", f"lowerdir={lower},upperdir={upper},workdir={upper}.work", where)

    def _make_network(self):
        outside = f"v-{self.name}"[:15]
        inside = f"w-{self.name}"[:15]
        gateways = [ipaddress.ip_interface(a) for a in LANS[self.lan]]
        run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside)
        run("ip", "link", "set", outside, "master", f"br-{self.lan}", "up")
        run("ip", "link", "set", inside, "netns", self.holder)
        lines = ["link set lo up", f"link set {inside} name eth0", "link set eth0 up"]
        routed = set()
        for gateway in gateways:
            family = [a for a in self.addresses if a in gateway.network]
            for address in family:
                nodad = " nodad" if address.version == 6 else ""
                lines.append(f"addr add {address}/{gateway.network.prefixlen} dev eth0{nodad}")
            if family and gateway.version not in routed:
                routed.add(gateway.version)
                everything = "::/0" if gateway.version == 6 else "0.0.0.0/0"
                lines.append(f"route add {everything} via {gateway.ip} src {family[0]}")
        batch = f"{self.dir}/ip.batch"
        write(batch, "\n".join(lines) + "\n")
        self.run("ip", "-batch", batch)

    # commands and daemons

    def enter(self, *command):
        return ["nsenter", "--target", str(self.holder), "--net", "--mount", "--uts", "--", *map(str, command)]

    def run(self, *command, **options):
        return run(*self.enter(*command), **options)

    def popen(self, *command, **options):
        return subprocess.Popen(self.enter(*command), **options)  # pylint: disable=consider-using-with

    def socket(self, family=socket.AF_INET):
        """A TCP socket of the runner that lives in this node's network. Its user is root."""
        return self._made_here(lambda: socket.socket(family, socket.SOCK_STREAM))

    def sockets(self, number, address):
        """So many, connected."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(hard, number + 4096)), hard))
        return self._made_here(lambda: [socket.create_connection(address, timeout=60) for _ in range(number)])

    def _made_here(self, make):
        made = []

        def enter():  # setns() is the thread's own affair
            descriptor = os.open(f"/proc/{self.holder}/ns/net", os.O_RDONLY)
            try:
                sandbox.setns(descriptor, sandbox.CLONE_NEWNET)
                made.append(make())
            finally:
                os.close(descriptor)
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        return made[0]

    def start(self, label, *command, log=None, **options):
        """A daemon that stays in the foreground; its output goes to NODE/LABEL.log."""
        path = log or f"{self.dir}/{label}.log"
        with open(path, "ab") as file:
            process = self.popen(*command, stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
                                 **options)
        with self._lock:
            self.processes[label] = process
        return process

    def stop(self, label, grace=5.0):
        with self._lock:
            process = self.processes.pop(label, None)
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(grace)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill(self, label):
        """The daemon and the processes of its group, without a word of warning."""
        with self._lock:
            process = self.processes.pop(label)
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def remove(self):
        for label in list(self.processes):
            self.stop(label)
        try:
            os.kill(self.holder, signal.SIGKILL)
            os.waitpid(self.holder, 0)
        except (ProcessLookupError, ChildProcessError):
            pass

    def keep(self, target):
        """Copies what is worth reading after the run."""
        for path in ("etc/postfix/main.cf", "var/log"):
            source = f"{self.dir}/{path}"
            if os.path.isdir(source):
                shutil.copytree(source, f"{target}/{self.name}/{path}", dirs_exist_ok=True)
        for entry in os.scandir(self.dir):
            if entry.is_file():
                os.makedirs(f"{target}/{self.name}", exist_ok=True)
                shutil.copy(entry.path, f"{target}/{self.name}/{entry.name}")


def wait_for_port(node, label, port=25):
    """Until the daemon started under `label` listens."""
    process = node.processes[label]

    def listens():
        if process.poll() is not None:
            raise RuntimeError(f"{label} at {node.name}: exit {process.returncode}")
        return f":{port} " in node.run("ss", "-Hltn")
    wait_for(f"{label} at {node.name} listens on {port}", listens, step=0.1)


def wait_for(what, probe, timeout=20.0, step=0.02):
    """Polls until probe() is true; returns its value. Raises TimeoutError naming `what`."""
    end = time.monotonic() + timeout
    while True:
        value = probe()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(step)
