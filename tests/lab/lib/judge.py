# SPDX-License-Identifier: GPL-2.0-or-later
"""The independent judge: Postfix with smtp_tls_security_level = dane and an honest resolver is given the same domains.

A verdict is one of: verified, encrypted, plaintext (how it was delivered), deferred, bounced. Where the judge's differs from
danegate's, the row says so (`judge=(verdict, reason)`) and REASONS explains it; README.md holds the table of all of them.
"""

import os
import re

from . import postfix, readme
from .table import expect

NAME = "differences"

# Profiles whose settings do not change what DANE demands.
LIKE_DEFAULT = {"default", "impatient", "workers2", "recursive", "unvalidated"}
LEVELS = {"dane", "dane-only"}

REASONS = {
    "no-mx": "The client dialled a host, and this resolver says that the domain has none (no such name, null MX, no usable "
             "name): one of the two is wrong, and danegate never bounces on that. Postfix asks only this one, and believes it.",
    "starttls-5xx": "What a peer says in plaintext can be the attacker's. It may delay mail, never bounce it.",
    "starttls-injected": "Octets behind the reply to STARTTLS: Postfix throws them away, danegate takes them for the attack "
                         "that they are (RFC 3207, CVE-2011-0411).",
    "no-retry-in-plaintext": "At `may`, danegate tries again in plaintext on a new connection. Postfix too, but only when the "
                             "message has been in its queue for a while.",
    "name-constraints": "danegate has no name constraints: a chain with a critical extension that it does not implement is "
                        "refused (RFC 5280 section 4.2).",
    "names-insecure-mx": "RFC 7672 section 3.2.2 takes the next-hop name as reference identifier only under a secure MX RRset. "
                         "Postfix takes it always (and calls the peer `Trusted`, not `Verified`).",
}

SETTINGS = {
    "smtp_tls_security_level": "dane",
    "smtp_dns_support_level": "dnssec",
    "smtp_host_lookup": "dns",
    "smtp_tls_loglevel": "1",
    "smtp_tls_policy_maps": "texthash:/etc/postfix/tls_policy",
    "smtp_starttls_timeout": "6s",
    "smtp_helo_timeout": "6s",
}


def takes(row):
    """Whether the judge can be asked about a row: nothing but the recipient's DNS and its servers decides."""
    return row.judged and row.run is None and row.status is not None and row.profile in LIKE_DEFAULT and not row.relay \
        and (row.policy or {}).get("level", "dane") in LEVELS


class Judge:
    """The judge's Postfix in its node."""

    def __init__(self, machine, rows):
        self.rows = [row for row in rows if takes(row)]
        with open(f"{machine.etc}/resolv.conf", "a", encoding="ascii") as file:
            file.write("options trust-ad\n")
        os.makedirs(f"{machine.etc}/postfix")
        with open(f"{machine.etc}/postfix/tls_policy", "w", encoding="ascii") as file:
            file.writelines(f"{row.domain} {row.policy['level']}\n" for row in self.rows if row.policy)
        self.mta = postfix.Postfix(machine, postfix.LEGACY, SETTINGS)

    def ask(self, case, message):
        """Sends a message of its own to the row's domain; (verdict, the log's reason)."""
        recipient = case.address("judge")
        self.mta.sendmail(f"judge@{self.mta.node.hostname}", [recipient], message)
        attempt = self.mta.wait_attempt(recipient, timeout=case.row.timeout)
        if attempt["status"] == "deferred":
            self.mta.delete(attempt["id"])
        return verdict(self.mta.log_text(), attempt), attempt["text"]


ESTABLISHED = re.compile(r"postfix/smtp\[(\d+)\]: (\w+) TLS connection established to (\S+): ")
DELIVERY = re.compile(r"postfix/smtp\[(\d+)\]: (\w+): to=<([^>]*)>,.* relay=([^,]+),.* status=(\w+) ")


def verdict(log, attempt):
    """Of the attempt, by the TLS connection that its smtp(8) process last made to the host that it names."""
    if attempt["status"] != "sent":
        return attempt["status"]
    last = {}
    for line in log.splitlines():
        found = ESTABLISHED.search(line)
        if found:
            last[found[1]] = found[2], found[3]
        found = DELIVERY.search(line)
        if found and (found[2], found[3]) == (attempt["id"], attempt["to"]):
            trust, host = last.get(found[1], ("", ""))
            if host != found[4]:
                return "plaintext"
            return "verified" if trust == "Verified" else "encrypted"
        if found:
            last.pop(found[1], None)
    raise RuntimeError(f"no delivery of {attempt['id']} in the judge's log")


def ours(case):
    """danegate's verdict on the row's own message."""
    attempt = case.mta.attempts(case.address(case.row.recipients[0]))[-1]
    if attempt["status"] != "sent":
        return attempt["status"]
    events = case.proxy.wait_event("delivery", domain=case.domain, timeout=10)
    return events[-1]["result"]


def compare(case):
    """Fails on a difference that the row does not declare, and on a declared one that is none."""
    row = case.row
    mine = ours(case)
    theirs, text = case.lab.judge.ask(case, case.message(subject="judge"))
    case.judged = f"{theirs} ({text})"
    wanted = row.judge[0] if row.judge else mine
    expect(theirs == wanted, f"the judge says {theirs} ({text}), danegate {mine}; declared is {wanted}")
    expect(not row.judge or theirs != mine, f"the declared difference has gone: both say {mine}")


def table(rows):
    """The README's table."""
    lines = ["| rows | danegate | Postfix | why |", "| --- | --- | --- | --- |"]
    groups = {}
    for row in rows:
        if row.judge:
            groups.setdefault((row.judge[1], expected(row), row.judge[0]), []).append(f"`{row.name}`")
    for (reason, mine, theirs), names in sorted(groups.items()):
        lines.append(f"| {' '.join(names)} | {mine} | {theirs} | {REASONS[reason]} |")
    return "\n".join(lines) + "\n"


def expected(row):
    return row.status if row.status != "sent" else (row.event or {}).get("result", "sent")


def complaints(rows):
    """What is wrong with the declarations themselves. rows: all that there are."""
    wrong = [f"{row.name}: no reason {row.judge[1]!r}" for row in rows if row.judge and row.judge[1] not in REASONS]
    wrong += [f"{row.name}: declares a difference, but the judge is not asked" for row in rows if row.judge and not takes(row)]
    used = {row.judge[1] for row in rows if row.judge}
    wrong += [f"reason {name!r} has no row" for name in REASONS if name not in used]
    if not wrong and readme.table(NAME) != table(rows):
        wrong.append("README.md: the table of differences is not that of the rows; run --tables writes it")
    return wrong


def rewrite(rows):
    readme.rewrite(NAME, table(rows))
