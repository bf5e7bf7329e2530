# SPDX-License-Identifier: GPL-2.0-or-later
"""One row being run: the standard steps, and the tools that special rows build theirs from."""

import re
import time

from . import evil as evil_mx
from . import judge, mailbox
from .node import wait_for
from .table import expect


def fits(event, fields):
    """Whether an event has the fields; values may be compiled patterns."""
    return all(value.search(str(event.get(key, ""))) if isinstance(value, re.Pattern) else event.get(key) == value
               for key, value in fields.items())


class Case:
    def __init__(self, lab, row):
        self.lab = lab
        self.row = row
        self.client = lab.clients[row.profile]
        self.mta = self.client.mta
        self.proxy = self.client.proxy
        self.domain = row.domain
        self.sender = f"{row.sender}@{self.client.node.hostname}" if row.sender else ""
        self.started = time.time()
        self.judged = ""

    # addresses and messages

    def address(self, local="rcpt", label=None):
        return f"{local}@{self.row.domain_of(label) if label else self.domain}"

    def message(self, text=b"", subject=None):
        head = f"From: <{self.sender or 'postmaster'}>\nTo: <{self.address()}>\nSubject: {subject or self.row.name}\n" \
               f"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n"
        return head.encode() + (text or f"This is {self.row.name}.\n".encode())

    def all_hosts(self):
        groups = [self.row.hosts, self.row.forged or [], *self.row.more.values()]
        return [host for group in groups for host in group]

    # the evil MX on the row's addresses

    def records(self):
        """What it has recorded so far: of connections that have ended."""
        return self.lab.evil.record(self._evil_addresses())

    def all_records(self):
        """What it has recorded when none of its connections is left: it may see the end later than the MTA hears its reply."""
        wait_for("the end of the row's connections to the evil MX", lambda: not self.lab.evil.unfinished(self._evil_addresses()), 20)
        return self.records()

    def contacts(self):
        """How many connections have come, ended or not."""
        return self.lab.evil.opened(self._evil_addresses())

    def _evil_addresses(self):
        return dict.fromkeys(a for host in self.all_hosts() if host.server == "evil" for a in host.addresses)

    # the standard run

    def run(self):
        if self.row.run:
            self.row.run(self)
        elif self.row.status:
            self.standard()
        if self.row.check:
            self.row.check(self)
        if not self.row.plaintext:
            self.expect_no_leak()
        if self.lab.judge and self.proxy and judge.takes(self.row):
            judge.compare(self)

    def standard(self):
        row = self.row
        message = row.message or self.message()
        recipients = [self.address(local) for local in row.recipients]
        self.mta.sendmail(self.sender, recipients, message)
        for recipient in recipients:
            attempt = self.mta.wait_attempt(recipient, timeout=row.timeout)
            self.expect_attempt(attempt, row.status, row.reply)
        if row.status == "sent":
            servers = row.at if row.at is not None else [row.hosts[0].server]
            for recipient in recipients:
                self.expect_arrived(recipient, mailbox.body(message), servers)
        else:
            self.expect_not_arrived(recipients)
        if row.status == "deferred":
            self.expect_queued_then_delete(recipients)
        if self.proxy and row.event is not None:
            self.expect_event(row.event)
        for fields in row.attempts:
            self.expect_event(fields, kind="attempt")

    def expect_attempt(self, attempt, status, reply=""):
        expect(attempt["status"] == status,
               f"the MTA says status={attempt['status']} ({attempt['text']}), expected {status}")
        expect(re.search(reply, attempt["text"]), f"the MTA's reason does not match {reply!r}: {attempt['text']}")

    def expect_arrived(self, recipient, body, servers):
        for server in servers:
            if server == "evil":
                found = wait_for(f"a message for {recipient} at evil", lambda: self.evil_messages(recipient), 20, 0.05)
                expect(any(evil_body(message) == body for message in found),
                       f"content changed on the way: {[evil_body(m)[:200] for m in found]}")
            else:
                found = mailbox.wait_delivered(self.lab.servers[server], recipient)
                expect(any(mailbox.body(message) == body for message in found),
                       f"content changed on the way to {server}: {[mailbox.body(m)[:200] for m in found]}")

    def evil_messages(self, recipient):
        """Messages of finished connections that the scripted MX has accepted for this recipient."""
        return [message for entry in self.records() for message in entry["messages"]
                if message["accepted"] and recipient in message["recipients"]]

    def expect_not_arrived(self, recipients):
        self.all_records()
        for recipient in recipients:
            for server in ("mx1", "mx2"):
                expect(not mailbox.delivered(self.lab.servers[server], recipient), f"{recipient} arrived at {server}")
            expect(not self.evil_messages(recipient), f"{recipient} arrived at evil")

    def expect_queued_then_delete(self, recipients):
        attempt = self.mta.attempts(recipients[0])[-1]
        entry = wait_for(f"{attempt['id']} in the MTA's queue",
                         lambda: next((e for e in self.mta.queue() if e["queue_id"] == attempt["id"]), None), 10)
        queued = {to["address"] for to in entry["recipients"]}
        expect(set(recipients) <= queued, f"queued only for {queued}")
        self.mta.delete(attempt["id"])

    def expect_event(self, fields, kind="delivery", domain=None):
        """The last event of the kind for the row's domain has the fields (any, for attempts)."""
        events = self.proxy.wait_event(kind, domain=domain or self.domain, timeout=10)
        candidates = events if kind == "attempt" else events[-1:]
        expect(any(fits(event, fields) for event in candidates),
               f"no {kind} event with {show(fields)}; there is {candidates}")

    def expect_no_leak(self):
        for entry in self.all_records():
            wrong = evil_mx.leaks(entry)
            expect(not wrong, f"outside TLS, {entry['address']} received {wrong}")

    # what to show when it failed

    def report(self):
        lines = []
        if self.proxy:
            names = [self.domain, *(self.row.domain_of(label) for label in self.row.more)]
            events = [e for e in self.proxy.events() if e.get("domain") in names or e.get("event") in ("error", "warning")]
            lines += ["danegate's events:", *(f"  {event}" for event in events[-12:])]
            if not self.proxy.running():
                lines += ["danegate is not running; its last words:", self.proxy.tail(20)]
        ids = {a["id"] for local in self.row.recipients for a in self.mta.attempts(self.address(local))}
        lines += ["the MTA's log:", *(f"  {line}" for line in self.mta.log_of([self.domain, *ids], 20))]
        if self.row.cell:
            words = self.client.others[self.row.cell[0]].last_words([self.row.name])
            lines += [f"{self.row.cell[0]} says:", *(f"  {line}" for line in words)]
        if self.judged:
            lines.append(f"the judge: {self.judged}")
        records = self.records()
        if records:
            lines.append("the evil MX's record:")
            for entry in records[-6:]:
                lines.append(f"  {entry['address']} from {entry['peer']} tls={entry['tls']} sni={entry['sni']} "
                             f"end={entry['end']} commands={entry['commands']} "
                             f"messages={[(m['octets'], m['complete'], m['tls']) for m in entry['messages']]}")
        return "\n".join(lines)


def show(fields):
    return {key: value.pattern if isinstance(value, re.Pattern) else value for key, value in fields.items()}


def evil_body(message):
    """Content as it was before SMTP's dots and line ends."""
    return mailbox.body(re.sub(rb"(?m)^\.", b"", message["content"].replace(b"\r\n", b"\n")))
