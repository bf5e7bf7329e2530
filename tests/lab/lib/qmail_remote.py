#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The dialogue of qmail-remote (qmail 1.03), from its man page and its behaviour. Usage:

    qmail_remote.py HELO-NAME HOST SENDER RECIPIENT...     the message on standard input, with LF line ends

HELO, never EHLO; nothing pipelined; a recipient at a time; no TLS, no extension, no parameter; the octets of a line as they
are, 8-bit or not; a host that answers is the only one that is spoken to, whatever it says: only one that cannot be connected to
is skipped. Writes the reports that qmail-rspawn reads, each ended by NUL: r, h, s for a recipient (accepted, refused for good,
for now) and at last K, D or Z for the message.
"""

import re
import socket
import subprocess
import sys

TIMEOUT_CONNECT, TIMEOUT = 60, 1200


def report(text):
    sys.stdout.write(text + "\0")


def give_up(text):
    report(text)
    sys.stdout.flush()
    sys.exit(0)


def dig(name, kind):
    done = subprocess.run(["dig", "+short", name, kind], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        give_up("ZCNAME lookup failed temporarily. (#4.4.3)\n")
    return done.stdout.splitlines()


def addresses(host):
    """IPv4 addresses of the MX hosts in order of preference: the program knows no other family."""
    hosts = sorted((int(line.split()[0]), line.split()[1]) for line in dig(host, "MX"))
    return [address for _, name in hosts or [(0, host)] for address in dig(name, "A") if re.fullmatch(r"[\d.]+", address)]


class Dialogue:
    def __init__(self, sock):
        self.sock = sock
        self.file = sock.makefile("rb")
        self.text = ""

    def code(self):
        """Of a reply, whose lines end where the fourth octet is no hyphen."""
        self.text = ""
        while True:
            line = self.file.readline()
            if not line:
                give_up("ZConnected but connection died. (#4.4.2)\n")
            self.text += line.decode("utf-8", "replace")
            if line[3:4] != b"-":
                return int(line[:3])

    def say(self, line):
        self.sock.sendall(line.encode("utf-8", "surrogateescape") + b"\r\n")
        return self.code()

    def quit(self, prefix):
        self.sock.sendall(b"QUIT\r\n")
        give_up(f"{prefix}. Remote host said: {self.text}")

    def blast(self, message):
        stuffed = re.sub(rb"(?m)^\.", b"..", message)
        if not stuffed.endswith(b"\n"):
            give_up("ZUnable to read message. (#4.3.0)\n")
        self.sock.sendall(stuffed.replace(b"\n", b"\r\n") + b".\r\n")


def deliver(smtp, helo, sender, recipients, message):
    if smtp.code() != 220:
        smtp.quit("ZConnected but greeting failed")
    if smtp.say(f"HELO {helo}") != 250:
        smtp.quit("ZConnected but my name was rejected")
    code = smtp.say(f"MAIL FROM:<{sender}>")
    if code >= 400:
        smtp.quit(f"{'D' if code >= 500 else 'Z'}Connected but sender was rejected")
    accepted = 0
    for recipient in recipients:
        code = smtp.say(f"RCPT TO:<{recipient}>")
        report(("h" if code >= 500 else "s" if code >= 400 else "r") + smtp.text)
        accepted += code < 400
    if not accepted:
        smtp.quit("DGiving up")
    code = smtp.say("DATA")
    if code >= 400:
        smtp.quit(f"{'D' if code >= 500 else 'Z'}Failed on DATA command")
    smtp.blast(message)
    code = smtp.code()
    smtp.quit(f"{'D' if code >= 500 else 'Z' if code >= 400 else 'K'}Message {'refused' if code >= 400 else 'accepted'}")


def main():
    helo, host, sender, *recipients = sys.argv[1:]
    message = sys.stdin.buffer.read()
    for address in addresses(host):
        try:
            sock = socket.create_connection((address, 25), TIMEOUT_CONNECT)
        except OSError:
            continue
        sock.settimeout(TIMEOUT)
        try:
            deliver(Dialogue(sock), helo, sender, recipients, message)
        except OSError as error:
            give_up(f"ZConnection died: {error}. (#4.4.2)\n")
    give_up("ZSorry, I wasn't able to establish an SMTP connection. (#4.4.1)\n")


if __name__ == "__main__":
    main()
