# SPDX-License-Identifier: GPL-2.0-or-later
"""One resolver process of danegate, spoken to as a worker does (proxy/dns/frame.h): many look-ups at a time, its CPU
time, its death and its successor."""

import os
import socket
import struct
import subprocess
import threading
import time

TYPES = {"A": 1, "CNAME": 5, "SOA": 6, "MX": 15, "AAAA": 28, "DS": 43, "DNSKEY": 48, "TLSA": 52}
STATUS = ["secure", "insecure", "bogus", "failure", "timeout"]


def wire(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.strip(".").split(".") if label) + b"\0"


def parse_answer(frame):
    """(id, answer) of an answer frame; None for a notice."""
    if frame[0] != 2:
        return None
    at = 8 + frame[7]
    answer = {"rcode": frame[at], "status": STATUS[frame[at + 1]], "nxdomain": bool(frame[at + 2])}
    answer["ttl"] = struct.unpack("!I", frame[at + 3:at + 7])[0]
    at += 8 + frame[at + 7]
    answer["signed"] = None
    if frame[at]:  # inception and expiration of the signature that ends first; its zone
        answer["signed"] = struct.unpack("!II", frame[at + 1:at + 9])
        at += 9 + frame[at + 9]
    at += 1
    count, = struct.unpack("!H", frame[at:at + 2])
    at += 2
    records = []
    for _ in range(count):
        size, = struct.unpack("!H", frame[at:at + 2])
        records.append(frame[at + 2:at + 2 + size])
        at += 2 + size
    answer["records"] = records
    answer["why"] = frame[at + 2:].decode("utf-8", "replace")
    return struct.unpack("!I", frame[1:5])[0], answer


class ResolverProcess:
    def __init__(self, program, lab, mode, servers=(), timeout_ms=8000, resolv_conf="/nonexistent"):
        self.notices = []
        self.answers = {}
        self.changed = threading.Condition()
        self.gone = False
        self.last = 0
        self.near, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = [program, "resolver-process", "--channels", "1", "--mode", mode, "--trust-anchor", lab.anchor,
                 "--root-hints", lab.hints, "--ca-file", lab.path("dot.pem"), "--resolv-conf", resolv_conf,
                 "--timeout-ms", str(timeout_ms)]
        for server in servers:
            words += ["--server", server]
        number = far.fileno()
        # Its channel is descriptor 3, as spawn_resolver() has it.
        self.process = subprocess.Popen(["bash", "-c", 'exec "$@" 3<&%d' % number, "bash", *words], pass_fds=[number],
                                        stderr=open(lab.path("resolver.log"), "a"))
        far.close()
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        while True:
            try:
                frame = self.near.recv(1 << 17)
            except OSError:
                frame = b""
            with self.changed:
                if not frame:
                    self.gone = True
                elif frame[0] == 3:
                    self.notices.append(frame[4:].decode())
                else:
                    number, answer = parse_answer(frame)
                    self.answers[number] = answer
                self.changed.notify_all()
            if not frame:
                return

    def ask(self, name, kind):
        with self.changed:
            self.last += 1
            number = self.last
        question = struct.pack("!BIH", 1, number, TYPES[kind]) + bytes([len(wire(name))]) + wire(name)
        try:
            self.near.send(question)
        except OSError:
            pass
        return number

    def wait(self, number, seconds=15):
        """The answer; "gone" if the process ended first: a worker makes a failure of it."""
        with self.changed:
            self.changed.wait_for(lambda: number in self.answers or self.gone, seconds)
            if number in self.answers:
                return self.answers[number]
            return {"status": "gone" if self.gone else "no answer", "ttl": 0, "records": [], "why": ""}

    def resolve(self, name, kind, seconds=15):
        return self.wait(self.ask(name, kind), seconds)

    def cpu(self):
        """CPU seconds so far."""
        try:
            fields = open("/proc/%d/stat" % self.process.pid).read().rsplit(")", 1)[1].split()
        except OSError:
            return 0.0
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self):
        try:
            self.near.shutdown(socket.SHUT_RDWR)  # closing is not enough: the reader's thread holds it
        except OSError:
            pass
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
        return self.process.wait()
