# SPDX-License-Identifier: GPL-2.0-or-later
"""Postfix in a node: as the legacy MTA without TLS, or as an MX with a certificate."""

import json
import os
import re
import shutil
import subprocess
import threading

from . import packages
from .growing import GrowingFile
from .node import wait_for, wait_for_port, write

COMMON = {
    "compatibility_level": "3.6",
    "queue_directory": "/var/spool/postfix",
    "command_directory": "/usr/sbin",
    "daemon_directory": "/usr/lib/postfix/sbin",
    "data_directory": "/var/lib/postfix",
    "mail_owner": "postfix",
    "setgid_group": "postdrop",
    "maillog_file": "/var/log/postfix.log",
    "mydestination": "",
    "alias_maps": "",
    "local_recipient_maps": "",
    "smtpd_banner": "$myhostname ESMTP",
    "biff": "no",
    "message_size_limit": "0",
    "mailbox_size_limit": "0",
    "virtual_mailbox_limit": "0",
    "virtual_mailbox_base": "/var/mail",
    "virtual_mailbox_maps": "static:all/",  # one Maildir: virtual(8) takes no path from a pattern
    "virtual_uid_maps": "static:6104",
    "virtual_gid_maps": "static:6104",
    "virtual_minimum_uid": "100",
    "smtputf8_enable": "yes",
    "in_flow_delay": "0",
}

LEGACY = {
    "inet_interfaces": "all",
    "smtp_tls_security_level": "none",
    "smtp_address_preference": "any",
    "virtual_mailbox_domains": "$mydomain",  # where its own bounces arrive
    "queue_run_delay": "300s",  # rows that want a retry ask for it
    "minimal_backoff_time": "300s",
    "maximal_backoff_time": "600s",
    "default_process_limit": "200",
    "initial_destination_concurrency": "5",
    "smtp_line_length_limit": "0",
    "smtp_connect_timeout": "10s",
}

SERVER = {
    "inet_interfaces": "all",
    "mynetworks": "127.0.0.0/8",
    "virtual_mailbox_domains": "regexp:/etc/postfix/domains",
    "smtpd_relay_restrictions": "reject_unauth_destination",
    "smtpd_client_connection_count_limit": "0",
    "smtpd_client_connection_rate_limit": "0",
    "smtpd_tls_security_level": "may",
    "smtpd_tls_received_header": "yes",
    "smtpd_tls_loglevel": "1",
    "smtpd_peername_lookup": "no",
    "default_process_limit": "100",
}

MASTER = """\
pickup unix n - n 1 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def unpacked():
    """The package's tree with the owners and modes that its installation would have given."""
    tree = packages.unpack("postfix")
    for tool in ("postdrop", "postqueue"):
        os.chown(f"{tree}/usr/sbin/{tool}", 0, 6110)
        os.chmod(f"{tree}/usr/sbin/{tool}", 0o2755)
    return tree


class Postfix:
    """settings: main.cf over the role's own. smtpd: whether it listens on port 25."""

    def __init__(self, node, role, settings=None, smtpd=False):
        self.node = node
        self.log = f"{node.var}/log/postfix.log"
        self._seen = {}
        self._lines = GrowingFile(self.log)
        self._lock = threading.Lock()
        etc = f"{node.etc}/postfix"
        shutil.copytree(f"{unpacked()}/etc/postfix", etc, dirs_exist_ok=True)
        values = {**COMMON, **role, "myhostname": node.hostname, "mydomain": node.hostname, **(settings or {})}
        write(f"{etc}/main.cf", "".join(f"{key} = {value}\n" for key, value in values.items()))
        write(f"{etc}/master.cf", MASTER + ("smtp inet n - n - - smtpd\n" if smtpd else ""))
        write(f"{etc}/domains", "/./ here\n")
        self._make_directories()
        self._start()

    def _make_directories(self):
        spool = f"{self.node.var}/spool/postfix"
        private = ["active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
                   "trace"]
        for name in ["pid", *private, "maildrop", "public"]:
            os.makedirs(f"{spool}/{name}")
        for name in private:
            self._own(f"{spool}/{name}", "postfix", 0o700)
        self._own(f"{spool}/maildrop", "postfix:postdrop", 0o1730)
        self._own(f"{spool}/public", "postfix:postdrop", 0o2710)
        os.makedirs(f"{self.node.var}/lib/postfix")
        self._own(f"{self.node.var}/lib/postfix", "postfix", 0o700)
        self._own(f"{self.node.var}/mail", "vmail", 0o755)

    def _own(self, path, owner, mode):
        self.node.run("chown", owner, path.replace(self.node.var, "/var", 1))
        os.chmod(path, mode)

    def _start(self):
        # -s: the lab's own process group is our session already
        self.node.start("postfix", "/usr/lib/postfix/sbin/master", "-d", "-c", "/etc/postfix")
        wait_for("postfix starts", lambda: "daemon started" in self.log_text())

    def stop(self):
        self.node.stop("postfix")

    def start_again(self):
        """After node.kill("postfix"), of one that listens."""
        self.node.start("postfix", "/usr/lib/postfix/sbin/master", "-d", "-c", "/etc/postfix")
        wait_for_port(self.node, "postfix")

    # submitting

    def sendmail(self, sender, recipients, message):
        """message: octets with LF line ends, as a program hands it to sendmail(1)."""
        done = subprocess.run(self.node.enter("/usr/sbin/sendmail", "-i", "-f", sender, "--", *recipients), input=message,
                              capture_output=True, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"sendmail: {done.stdout.decode()}{done.stderr.decode()}")

    # queue

    def queue(self):
        lines = self.node.run("postqueue", "-j").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def queued(self, recipient):
        """Queue entry with this recipient, or None."""
        return next((entry for entry in self.queue()
                     if any(to["address"] == recipient for to in entry["recipients"])), None)

    def flush(self):
        self.node.run("postqueue", "-f")

    def retry(self, queue_id):
        self.node.run("postqueue", "-i", queue_id)

    def delete(self, queue_id):
        self.node.run("postsuper", "-d", queue_id)

    # log

    def log_text(self):
        try:
            with open(self.log, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    DELIVERY = re.compile(r"postfix/\w+\[\d+\]: (?P<id>\w+): to=<(?P<to>[^>]*)>,.* relay=(?P<relay>[^,]+),.*"
                          r" dsn=(?P<dsn>[\d.]+), status=(?P<status>\w+) \((?P<text>.*)\)$")

    def attempts(self, recipient):
        """What the log says of deliveries to this recipient, in order: dicts id, to, relay, dsn, status, text."""
        with self._lock:
            self._read_log()
            return list(self._seen.get(recipient, []))

    def _read_log(self):
        for line in self._lines.new_lines():
            found = self.DELIVERY.search(line.decode("utf-8", "replace"))
            if found:
                self._seen.setdefault(found["to"], []).append(found.groupdict())

    def wait_attempt(self, recipient, count=1, timeout=60.0):
        """The count-th attempt at this recipient."""
        def tried():
            attempts = self.attempts(recipient)
            return attempts[count - 1] if len(attempts) >= count else None
        return wait_for(f"delivery attempt {count} to {recipient}", tried, timeout, step=0.05)

    def log_of(self, words, lines=40):
        """The last lines that hold any of the words."""
        return [line for line in self.log_text().splitlines() if any(word in line for word in words)][-lines:]
