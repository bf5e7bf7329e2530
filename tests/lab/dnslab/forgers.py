# SPDX-License-Identifier: GPL-2.0-or-later
"""DNS servers that are not to be believed: each is a function from a query to a reply, behind UDP and TCP."""

import re
import socket
import struct
import threading


def exchange(query, address, port=53):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as plain:
        plain.settimeout(3)
        try:
            plain.sendto(query, (address, port))
            return plain.recv(65535)
        except OSError:
            return b""


def exchange_tcp(query, address, port=53):
    with socket.create_connection((address, port), timeout=5) as stream:
        stream.sendall(struct.pack("!H", len(query)) + query)
        file = stream.makefile("rb")
        return file.read(struct.unpack("!H", file.read(2))[0])


def question_end(query):
    at = 12
    while query[at]:
        at += query[at] + 1
    return at + 5


def strip(upstream):
    """Asks on without EDNS, hence without signatures."""
    return lambda query: exchange(query[:10] + b"\0\0" + query[12:question_end(query)], upstream)


def empty(query, flags, rcode=0):
    return query[:2] + bytes([flags, 0x80 | rcode]) + query[4:6] + b"\0" * 6 + query[12:question_end(query)]


def rcode(code):
    return lambda query: empty(query, 0x81, code)


def address_record(octets):
    return b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + octets


def forge(upstream):
    """Every A question of the secure zone is answered with an unsigned record of the attacker; the rest is honest."""
    def treat(query):
        end = question_end(query)
        if not re.search(rb"\x06secure\x03lab\0\0\x01", query[12:end]):
            return exchange(query, upstream)
        return query[:2] + b"\x81\xa0\0\1\0\1\0\0\0\0" + query[12:end] + address_record(socket.inet_aton("192.0.2.66"))
    return treat


def another_question(upstream):
    """A questions are answered as if a record of another name had been asked for, from the same unsigned zone."""
    def treat(query):
        end = question_end(query)
        if query[end - 4:end - 2] != b"\0\1":
            return exchange_tcp(query, upstream)
        other = b"\5other\x08insecure\3lab\0\0\1\0\1"
        return query[:2] + b"\x81\x80\0\1\0\1\0\0\0\0" + other + address_record(socket.inet_aton("192.0.2.66"))
    return treat


def garbage(query):
    return query[:2] + b"\x81\x80\0\1\xff\xff\0\0\0\0" + query[12:question_end(query)] + b"\xc0\xff" * 30


class Forwarder:
    """`datagram`, if given, treats what comes over UDP; `stream`, if not None, is `treat` for TCP."""

    def __init__(self, address, treat, port=53, datagram=None):
        self.treat, self.datagram = treat, datagram or treat
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.plain = socket.socket(family, socket.SOCK_DGRAM)
        self.plain.bind((address, port))
        self.stream = socket.create_server((address, port), family=family)
        threading.Thread(target=self.datagrams, daemon=True).start()
        threading.Thread(target=self.streams, daemon=True).start()

    def datagrams(self):
        while True:
            query, peer = self.plain.recvfrom(65535)
            threading.Thread(target=self.one, args=(query, peer), daemon=True).start()

    def one(self, query, peer):
        self.plain.sendto(self.datagram(query), peer)

    def streams(self):
        while True:
            threading.Thread(target=self.stream_queries, args=(self.stream.accept()[0],), daemon=True).start()

    def stream_queries(self, peer):
        file = peer.makefile("rb")
        while True:
            head = file.read(2)
            if len(head) < 2:
                return peer.close()
            reply = self.treat(file.read(struct.unpack("!H", head)[0]))
            peer.sendall(struct.pack("!H", len(reply)) + reply)


def silent(address):
    plain = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    plain.bind((address, 53))
    return plain, socket.create_server((address, 53))
