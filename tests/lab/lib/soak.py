# SPDX-License-Identifier: GPL-2.0-or-later
"""Mixed traffic, faults, and the accounts of both: what the row `soak` (rows/soak.py) is made of."""

import glob
import hashlib
import json
import os
import random
import re
import struct
import subprocess
import threading
import time
from dataclasses import dataclass

from . import mailbox
from .evil import leaks
from .case import evil_body
from .node import run, wait_for
from .smtp import Smtp

BACKLOG = 60  # messages in a client's queue, above which it is given no more
PACE = 0.4  # seconds between two messages of one client
PUSH = 6.0  # seconds between two runs of a client's queue

# What the scripted MX does to the connections of the next second or two. A peer that drops at EOD has the whole message and
# does not answer.
MOODS = [{}, {}, {}, {"chunk": 2}, {"slow": 0.01}, {"delay": {"EOD": 1}}, {"drop": "content:500"}, {"drop": "content:500", "reset": True},
         {"drop": "EOD"}, {"drop": "EOD", "reset": True}, {"drop": "RCPT"}, {"drop": "DATA"}, {"drop": "connect"}, {"drop": "EHLO", "reset": True},
         {"replies": {"RCPT": "451 4.2.1 not now"}}, {"replies": {"EOD": "452 4.3.1 not now"}}, {"replies": {"DATA": "451 4.3.0 no"}},
         {"replies": {"MAIL": "451 4.3.0 no"}}, {"replies": {"RCPT": "421 4.3.2 bye"}}, {"greeting": "421 4.3.2 busy"},
         {"greeting": "554 5.7.1 not you"}, {"cert": "evil"}, {"handshake": "garbage"}, {"handshake": "close"},
         {"extensions": ["PIPELINING"]}, {"extensions": ["STARTTLS"]}, {"starttls": "454 4.7.0 not now"}, {"inject": "250 injected\r\n"}]


@dataclass
class Message:
    """One recipient's message. server: whose mailbox it belongs into; "": it must stay in the queue."""
    client: str
    domain: str
    server: str
    digest: str


def digest(body):
    return hashlib.sha256(body).hexdigest()


class Traffic:
    """Three MTAs that send, and clients that vanish. domains: [(label, server, weight)]"""

    def __init__(self, case, domains, content, seed):
        self.case = case
        self.domains = domains
        self.content = content
        self.messages = {}  # recipient → Message
        self.vanished = []  # recipients of messages that were never said to their end
        self.clients = {name: case.client.others[name] for name in ("postfix", "exim4", "sendmail")}
        self._rng = random.Random(seed)
        self._lock = threading.Lock()

    def backlog(self, name):
        var = self.case.client.node.var
        pattern = {"postfix": "spool/postfix/*/[0-9A-F]*", "exim4": "spool/exim4/input/*-H", "sendmail": "spool/mqueue/qf*"}[name]
        return len(glob.glob(f"{var}/{pattern}"))

    def send_some(self, name, stop):
        rng = random.Random(f"{self._rng.random()}{name}")
        number = refused = 0
        while not stop.wait(PACE * rng.uniform(0.5, 1.5)):
            if self.backlog(name) > BACKLOG:
                continue
            number += 1
            chosen = rng.choices(self.domains, [weight for _, _, weight in self.domains], k=rng.choice([1, 1, 1, 2]))
            if refused >= 5:
                chosen = [domain for domain in chosen if domain[1]]
            refused += sum(not server for _, server, _ in chosen)
            if chosen:
                self._send_one(name, number, chosen, rng)

    def _send_one(self, name, number, chosen, rng):
        case = self.case
        text = self.content(rng.randrange(1 << 30), rng.choice([200, 1 << 10, 4 << 10, 20 << 10]))
        message = case.message(text)
        recipients = []
        for index, (label, server, _) in enumerate(chosen):
            for extra in range(rng.choice([1, 1, 2])):
                recipient = case.address(f"{name}-{number}-{index}-{extra}", label)
                domain = case.row.domain_of(label) if label else case.domain
                self.messages[recipient] = Message(name, domain, server, digest(mailbox.body(message)))
                recipients.append(recipient)
        self.clients[name].send(case.sender, recipients, message, "")

    def vanish_some(self, hosts, stop):
        """Clients that go away somewhere: nothing of theirs may arrive."""
        rng = random.Random(self._rng.random())
        number = 0
        while not stop.wait(rng.uniform(0.5, 2)):
            number += 1
            label, host = rng.choice(hosts)
            recipient = self.case.address(f"gone-{number}", label)
            self.vanished.append(recipient)
            try:
                self._vanish(recipient, host, rng.randrange(6), rng)
            except (OSError, RuntimeError, ValueError):
                pass

    def _vanish(self, recipient, host, stage, rng):
        client = Smtp(self.case.client.node, host.v4, timeout=20)
        try:
            steps = ["EHLO gone.example", f"MAIL FROM:<{self.case.sender}>", f"RCPT TO:<{recipient}>", "DATA"]
            client.reply()
            for step in steps[:stage]:
                if client.say(step)[0] // 100 not in (2, 3):
                    return
            if stage < len(steps):
                client.send(steps[stage].encode()[:rng.randrange(1, 8)])
            else:
                client.send(b"Subject: half\r\n\r\nhalf of it\r\n.\r"[:rng.randrange(1, 32)])
            time.sleep(rng.choice([0, 0.2]))
            if rng.random() < 0.5:
                client.socket.setsockopt(1, 13, struct.pack("ii", 1, 0))  # SOL_SOCKET, SO_LINGER: RST
        finally:
            client.close()

    # queues

    def push(self, name, stop):
        while not stop.wait(PUSH):
            self.run_queue(name)

    def run_queue(self, name):
        node = self.case.client.node
        command = {"postfix": ["postqueue", "-f"], "exim4": self.clients["exim4"].exim("-qff"),
                   "sendmail": [self.clients["sendmail"].program, "-Am", "-q"]}[name]
        subprocess.run(node.enter(*command), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                       check=False, timeout=600)

    def queued(self):
        """Recipients that wait in some client's queue."""
        found = set()
        for entry in self.clients["postfix"].mta.queue():
            found |= {to["address"] for to in entry["recipients"]}
        for line in self.case.client.node.run(*self.clients["exim4"].exim("-bp")).splitlines():
            words = line.split()
            if len(words) == 1 and "@" in words[0]:
                found.add(words[0])  # those that are done are marked with a D before them
        for path in glob.glob(f"{self.case.client.node.var}/spool/mqueue/qf*"):
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    found |= set(re.findall(r"(?m)^R[^:\n]*:?<?([^<>:\n]+@[^<>:\n]+)>?$", file.read()))
            except FileNotFoundError:
                continue
        return found


