#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The scriptable MX. Usage: evil_mx.py SCRIPTS RECORDS

Listens on ports 25, 465 (TLS from the first octet on) and 587 of every address of its node. What it does to a connection is told by SCRIPTS/ADDRESS.json, read anew
for each connection, so that a row can change its mind ("then the attack ends"). What it received is told by
RECORDS/ADDRESS.jsonl: {"opened": …} when a connection comes, and one object at its end, with EVERY octet that came outside
TLS.

Script keys, all optional:
  greeting        reply line(s) at connect                                   "220 evil.lab ESMTP"
  extensions      keywords of the EHLO reply, before TLS                     PIPELINING, 8BITMIME, SIZE, STARTTLS
  tls_extensions  the same inside TLS (default: extensions without STARTTLS)
  starttls        reply to STARTTLS                                          "220 go ahead"
  inject          octets sent together with that reply, still in plaintext
  handshake       "ok" | "garbage" | "close" | "hang" | "alert" | "hex:OCTETS" (answer to the ClientHello, then silence)
  cert, key       PEM files;  max_tls, min_tls: "1.1", "1.2", "1.3";  ciphers: OpenSSL's cipher list for TLS 1.2
  raw             true: cert and key are DER, and wolfSSL serves them (wolf.py)
  replies         {"EHLO"|"HELO"|"MAIL"|"RCPT"|"DATA"|"EOD"|"QUIT"|…: reply, or list used up in turn (the last stays)};
                  for RCPT also {"localpart@domain": reply}
  auth            "user:password": AUTH PLAIN and LOGIN are understood, and before RCPT one of them must have succeeded
  drop            stage at which the connection is closed: connect, or a verb as above, or "content:N" after N octets
  reset           true: with RST instead of FIN
  delay           {stage: seconds} before the reply of that stage
  chunk           replies are sent in pieces of so many octets;  pause: seconds between two (0.005)
  early           [N, reply]: said after N octets of content, in the middle of it
  window          octets that its kernel takes before it has read them
  lax             true: a lone dot between line ends of any kind, with or without NULs, is the end of data
  slow            seconds of sleep after each read of content (the reader that keeps a sender waiting);  slow_for: for so long
  idle            seconds without a command, after which it says 421 and closes
