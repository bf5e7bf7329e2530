# SPDX-License-Identifier: GPL-2.0-or-later
"""An HTTP client in a node that sends what it is told to, and the strict reader of Prometheus' text format."""

import math
import re

HOST, PORT = "127.0.0.1", 9125


class Answer:
    def __init__(self, data):
        head, _, self.body = data.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        self.status = int(lines[0].split(" ")[1]) if lines[0].startswith("HTTP/1.1 ") else 0
        self.fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        self.text = self.body.decode("utf-8")  # and nothing that is not UTF-8

    def __repr__(self):
        return f"{self.status} {self.fields} {self.body[:300]!r}"


def ask(node, octets, timeout=15):
    """What the server says to these octets, until it closes."""
    connection = node.socket()
    connection.settimeout(timeout)
    with connection:
        connection.connect((HOST, PORT))
        connection.sendall(octets)
        data = b""
        while True:
            piece = connection.recv(65536)
            if not piece:
                return Answer(data)
            data += piece


def get(node, path, host=f"{HOST}:{PORT}", method="GET"):
    answer = ask(node, f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n".encode())
    if answer.fields.get("x-content-type-options") != "nosniff" or "content-security-policy" not in answer.fields:
        raise AssertionError(f"headers are missing: {answer}")
    return answer


NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"')


class Metrics:
    """Text format 0.0.4, held to its rules: HELP and TYPE once and first, families in one piece, no series twice, numbers,
    histograms cumulative and complete. Raises ValueError."""

    def __init__(self, text):
        self.types, self.helps, self.samples = {}, {}, {}
        if not text.endswith("\n"):
            raise ValueError("no line end at the end")
        self.current = None
        for line in text[:-1].split("\n"):
            try:
                self._line(line)
            except ValueError as error:
                raise ValueError(f"{error}: {line!r}") from None
        for name, kind in self.types.items():
            if name not in self.helps:
                raise ValueError(f"{name} has no HELP")
            if kind == "histogram":
                self._histogram(name)

    def _line(self, line):
        if line.startswith("# HELP "):
            name, _, text = line[7:].partition(" ")
            if name in self.helps or not text:
                raise ValueError("HELP twice or empty")
            self.helps[name], self.current = text, name
        elif line.startswith("# TYPE "):
            name, kind = line[7:].split(" ")
            if name in self.types or name != self.current or kind not in ("counter", "gauge", "histogram"):
                raise ValueError("TYPE twice, away from HELP, or unknown")
            if (kind == "counter") != name.endswith("_total"):
                raise ValueError("only counters end in _total")
            self.types[name] = kind
        else:
            self._sample(line)

    def _sample(self, line):
        match = SAMPLE.fullmatch(line)
        if not match:
            raise ValueError("no sample")
        name, inside, number = match.groups()
        base = re.sub(r"_(bucket|sum|count)$", "", name) if self.types.get(self.current) == "histogram" else name
        if base != self.current or base not in self.types:
            raise ValueError("outside its family")
        labels = LABEL.findall(inside or "")
        if ",".join(f'{key}="{value}"' for key, value in labels) != (inside or ""):
            raise ValueError("labels")
        if len({key for key, _ in labels}) != len(labels):
            raise ValueError("a label twice")
        key = (name, tuple(sorted(labels)))
        value = float(number)
        if key in self.samples or math.isnan(value) or value < 0:
            raise ValueError("a series twice, or no number that it may be")
        self.samples[key] = value

    def _histogram(self, name):
        buckets = [(float(dict(labels)["le"]), value) for (sample, labels), value in self.samples.items()
                   if sample == name + "_bucket"]
        values = [value for _, value in buckets]
        if [end for end, _ in buckets] != sorted({end for end, _ in buckets}) or values != sorted(values):
            raise ValueError(f"{name}: classes out of order")
        if buckets[-1][0] != math.inf or values[-1] != self.sum(name + "_count") or (name + "_sum", ()) not in self.samples:
            raise ValueError(f"{name}: incomplete")

    def sum(self, name, **labels):
        """Of all series of this name that have these labels."""
        return sum(value for (sample, pairs), value in self.samples.items()
                   if sample == name and set(labels.items()) <= set(pairs))


def metrics(node):
    answer = get(node, "/metrics")
    if answer.status != 200 or answer.fields["content-type"] != "text/plain; version=0.0.4; charset=utf-8":
        raise AssertionError(f"{answer}")
    return Metrics(answer.text)
