# SPDX-License-Identifier: GPL-2.0-or-later
"""A client that says exactly what it is told to: for octets that no MTA would send."""

import socket


class Smtp:
    """A connection from a node, as the legacy MTA would make it (and so through the proxy)."""

    def __init__(self, node, address, port=25, timeout=60, connected=None):
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = connected or node.socket(family)
        self.socket.settimeout(timeout)
        if connected is None:
            self.socket.connect((address, port))
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        """(code, lines). Code 0: the connection was closed."""
        lines = []
        while True:
            while b"\n" not in self.buffer:
                try:
                    data = self.socket.recv(65536)
                except ConnectionResetError:
                    data = b""
                if not data:
                    return 0, lines
                self.buffer += data
            line, self.buffer = self.buffer.split(b"\n", 1)
            lines.append(line.rstrip(b"\r").decode("utf-8", "surrogateescape"))
            if lines[-1][3:4] != "-":
                return int(lines[-1][:3]), lines

    def say(self, line):
        self.send(line.encode("utf-8", "surrogateescape") + b"\r\n")
        return self.reply()

    def hello(self, name="client.example"):
        """Greeting and EHLO. Returns the EHLO reply's lines."""
        code, lines = self.reply()
        if code != 220:
            raise RuntimeError(f"greeting {lines}")
        code, lines = self.say(f"EHLO {name}")
        if code != 250:
            raise RuntimeError(f"EHLO: {lines}")
        return lines

    def envelope(self, sender, *recipients):
        """MAIL and RCPTs; returns the replies to the RCPTs."""
        code, lines = self.say(f"MAIL FROM:<{sender}>")
        if code != 250:
            raise RuntimeError(f"MAIL: {lines}")
        return [self.say(f"RCPT TO:<{recipient}>") for recipient in recipients]

    def data(self, content):
        """DATA with these octets and the end of data behind them. Returns the final reply, or DATA's if it was refused."""
        code, lines = self.say("DATA")
        if code != 354:
            return code, lines
        self.send(content + b".\r\n")
        return self.reply()

    def close(self):
        self.socket.close()