"""

import base64
import functools
import hashlib
import json
import os
import re
import select
import socket
import ssl
import struct
import sys
import threading
import time

import wolf

KEEP = 8 << 20  # of content; the hash is over all of it


class Gone(Exception):
    """The connection has ended, by our script or by the other side."""


class Session:
    def __init__(self, sock, script, address, peer):
        self.sock = sock
        self.script = script
        self.buffer = b""
        self.tls = False
        self.used = {}
        self.in_mail = False
        self.authenticated = False
        self.recipients = []
        self.record = {"address": address, "peer": peer[0], "port": peer[1], "opened": time.time(), "plaintext": b"",
                       "commands": [], "tls": None, "sni": None, "messages": [], "end": None, "sent": []}

    # octets

    def receive(self):
        try:
            data = self.sock.recv(65536)
        except (OSError, ssl.SSLError) as error:
            raise Gone(f"recv: {error}") from error
        if not data:
            raise Gone("closed by client")
        if not self.tls:
            self.record["plaintext"] += data
        return data

    def line(self):
        while b"\n" not in self.buffer:
            idle = self.script.get("idle")
            if idle and not getattr(self.sock, "pending", int)() and not select.select([self.sock], [], [], idle)[0]:
                self.reply("421 4.4.2 idle for too long")
                raise Gone("idle")
            self.buffer += self.receive()
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.rstrip(b"\r").decode("utf-8", "surrogateescape")

    def send(self, data):
        size = self.script.get("chunk") or len(data) or 1
        try:
            for at in range(0, len(data), size):
                self.sock.sendall(data[at:at + size])
                if size < len(data):
                    time.sleep(self.script.get("pause", 0.005))
        except (OSError, ssl.SSLError) as error:
            raise Gone(f"send: {error}") from error

    def reply(self, text, extra=b""):
        lines = text if isinstance(text, list) else [text]
        self.record["sent"].append(lines[-1])
        self.send("".join(f"{line}\r\n" for line in lines).encode("utf-8", "surrogateescape") + extra)

    # script

    def stage(self, name):
        time.sleep(self.script.get("delay", {}).get(name, 0))
        if self.script.get("drop") == name:
            raise Gone(f"dropped by script at {name}")

    def answer(self, verb, default, key=None):
        chosen = self.script.get("replies", {})
        name = key if key in chosen else verb
        value = chosen.get(name, default)
        if isinstance(value, list) and name in chosen:
            turn = self.used.get(name, 0)
            self.used[name] = turn + 1
            value = value[min(turn, len(value) - 1)]
        return value

    def run(self):
        self.stage("connect")
        if self.sock.getsockname()[1] == 465:
            self.handshake()
        self.reply(self.script.get("greeting", "220 evil.lab ESMTP"))
        while True:
            line = self.line()
            self.record["commands"].append(("tls " if self.tls else "") + line)
            verb = line.split(" ", 1)[0].upper()
            self.stage(verb)
            handler = getattr(self, f"on_{verb.lower()}", None)
            if handler:
                handler(line)
            else:
                self.reply(self.answer(verb, "500 5.5.1 what?"))

    def on_ehlo(self, _line):
        extensions = self.script.get("extensions", ["PIPELINING", "8BITMIME", "SIZE 0", "STARTTLS"])
        if self.tls:
            extensions = self.script.get("tls_extensions", [e for e in extensions if e != "STARTTLS"])
        lines = ["evil.lab", *extensions]
        default = [f"250-{text}" for text in lines[:-1]] + [f"250 {lines[-1]}"]
        self.reply(self.answer("EHLO", default))

    def on_helo(self, _line):
        self.reply(self.answer("HELO", "250 evil.lab"))

    def on_starttls(self, _line):
        text = self.script.get("starttls", "220 2.0.0 go ahead")
        self.reply(text, self.script.get("inject", "").encode())
        if text.startswith("220"):
            self.handshake()

    def handshake(self):
        kind = self.script.get("handshake", "ok")
        if kind == "close":
            raise Gone("closed instead of a handshake")
        if kind == "hang":
            while True:
                self.receive()
        if kind.startswith("hex:"):
            self.receive()
            self.send(bytes.fromhex(kind[4:]))
            while True:
                self.receive()
        if kind in ("garbage", "alert"):
            self.receive()
            self.send(b"\x15\x03\x03\x00\x02\x02\x28" if kind == "alert" else b"\x00garbage, not TLS\r\n" * 20)
            raise Gone(f"{kind} sent")
        if self.buffer:
            raise Gone("client sent plaintext behind STARTTLS")
        try:
            self.sock = self.wrapped()
        except (OSError, ssl.SSLError) as error:
            raise Gone(f"handshake: {error}") from error
        self.tls = True
        self.record["tls"] = f"{self.sock.version()} {self.sock.cipher()[0]}"
        self.record["resumed"] = getattr(self.sock, "session_reused", None)

    def wrapped(self):
        if self.script.get("raw"):
            return wolf.Channel(self.sock, self.script["cert"], self.script["key"])
        HANDSHAKING.session = self
        return context_of(self.script).wrap_socket(self.sock, server_side=True)

    def on_auth(self, line):
        """RFC 4954, with the mechanisms of RFC 4616 and of old devices."""
        if "auth" not in self.script:
            return self.reply(self.answer("AUTH", "500 5.5.1 what?"))
        user, password = self.script["auth"].split(":")
        words = line.split()
        if words[1].upper() == "LOGIN":
            given = [words[2] if len(words) > 2 else self.ask("VXNlcm5hbWU6"), self.ask("UGFzc3dvcmQ6")]
            known = given == [text_of(part.encode()) for part in (user, password)]
        else:
            given = words[2] if len(words) > 2 else self.ask("")
            known = given == text_of(f"\0{user}\0{password}".encode())
        self.authenticated = known
        return self.reply("235 2.7.0 welcome" if known else "535 5.7.8 wrong")

    def ask(self, challenge):
        self.reply(f"334 {challenge}")
        line = self.line()
        self.record["commands"].append(("tls " if self.tls else "") + line)
        return line

    def on_mail(self, _line):
        self.recipients = []
        text = self.answer("MAIL", "250 2.1.0 ok")
        self.in_mail = text.startswith("250")
        self.reply(text)

    def on_rcpt(self, line):
        found = re.search(r"<([^>]*)>", line)
        recipient = found.group(1) if found else line
        text = self.answer("RCPT", "250 2.1.5 ok", key=recipient) if self.in_mail else "503 5.5.1 MAIL first"
        if text.startswith("250"):
            self.recipients.append(recipient)
        self.reply(text)

    def on_rset(self, _line):
        self.reply(self.answer("RSET", "250 2.0.0 ok"))

    def on_noop(self, _line):
        self.reply("250 2.0.0 ok")

    def on_quit(self, _line):
        self.reply(self.answer("QUIT", "221 2.0.0 bye"))
        if isinstance(self.sock, ssl.SSLSocket):  # without a proper end OpenSSL resumes no session of TLS 1.2
            try:
                self.sock.settimeout(2)
                self.sock.unwrap()
            except OSError:
                pass
        raise Gone("quit")

    def on_data(self, _line):
        text = self.answer("DATA", "354 go ahead" if self.recipients else "554 5.5.1 no recipients")
        self.reply(text)
        if not text.startswith("354"):
            return
        message = {"tls": self.tls, "recipients": self.recipients, "complete": False, "accepted": False, "octets": 0,
                   "content": b""}
        self.record["messages"].append(message)
        self.content(message)
        self.stage("EOD")
        text = self.answer("EOD", "250 2.0.0 queued")
        message["accepted"] = text.startswith("2")
        self.recipients = []
        self.reply(text)

    def content(self, message):
        drop = self.script.get("drop", "")
        early = self.script.get("early")
        slow_until = time.time() + self.script.get("slow_for", 3600)
        limit = int(drop[8:]) if drop.startswith("content:") else None
        digest = hashlib.sha256()
        virtual = 2  # the octets of `held` that are no content: as if a line had just ended, so that an empty one is seen
        held, self.buffer = b"\r\n" + self.buffer, b""
        while True:
            end = self.end_of_data(held)
            sure = end.end(1) if end else max(0, len(held) - 8)  # what can no more belong to the end of data
            content = held[min(virtual, sure):sure]
            virtual = max(0, virtual - sure)
            digest.update(content)
            message["octets"] += len(content)
            message["content"] += content[:max(0, KEEP - len(message["content"]))]
            if limit is not None and message["octets"] >= limit:
                raise Gone(f"dropped by script in content after {message['octets']} octets")
            if early and message["octets"] >= early[0]:
                self.reply(early[1])
                early = None
            if end:
                self.buffer = held[end.end():]
                message["complete"] = True
                message["sha256"] = digest.hexdigest()
                return
            if time.time() < slow_until:
                time.sleep(self.script.get("slow", 0))
            held = held[sure:] + self.receive()

    def end_of_data(self, held):
        if not self.script.get("lax"):
            return STRICT_END.search(held)
        found = LAX_END.search(held)
        return None if found and found.end() == len(held) and held.endswith(b"\r") else found  # an LF may come


STRICT_END = re.compile(rb"(\r\n)\.\r\n")
LAX_END = re.compile(rb"(\r+\n|\r|\n)\0*\.\0*(?:\r+\n|\r|\n)")


@functools.cache
def context(cert, key, ciphers, min_tls, max_tls):
    """One for all connections of a script, so that sessions can be resumed."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if ciphers:
        made.set_ciphers(ciphers)
    made.load_cert_chain(cert, key)
    versions = {"1.1": ssl.TLSVersion.TLSv1_1, "1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
    if max_tls == "1.1":
        made.minimum_version = versions["1.1"]
    if max_tls:
        made.maximum_version = versions[max_tls]
    if min_tls:
        made.minimum_version = versions[min_tls]
    made.sni_callback = saw_name
    return made


def context_of(script):
    return context(*(script.get(key) for key in ("cert", "key", "ciphers", "min_tls", "max_tls")))


def saw_name(_sock, name, _context):
    HANDSHAKING.session.record["sni"] = name


def text_of(value):
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


def serve(sock, peer, scripts, records):
    address = sock.getsockname()[0].removeprefix("::ffff:")
    peer = (peer[0].removeprefix("::ffff:"), peer[1])
    script = {}
    if os.path.exists(f"{scripts}/{address}.json"):
        with open(f"{scripts}/{address}.json", encoding="utf-8") as file:
            script = json.load(file)
    session = Session(sock, script, address, peer)
    if "window" in script:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, script["window"])
    note(records, address, {"opened": session.record["opened"]})
    try:
        sock.settimeout(300)
        session.run()
    except Gone as gone:
        session.record["end"] = str(gone)
    if script.get("reset"):
        session.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    session.record["closed"] = time.time()
    note(records, address, session.record)
    session.sock.close()


def note(records, address, value):
    with LOCK, open(f"{records}/{address}.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(value, default=text_of, ensure_ascii=True) + "\n")


LOCK = threading.Lock()
HANDSHAKING = threading.local()  # .session: whose handshake this thread is in


def main():
    scripts, records = sys.argv[1:]
    for port in (465, 587):
        threading.Thread(target=listen, args=(port, scripts, records), daemon=True).start()
    listen(25, scripts, records)


def listen(port, scripts, records):
    listener = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True, backlog=256)
    while True:
        sock, peer = listener.accept()
        threading.Thread(target=serve, args=(sock, peer, scripts, records), daemon=True).start()


if __name__ == "__main__":
    main()