class Faults:
    """What goes wrong meanwhile, one thing after the other, each for a short while."""

    def __init__(self, case, scripted, seed):
        self.case = case
        self.scripted = scripted  # Host of the scripted MX whose moods change
        self.counts = {}
        self._rng = random.Random(seed)
        self._path = f"{case.lab.servers['path'].dir}/path.json"
        self.netem = self._has_netem()

    @staticmethod
    def _has_netem():
        try:
            run("tc", "qdisc", "add", "dev", "v-mx1", "root", "netem", "delay", "1ms")
            run("tc", "qdisc", "del", "dev", "v-mx1", "root")
            return True
        except (RuntimeError, FileNotFoundError):
            return False

    def happen(self, stop):
        kinds = [self.bad_path, self.loss, self.kill_mx1, self.kill_mx2, self.no_dns, self.reload]
        todo = []
        while not stop.is_set():
            todo = todo or self._rng.sample(kinds, len(kinds))
            fault = todo.pop()
            self._count(fault.__name__.replace("_", " "))
            fault(stop)
            for _ in range(self._rng.randrange(1, 4)):
                if stop.wait(self._rng.uniform(0.3, 1.5)):
                    return
                self.mood(self._rng.choice(MOODS))

    def _count(self, name):
        self.counts[name] = self.counts.get(name, 0) + 1

    def mood(self, script):
        self._count("moods")
        self.case.lab.evil.set(self.scripted.addresses, self.case.lab.script({"cert": "peer", **script}))

    def set_path(self, settings):
        with open(self._path + ".new", "w", encoding="ascii") as file:
            json.dump(settings, file)
        os.replace(self._path + ".new", self._path)

    def bad_path(self, stop):
        rng = self._rng
        self.set_path({"delay": rng.choice([0, 0.05, 0.2]), "stall": rng.choice([0, 1, 3]), "piece": rng.choice([1, 7, 1000, 65536]),
                       "cut": rng.choice([0, 0.3, 0.6])})
        stop.wait(rng.uniform(1, 3))

    def loss(self, stop):
        """Of packets between clients and servers, both ways."""
        rng = self._rng
        if self.netem:
            loss, delay = rng.choice([1, 3, 8]), rng.choice([10, 50, 150])
            for machine in ("mx1", "mx2", "evil"):
                run("tc", "qdisc", "replace", "dev", f"v-{machine}", "root", "netem", "delay", f"{delay}ms", f"{delay // 2}ms", "loss",
                    f"{loss}%")
        rule = ["FORWARD", "-p", "tcp", "-m", "statistic", "--mode", "random", "--probability", f"{rng.choice([0.01, 0.03, 0.1])}",
                "-j", "DROP"]
        for tool in ("iptables", "ip6tables"):
            run(tool, "-A", *rule)
        stop.wait(rng.uniform(1, 4))
        for tool in ("iptables", "ip6tables"):
            run(tool, "-D", *rule)
        if self.netem:
            for machine in ("mx1", "mx2", "evil"):
                run("tc", "qdisc", "del", "dev", f"v-{machine}", "root")

    def kill_mx1(self, stop):
        mx1 = self.case.lab.mx1
        mx1.node.kill("postfix")
        stop.wait(self._rng.uniform(0.1, 3))
        mx1.start_again()

    def kill_mx2(self, stop):
        mx2 = self.case.lab.mx2
        mx2.node.kill("exim")
        stop.wait(self._rng.uniform(0.1, 3))
        mx2.start()
        mx2.deliver()

    def no_dns(self, stop):
        dns = self.case.lab.dns
        dns.stop_honest()
        stop.wait(self._rng.uniform(0.5, 5))
        dns.start_honest()

    def reload(self, _stop):
        self.case.proxy.reload()

    def end(self):
        """Everybody well again."""
        self.set_path({})
        self.mood({})
        self.case.lab.mx2.deliver()


