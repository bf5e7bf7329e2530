# SPDX-License-Identifier: GPL-2.0-or-later
"""The runner's end of the scriptable MX: scripts in, records out."""

import base64
import json
import os
import re

from .growing import GrowingFile
from .node import wait_for_port

HERE = os.path.dirname(os.path.abspath(__file__))

# What a client may say outside TLS before it has decided anything.
HARMLESS = {"EHLO", "HELO", "STARTTLS", "QUIT", "RSET", "NOOP"}


class Evil:
    def __init__(self, node):
        self.node = node
        self.scripts = f"{node.dir}/scripts"
        self.records = f"{node.dir}/records"
        os.mkdir(self.scripts)
        os.mkdir(self.records)
        node.start("evil", "/usr/bin/python3", f"{HERE}/evil_mx.py", self.scripts, self.records)
        wait_for_port(node, "evil")

    def set(self, addresses, script):
        """From the next connection on."""
        for address in addresses:
            temporary = f"{self.scripts}/.{address}.tmp"
            with open(temporary, "w", encoding="utf-8") as file:
                json.dump(script, file)
            os.replace(temporary, f"{self.scripts}/{address}.json")

    def _entries(self, addresses):
        return [json.loads(line) for address in addresses for line in GrowingFile(f"{self.records}/{address}.jsonl").new_lines()]

    def unfinished(self, addresses):
        """Connections that have come and not ended."""
        entries = self._entries(addresses)
        ended = sum("closed" in entry for entry in entries)
        return len(entries) - 2 * ended

    def opened(self, addresses):
        """How many connections have come."""
        return sum("closed" not in entry for entry in self._entries(addresses))

    def record(self, addresses):
        """Finished connections, oldest first; `plaintext` and message contents as bytes."""
        found = [entry for entry in self._entries(addresses) if "closed" in entry]
        for entry in found:
            entry["plaintext"] = base64.b64decode(entry["plaintext"])
            for message in entry["messages"]:
                message["content"] = base64.b64decode(message["content"])
        return sorted(found, key=lambda entry: entry["opened"])


def leaks(entry):
    """What of a connection's plaintext should not have been there: command lines other than harmless ones, and any
    envelope or content wherever it hides."""
    plaintext = entry["plaintext"]
    wrong = [m["octets"] for m in entry["messages"] if not m["tls"]]
    wrong += re.findall(rb"(?i)(?:MAIL FROM|RCPT TO|^DATA\r?$|BDAT |AUTH |Subject:|From:)[^\r\n]*", plaintext, re.M)
    lines = plaintext.split(b"\r\n")
    for line in lines:
        verb = line.split(b" ", 1)[0].upper().decode("latin-1")
        if line and verb not in HARMLESS and not line.startswith(b"\x16\x03"):  # a TLS record that no TLS answered
            if b"\x16\x03" in plaintext and plaintext.index(b"\x16\x03") <= plaintext.index(line):
                continue  # inside the ClientHello
            wrong.append(line)
    return wrong
