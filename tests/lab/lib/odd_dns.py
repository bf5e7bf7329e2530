#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Name servers with habits, in front of one without. Usage: odd_dns.py UPSTREAM {ADDRESS: HABITS}

HABITS: {"answer": {TYPE: RCODE}}  what queries of this type ("*": any) get; null: nothing at all
        "truncate": true           over UDP nothing but the TC bit
        "no_tcp": true             nobody listens on TCP
All other queries are handed to UPSTREAM and its answers come back as they are.
"""

import json
import socket
import struct
import sys
import threading

TYPES = {"A": 1, "CNAME": 5, "MX": 15, "AAAA": 28, "DNSKEY": 48, "TLSA": 52}


def question_end(query):
    at = 12
    while query[at]:
        at += query[at] + 1
    return at + 5


def head_only(query, rcode, truncated=False):
    """An answer without any record: the question, RCODE and TC."""
    end = question_end(query)
    flags = 0x8400 | (struct.unpack("!H", query[2:4])[0] & 0x0110) | (0x0200 if truncated else 0) | rcode
    return query[:2] + struct.pack("!HHHHH", flags, 1, 0, 0, 0) + query[12:end]


class Server:
    def __init__(self, upstream, address, habits):
        self.upstream = upstream
        self.truncate = habits.get("truncate", False)
        self.answers = {TYPES.get(kind, kind): rcode for kind, rcode in habits.get("answer", {}).items()}
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.bind((address, 53))
        self.tcp = None if habits.get("no_tcp") else socket.create_server((address, 53), backlog=64)

    def start(self):
        threading.Thread(target=self.serve_udp, daemon=True).start()
        if self.tcp:
            threading.Thread(target=self.serve_tcp, daemon=True).start()

    def own_answer(self, query):
        """(whether the habits decide, the answer or None for silence)"""
        end = question_end(query)
        kind = struct.unpack("!H", query[end - 4:end - 2])[0]
        for key in (kind, "*"):
            if key in self.answers:
                rcode = self.answers[key]
                return True, None if rcode is None else head_only(query, rcode)
        return False, None

    def serve_udp(self):
        while True:
            query, client = self.udp.recvfrom(4096)
            threading.Thread(target=self.datagram, args=(query, client), daemon=True).start()

    def datagram(self, query, client):
        mine, answer = self.own_answer(query)
        if not mine and self.truncate:
            mine, answer = True, head_only(query, 0, truncated=True)
        if not mine:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.settimeout(5)
                sock.sendto(query, (self.upstream, 53))
                answer = sock.recv(65536)
        if answer is not None:
            self.udp.sendto(answer, client)

    def serve_tcp(self):
        while True:
            sock, _ = self.tcp.accept()
            threading.Thread(target=self.stream, args=(sock,), daemon=True).start()

    def stream(self, sock):
        with sock, socket.create_connection((self.upstream, 53), 5) as upstream:
            sock.settimeout(30)
            while query := message(sock):
                mine, answer = self.own_answer(query)
                if mine and answer is None:
                    continue
                if not mine:
                    upstream.sendall(struct.pack("!H", len(query)) + query)
                    answer = message(upstream)
                sock.sendall(struct.pack("!H", len(answer)) + answer)


def message(sock):
    """One length-prefixed DNS message, or b"" at the end."""
    head = exactly(sock, 2)
    return exactly(sock, struct.unpack("!H", head)[0]) if len(head) == 2 else b""


def exactly(sock, count):
    data = b""
    while len(data) < count:
        part = sock.recv(count - len(data))
        if not part:
            return b""
        data += part
    return data


def main():
    upstream, table = sys.argv[1:]
    servers = [Server(upstream, address, habits) for address, habits in json.loads(table).items()]
    for server in servers:
        server.start()
    print("ready", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