class Accounts:
    """What became of every message."""

    def __init__(self, case, traffic, scripted):
        self.case = case
        self.traffic = traffic
        self.scripted = scripted

    def arrived(self):
        """{recipient: {copy: digest}}: a copy is one acceptance by a server, whose own id it bears. A server that was killed
        while it filed a message files it twice under one id."""
        found = {}
        for server in ("mx1", "mx2"):
            for path in glob.glob(f"{self.case.lab.servers[server].var}/mail/all/new/*"):
                with open(path, "rb") as file:
                    message = file.read()
                head = message.partition(b"\n\n")[0].decode("utf-8", "replace")
                to = re.search(r"(?m)^(?:Envelope-to|Delivered-To): *(\S+)", head)
                received = re.search(r"(?m)^Received: (?:.*\n[ \t])*?.*\bid ([\w-]+)", head)
                if to and received:
                    found.setdefault(to[1].lower(), {})[server, received[1]] = digest(mailbox.body(message))
        for number, entry in enumerate(self.case.lab.evil.record(self.scripted.addresses)):
            for index, message in enumerate(entry["messages"]):
                if message["accepted"]:
                    for recipient in message["recipients"]:
                        found.setdefault(recipient, {})["evil", number, index] = digest(evil_body(message))
        return found

    def settle(self, seconds):
        """Runs the queues until everything has arrived that should, or the time is up."""
        end = time.monotonic() + seconds
        wanted = {recipient for recipient, message in self.traffic.messages.items() if message.server}
        while True:
            missing = wanted - self.arrived().keys()
            waiting = (self.traffic.queued() & wanted) if not missing else missing
            if not missing and not waiting or time.monotonic() > end:
                return
            for name in self.traffic.clients:
                self.traffic.run_queue(name)
            self.case.lab.mx2.deliver()
            time.sleep(1)

    def unanswered(self):
        """{domain: recipients of transactions whose peer was lost when it had, or may have had, the whole message}"""
        found = {}
        for event in self.case.proxy.events("delivery"):
            if event.get("outcome") == "deferred" and event.get("rcpts", 0) > 0 and event.get("reason", "").startswith("peer-"):
                found[event["domain"]] = found.get(event["domain"], 0) + event["rcpts"]
        return found

    def balance(self):
        """(figures, complaints)"""
        arrived, queued, wrong = self.arrived(), self.traffic.queued(), []
        duplicates, late = {}, 0
        for recipient, message in self.traffic.messages.items():
            copies = arrived.get(recipient, {})
            if not message.server and copies:
                wrong.append(f"{recipient}: arrived, against the policy")
            if message.server and not copies:
                late += recipient in queued
                if recipient not in queued:
                    wrong.append(f"{recipient}: lost ({message.client})")
            if any(copy != message.digest for copy in copies.values()):
                wrong.append(f"{recipient}: content changed on the way")
            if len(copies) > 1:
                duplicates[message.domain] = duplicates.get(message.domain, 0) + len(copies) - 1
                if any(copy[0] == "evil" for copy in copies):
                    wrong.append(f"{recipient}: accepted {len(copies)} times, with an answer to each: {list(copies)}")
        unanswered = self.unanswered()
        wrong += [f"{domain}: {count} copies too many, and only {unanswered.get(domain, 0)} recipients of peers that did not answer"
                  for domain, count in duplicates.items() if count > unanswered.get(domain, 0)]
        wrong += [f"{recipient}: arrived, and was never said to its end" for recipient in self.traffic.vanished if recipient in arrived]
        for entry in self.case.lab.evil.record(self.scripted.addresses):
            wrong += [f"outside TLS: {leak}" for leak in leaks(entry)]
        figures = {"recipients": len(self.traffic.messages), "arrived": len(arrived), "still queued": late,
                   "to stay queued": sum(not message.server for message in self.traffic.messages.values()),
                   "vanished clients": len(self.traffic.vanished), "unanswered": sum(unanswered.values()),
                   "duplicates of those": sum(duplicates.values())}
        return figures, wrong


class Samples:
    """The daemon's descriptors and memory, over time."""

    def __init__(self, proxy):
        self.proxy = proxy
        self.taken = []

    def take(self, stop, step):
        while not stop.wait(step):
            self.taken.append((self.proxy.descriptors(), self.proxy.memory_kib()))

    def settled(self):
        """Descriptors and memory without sessions."""
        wait_for("the sessions' end", lambda: self.proxy.descriptors() <= self.proxy.idle_descriptors + 4, 60, 0.5)
        return self.proxy.descriptors(), self.proxy.memory_kib()
