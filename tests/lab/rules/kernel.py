# SPDX-License-Identifier: GPL-2.0-or-later
"""Namespaces, processes and connections of the rules test."""
import ctypes
import fcntl
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time
import traceback

TOP = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
DANEGATE = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else os.environ.get("DANEGATE", TOP + "/build/danegate"))
PROBE = os.path.abspath(sys.argv[2] if len(sys.argv) > 2 else os.environ.get(
    "ORIGINAL_DESTINATION_PROBE", os.path.join(os.path.dirname(DANEGATE), "original_destination_probe")))
SIOCOUTQNSD = 0x894B  # tcp(7)'s SIOCOUTQ without what is only not acknowledged (linux/sockios.h)
LIBC = ctypes.CDLL(None, use_errno=True)
OWN, MTA, MALLORY = 1, 12345, 23456  # uid 1 is Debian's user "daemon": nothing needs to be created
TAG = str(os.getpid())
results = {True: 0, False: 0}
names = {}  # of the checks that ran: whether all of that name were good


def check(name, good, detail=""):
    results[bool(good)] += 1
    names[name] = bool(good) and names.get(name, True)
    print(("ok   " if good else "FAIL ") + name + ("" if good or detail == "" else ": " + repr(detail)))
    sys.stdout.flush()


def side_by_side(parts):
    """Runs each function in a process of its own; what they print and check comes out in their order."""
    running = []
    for part in parts:
        text, counted = tempfile.TemporaryFile("w+"), tempfile.TemporaryFile("w+")
        sys.stdout.flush()
        child = os.fork()
        if child == 0:
            os.dup2(text.fileno(), 1)
            results.update({True: 0, False: 0})
            names.clear()
            try:
                part()
            except BaseException as error:
                check("the test itself", False, error)
                traceback.print_exc(file=sys.stdout)
            json.dump([results[True], results[False], names], counted)
            counted.flush()
            sys.stdout.flush()
            os._exit(0)
        running.append((child, text, counted))
    for child, text, counted in running:
        os.waitpid(child, 0)
        for file in (text, counted):
            file.seek(0)
        print(text.read(), end="", flush=True)
        good, bad, seen = json.loads(counted.read() or '[0, 1, {}]')
        results[True] += good
        results[False] += bad
        names.update(seen)


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


def dial(address, port=25, source=None, patience=2, mark=0):
    """What a client sees: the first line, "refused", "reset" or "timeout"."""
    def run():
        with socket.socket(family(address)) as client:
            client.settimeout(patience)
            if mark:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, mark)
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


def speak_smtp(peer, source, log):
    """A mail server that answers RCPT with where the connection comes from."""
    lines = peer.makefile("rb")
    for line in lines:
        log.write("data %s\n" % line.decode().strip())
        log.flush()
        verb = line[:4].upper()
        if verb == b"DATA":
            peer.sendall(b"354 go\r\n")
            for part in lines:
                if part == b".\r\n":
                    break
            log.write("mail from %s\n" % source)
            log.flush()
        peer.sendall(("250 2.1.5 from %s\r\n" % source).encode() if verb == b"RCPT" else b"250 ok\r\n")
        if verb == b"QUIT":
            return


def mail(address, source=None):
    """One message: the greeting, the reply to RCPT, the reply to the end of data; or what went wrong."""
    def run():
        with socket.socket(family(address)) as client:
            client.settimeout(8)
            if source:
                client.bind((source, 0))
            try:
                client.connect((address, 25))
                lines = client.makefile("rb")
                greeting = lines.readline().decode().strip()
                answers = []
                for command in ("EHLO mta.test", "MAIL FROM:<a@mta.test>", "RCPT TO:<b@example.org>", "DATA", "x\r\n."):
                    client.sendall((command + "\r\n").encode())
                    while (line := lines.readline().decode().strip())[3:4] == "-":
                        pass
                    answers.append(line)
                return [greeting, answers[2], answers[4]]
            except OSError as error:
                return [type(error).__name__]
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
            peer, source = server.accept()
            if os.fork():
                peer.close()
                continue
            server.close()
            signal.alarm(60)
            end = "eof"
            try:
                peer.sendall((greeting + "\r\n").encode())
                if greeting.startswith("220"):
                    speak_smtp(peer, source[0], log)
                while data := peer.recv(4096):
                    log.write("data %s\n" % data.decode().strip())
                    log.flush()
                    if b"slam" in data:
                        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        peer.close()
                        os._exit(0)
                    if b"slow" in data:
                        time.sleep(1)  # so that the sender has closed, and still has something to say
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


def make_namespace(name):
    """Its devices' link-local addresses are good at once: while one is under duplicate address detection, nobody who is not known
    is asked for, and a connection may wait for a second or two."""
    sh("ip netns add " + name)
    sh("sysctl -qw net.ipv6.conf.default.accept_dad=0", name)
    sh("ip link set lo up", name)


def conversation(address, before_second, first=b"one\r\n", second=b"two\r\n", source=None):
    """Dials, says `first`, waits until told, then says `second`: "eof", "open" or the error."""
    def run():
        client = socket.create_connection((address, 25), 5, source)
        client.settimeout(3)
        client.recv(100)
        client.sendall(first)
        before_second()
        try:
            client.sendall(second)
            time.sleep(0.3)
            client.sendall(second)
            return "open" if client.recv(100) else "eof"
        except TimeoutError:
            return "open"
        except OSError as error:
            return type(error).__name__
    return run


def closed_early(address):
    """More than the peer, which waits first, has room for: whether some of it was left for the kernel to say behind close()."""
    def run():
        with socket.create_connection((address, 25), 5) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
            client.recv(100)
            client.sendall(b"slow\r\n" + b"bulk" * 50000)
            return struct.unpack("i", fcntl.ioctl(client, SIOCOUTQNSD, bytes(4)))[0] > 0
    return run


def flow_across(where, user, address, step, first=b"one\r\n", second=b"two\r\n", pause=0, source=None):
    """A connection that is there before `step`, which is taken between `first` and `second`; `pause`: seconds behind it. What
    conversation() gives."""
    asked, told = os.pipe()
    heard, tell = os.pipe()
    read, write = os.pipe()

    def taken():
        os.write(told, b"1")
        os.read(heard, 1)
        time.sleep(pause)

    child = os.fork()
    if child == 0:
        os.write(write, inside(where, user, conversation(address, taken, first, second, source=source)).encode())
        os._exit(0)
    os.close(told)
    os.read(asked, 1)
    step()
    os.write(tell, b"1")
    got = os.read(read, 100).decode()
    os.waitpid(child, 0)
    for fd in (asked, heard, tell, read, write):
        os.close(fd)
    return got
