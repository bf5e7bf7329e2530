# SPDX-License-Identifier: GPL-2.0-or-later
"""danegate in a client node: its configuration, life, rules and events."""

import json
import os
import re
import signal
import subprocess
import threading

from . import zones
from .growing import GrowingFile
from .node import wait_for, write


def toml(table):
    """The TOML of {section: {key: value} | [{key: value}, …]}; JSON's scalars and arrays are TOML's."""
    lines = []
    for section, content in table.items():
        for part in content if isinstance(content, list) else [content]:
            header = f"[[{section}]]" if isinstance(content, list) else f"[{section}]"
            lines += [header, *(f"{key} = {json.dumps(value)}" for key, value in part.items()), ""]
    return "\n".join(lines)


def merged(base, over):
    result = {section: (list(c) if isinstance(c, list) else dict(c)) for section, c in base.items()}
    for section, content in over.items():
        if isinstance(content, list):
            result[section] = result.get(section, []) + content
        else:
            result[section] = {**result.get(section, {}), **content}
    return result


class Proxy:
    """settings: configuration over the lab's, as toml() takes it."""

    def __init__(self, node, program, pki, dns, settings):
        self.node = node
        self.program = program
        self.config = f"{node.dir}/danegate.toml"
        self.log = f"{node.dir}/danegate.log"
        self._events = []
        self._lines = GrowingFile(self.log)
        self._lock = threading.Lock()
        control = f"{node.dir}/control"
        os.mkdir(control, 0o750)
        node.run("chown", "danegate", control)
        self.settings = merged({
            "listen": {"workers": 1},
            "dns": {"mode": "stub", "servers": [zones.HONEST], "trust_anchor": dns.trust_anchor,
                    "root_hints": dns.root_hints},
            "tls": {"ca_file": pki.ca.cert},
            "intercept": {"user": "danegate"},
            "log": {"format": "json"},
            "control": {"socket": f"{control}/control.sock"},
        }, settings)
        self.write_config(self.settings)
        self.process = None
        self._marks = 0  # of "ready" events before this life

    def write_config(self, settings):
        write(self.config, toml(settings))

    # life

    def start(self, *prefix):
        """prefix: words of another program, which becomes danegate"""
        ready = len(self.events("ready"))
        env = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:abort_on_error=0:exitcode=99", "HOME": "/"}
        self.process = self.node.start("danegate", *prefix, self.program, "run", "-c", self.config, log=self.log, env=env)

        def is_ready():
            if self.process.poll() is not None:
                raise RuntimeError(f"danegate run: exit {self.process.returncode}: {self.tail(15)}")
            return len(self.events("ready")) > ready
        wait_for("danegate is ready", is_ready, 60)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def stop(self, timeout=60):
        """TERM, as a service manager does. Returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return "did not end after SIGTERM"

    def kill(self):
        """As the out-of-memory killer does: the daemon, and whatever it had forked must end by itself."""
        self.process.kill()
        self.process.wait()

    def reload(self):
        before = len(self.events("reload"))
        self.process.send_signal(signal.SIGHUP)
        return wait_for("a reload event", lambda: self.events("reload")[before:], 20)

    def command(self, *args, check=False):
        """A subcommand as root in the node. Returns CompletedProcess."""
        return subprocess.run(self.node.enter(self.program, *args), capture_output=True, text=True, check=check, timeout=180)

    def rules(self, verb):
        done = self.command("rules", verb, "-c", self.config)
        if done.returncode != 0:
            raise RuntimeError(f"rules {verb}: exit {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    # descriptors

    def family(self):
        """The daemon's pid and its descendants'."""
        pids = [self.process.pid]
        for pid in pids:
            for task in _listdir(f"/proc/{pid}/task"):
                pids += [int(child) for child in _read(f"/proc/{pid}/task/{task}/children").split()]
        return pids

    def settled_family(self):
        """The pids of the daemon, its supervisor and its resolver process, once that one has said how it resolves: `ready` does
        not wait for it, look-ups do."""
        def settled():
            pids = self.family()
            status = self.command("status", "--json", "-c", self.config)
            return status.returncode == 0 and json.loads(status.stdout)["resolver"]["ready"] and len(pids) == 3 and pids
        return wait_for("daemon, supervisor and resolver process", settled, 30)

    def descriptors(self):
        """Open descriptors of all its processes together."""
        return sum(len(_listdir(f"/proc/{pid}/fd")) for pid in self.family())

    def memory_kib(self):
        total = 0
        for pid in self.family():
            for line in _read(f"/proc/{pid}/status").splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1])
        return total

    # of the daemon itself, whose memory grows with its sessions

    def resident_kib(self):
        return self._status("VmRSS")

    def reset_peak(self):
        with open(f"/proc/{self.process.pid}/clear_refs", "w", encoding="ascii") as file:
            file.write("5")

    def peak_kib(self):
        return self._status("VmHWM")

    def _status(self, key):
        found = re.search(rf"(?m)^{key}:\s*(\d+) kB", _read(f"/proc/{self.process.pid}/status"))
        return int(found[1])

    # events

    def events(self, kind=None, **fields):
        """Events so far, of one kind, whose fields have the values given."""
        with self._lock:
            self._read()
            return [event for event in self._events if (kind is None or event.get("event") == kind)
                    and all(event.get(key) == value for key, value in fields.items())]

    def _read(self):
        for line in self._lines.new_lines():
            try:
                event = json.loads(line)
            except ValueError:
                event = {"event": "not-json", "line": line.decode("utf-8", "replace")}
            if isinstance(event, dict):
                self._events.append(event)

    def wait_event(self, kind, timeout=30.0, count=1, **fields):
        return wait_for(f"{count} event(s) {kind} {fields}",
                        lambda: (lambda found: found if len(found) >= count else None)(self.events(kind, **fields)), timeout,
                        step=0.05)

    def tail(self, lines=30):
        return "\n".join(_read(self.log).splitlines()[-lines:])


def _listdir(path):
    try:
        return os.listdir(path)
    except (FileNotFoundError, PermissionError):
        return []


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except (FileNotFoundError, ProcessLookupError):
        return ""
