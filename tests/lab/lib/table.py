# SPDX-License-Identifier: GPL-2.0-or-later
"""What a row of the table is. See ../README.md for how to write one."""

from dataclasses import dataclass, field
from typing import Any, Callable


@dataclass
class Host:
    """One MX host of a row's domain.

    server   mx1 (Postfix), mx2 (Exim, private CA), mx3 (OpenSMTPD), mx4 (aiosmtpd), path (a bad path to mx1: its certificate, its
             mailbox; bad_path.py), evil (the scripted one), nobody (an address
             without a machine)
    tlsa     records: "U S M" is computed from the certificate the server has; "U S M mx1" from that of another server;
             "U S M other" is of a key that nobody holds; anything longer goes into the zone as it is
    zone     the state of the zone the host's name is in (zones.STATES)
    script   for evil: see evil_mx.py; its "cert" is one of pki's names (evil, peer, mx1, mx2)
    """
    server: str
    tlsa: tuple = ()
    zone: str = "signed"
    families: str = "46"
    preference: int = 10
    script: dict | None = None
    # filled in by the lab; in `forged`, a name of "@0" means: the name of the row's host 0, at a false address, and "=0"
    # that host itself (the lie is to name no other);
    # in `hosts`, "implicit" means: no MX record, the domain's own address
    name: str = ""
    v4: str = ""
    v6: str = ""

    @property
    def addresses(self):
        return [a for a in (self.v4, self.v6) if a]


@dataclass
class Row:
    """One case. Its domain is NAME.ZONE.lab, made for it alone, so that rows run side by side.

    forged   MX hosts that the client's own resolver believes in instead of `hosts`
    more     further domains of the row: {label: [Host, …]} become LABEL-NAME.ZONE.lab
    status   what the legacy MTA's log must say: sent, deferred, bounced; None: nothing is sent by the standard run
    reply    regular expression that the MTA's log text must match
    event    fields of the row's last delivery event ({} = there must be one, None = do not look)
    attempts fields of `attempt` events that must be there too
    at       servers (of `hosts`) where the message must have arrived; default: the first host for status sent
    plaintext  whether envelope and content may cross to a peer outside TLS
    policy   entry for [[policy.domain]] (without `domain`); relay: entry for [[relay]]
    run      function(case) instead of the standard run; check: function(case) after it
    alias    a zone state: the domain is an alias of NAME-alias.ALIAS.lab, and that has the MX records
    cell     (client, scenario, text) of the README's table of clients (matrix.py)
    judge    (verdict, reason) of the independent judge where it differs (judge.py); judged: whether it is asked at all
    profile  which client machine and configuration (profiles.py); alone: nothing else in that profile meanwhile; last: after
             all others have ended, by itself, as it stops what they need
    """
    name: str
    hosts: list = field(default_factory=list)
    zone: str = "signed"
    forged: list | None = None
    more: dict = field(default_factory=dict)
    recipients: tuple = ("rcpt",)
    sender: str = "sender"
    message: bytes | None = None
    status: str | None = "sent"
    reply: str = ""
    event: dict | None = field(default_factory=dict)
    attempts: list = field(default_factory=list)
    at: list | None = None
    plaintext: bool = False
    policy: dict | None = None
    relay: dict | None = None
    # further records (owner, type, data[, ttl]), with {domain}, {host0}, {host0_v4}, {client_v4}, {tlsa_mx1_311} and the like
    # filled in
    records: list = field(default_factory=list)
    lies: list = field(default_factory=list)  # of the same form, told by the client's own resolver instead of the truth
    alias: str = ""
    cell: tuple = ()
    judge: tuple = ()
    judged: bool | None = None  # default: what the row's file says (JUDGED)
    run: Callable[[Any], None] | None = None
    check: Callable[[Any], None] | None = None
    profile: str = "default"
    alone: bool = False
    last: bool = False
    slow: bool = False
    # a feature that the program still refuses as "not implemented yet": run with --later
    later: bool = False
    timeout: float = 90.0

    @property
    def domain(self):
        return f"{self.name}.{self.zone}.lab"

    def domain_of(self, label):
        return f"{label}-{self.domain}"


@dataclass
class Profile:
    """A client machine: a legacy Postfix and, unless `proxy` is false, danegate with these settings and its rules.
    clients: further programs that send mail (names of clients.ALL)"""
    settings: dict = field(default_factory=dict)
    postfix: dict = field(default_factory=dict)
    proxy: bool = True
    hostname: str = ""
    resolver: str = "lying"
    alone: bool = False  # its rows one after the other
    clients: tuple = ()


class Failure(AssertionError):
    """What a row expected and did not get."""


def expect(condition, text):
    if not condition:
        raise Failure(text)
