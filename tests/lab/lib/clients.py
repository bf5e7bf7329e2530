# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that send mail, as a row sees them: `send`, and for those with a queue `queued`, `retry` and `drop`. Each is
Debian's package with TLS off; they live side by side in one node, which has danegate and its rules.

Those of this file have a queue and look MX hosts up themselves, as does client_courier.py's; clients_small.py has the others.
"""

import glob
import os
import re
import subprocess
import tempfile
from dataclasses import dataclass

from . import packages
from .node import USERS, wait_for, write


@dataclass
class Sent:
    """How a submission ended: exit code and what the program said."""
    code: int
    text: str


class ClientMta:
    """name: also in packages.WANTED. queues: whether it takes a message into a queue of its own (then code 0 of `send` means
    no more than that). by_mx: looks up MX hosts; else it dials the host that `send` names."""
    name = ""
    queues = True
    by_mx = True

    def __init__(self, node):
        self.node = node

    @classmethod
    def tree(cls):
        """What its package adds to the node's /usr."""
        return packages.unpack(cls.name)

    def submit(self, *command, message):
        """Runs a program that reads the message. Its output goes to a file, because what it leaves in the background would
        hold a pipe open."""
        with tempfile.TemporaryFile() as out:
            done = subprocess.run(self.node.enter(*command), input=message, stdout=out, stderr=out, check=False, timeout=120)
            out.seek(0)
            text = out.read()
        with open(f"{self.node.dir}/{self.name}.submit.log", "ab") as log:
            log.write(b" ".join(str(word).encode() for word in command[:20]) + b" -> %d\n" % done.returncode + text)
        return Sent(done.returncode, text.decode("utf-8", "replace"))

    def send(self, sender, recipients, message, host):
        """host: name of the host to dial, for programs that look up none."""
        raise NotImplementedError

    def queued(self, recipient):
        """Whether a message for the recipient waits in the queue."""
        raise NotImplementedError

    def retry(self, recipient):
        """Has the queue tried now, however short the wait was. Returns at once or after the attempt."""
        raise NotImplementedError

    def last_words(self, words, lines=15):
        """The last lines of its logs that hold any of the words."""
        found = []
        for path in self.logs():
            try:
                with open(path, encoding="utf-8", errors="replace") as file:
                    found += [line.rstrip("\n") for line in file if any(word in line for word in words)]
            except FileNotFoundError:
                continue
        return found[-lines:]

    def logs(self):
        return [f"{self.node.dir}/{self.name}.submit.log", f"{self.node.dir}/{self.name}.log"]

    def directory(self, path, owner="root:root", mode=0o755):
        """Below the node's /var."""
        os.makedirs(f"{self.node.var}/{path}", exist_ok=True)
        self.node.run("chown", owner, f"/var/{path}")
        self.node.run("chmod", f"{mode:o}", f"/var/{path}")


class Postfix(ClientMta):
    """The lab's own legacy MTA, seen through the same interface."""
    name = "postfix"

    def __init__(self, node, mta):
        super().__init__(node)
        self.mta = mta

    def send(self, sender, recipients, message, host):
        self.mta.sendmail(sender, recipients, message)
        return Sent(0, "")

    def queued(self, recipient):
        return self.mta.queued(recipient) is not None

    def retry(self, recipient):
        entry = self.mta.queued(recipient)
        if entry:
            self.mta.retry(entry["queue_id"])

    def last_words(self, words, lines=15):
        return self.mta.log_of(words, lines)


EXIM = """\
primary_hostname = {hostname}
exim_user = Debian-exim
exim_group = Debian-exim
log_file_path = /var/log/exim4/%slog
log_selector = +smtp_connection +outgoing_port
spool_directory = /var/spool/exim4
message_size_limit = 100M
keep_environment =
never_users =
begin routers
dns:
  driver = dnslookup
  transport = smtp
begin transports
smtp:
  driver = smtp
  hosts_avoid_tls = *
begin retry
* * F,1h,1h
"""


class Exim(ClientMta):
    """Puts all recipients whose domains have the same hosts into one transaction."""
    name = "exim4"
    config = "/etc/exim4/client.conf"

    def __init__(self, node):
        super().__init__(node)
        os.makedirs(f"{node.etc}/exim4", exist_ok=True)
        write(f"{node.etc}/exim4/client.conf", EXIM.format(hostname=node.hostname))
        for path in ("spool/exim4", "log/exim4"):
            self.directory(path, "Debian-exim:Debian-exim", 0o750)

    def exim(self, *args):
        return ["/usr/sbin/exim4", "-C", self.config, *args]

    def send(self, sender, recipients, message, host):
        return self.submit(*self.exim("-i", "-f", sender, "--", *recipients), message=message)

    def _ids(self, recipient):
        found, current = [], ""
        for line in self.node.run(*self.exim("-bp")).splitlines():
            words = line.split()
            if len(words) >= 4 and words[3].startswith("<"):
                current = words[2]
            elif words == [recipient]:
                found.append(current)
        return found

    def queued(self, recipient):
        return bool(self._ids(recipient))

    def retry(self, recipient):
        for message in self._ids(recipient):
            self.node.run(*self.exim("-M", message))

    def logs(self):
        return [*super().logs(), f"{self.node.var}/log/exim4/mainlog", f"{self.node.var}/log/exim4/paniclog"]


SENDMAIL = """\
divert(0)dnl
OSTYPE(`linux')dnl
define(`confDOMAIN_NAME', `{hostname}')dnl
define(`confHOST_STATUS_DIRECTORY', `')dnl
define(`confDEF_USER_ID', `mail:mail')dnl
define(`STATUS_FILE', `/var/lib/sendmail/statistics')dnl
define(`ALIAS_FILE', `')dnl
define(`confCW_FILE', `-o /etc/mail/local-host-names')dnl
define(`confCT_FILE', `-o /etc/mail/trusted-users')dnl
define(`confPID_FILE', `/var/lib/sendmail/pid')dnl
define(`confTO_QUEUEWARN', `')dnl
define(`confMIN_QUEUE_AGE', `0')dnl
define(`confREFUSE_LA', `1000')dnl
define(`confQUEUE_LA', `1000')dnl
undefine(`UUCP_RELAY')dnl
undefine(`BITNET_RELAY')dnl
CLIENT_OPTIONS(`Family=inet, Modifiers=S')dnl
CLIENT_OPTIONS(`Family=inet6, Modifiers=S')dnl
FEATURE(`nocanonify')dnl
MAILER(`smtp')dnl
"""  # the modifier S: no STARTTLS


class Sendmail(ClientMta):
    """Puts all recipients whose domains have the same MX hosts into one transaction."""
    name = "sendmail"
    program = "/usr/libexec/sendmail/sendmail"

    def __init__(self, node):
        super().__init__(node)
        os.makedirs(f"{node.etc}/mail", exist_ok=True)
        write(f"{node.dir}/sendmail.mc", SENDMAIL.format(hostname=node.hostname))
        made = subprocess.run(node.enter("m4", "-D_CF_DIR_=/usr/share/sendmail/cf/", "/usr/share/sendmail/cf/m4/cf.m4",
                                         f"{node.dir}/sendmail.mc"), stdout=subprocess.PIPE, check=True, text=True)
        write(f"{node.etc}/mail/sendmail.cf", made.stdout)
        self.directory("spool/mqueue", "root:root", 0o700)
        self.directory("lib/sendmail")

    def send(self, sender, recipients, message, host):
        # -Am: deliver from here, as root may; without it another program's queue would be used
        return self.submit(self.program, "-Am", "-odb", "-i", "-f", sender or "<>", "--", *recipients, message=message)

    def queued(self, recipient):
        return any(re.search(rf"(?m)^R.*[<:]{re.escape(recipient)}>?$", self._read(path))
                   for path in glob.glob(f"{self.node.var}/spool/mqueue/qf*"))

    @staticmethod
    def _read(path):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def retry(self, recipient):
        self.submit(self.program, "-Am", f"-qR{recipient}", "-v", message=b"")


OPENSMTPQ = USERS["opensmtpq"]  # the group that its package makes
OPENSMTPD = """\
queue ttl 1h
action "out" relay helo "{hostname}"
match from local for any action "out"
"""


class OpenSmtpd(ClientMta):
    """A daemon that sendmail(1), here smtpctl under that name, talks to."""
    name = "opensmtpd"

    @classmethod
    def tree(cls):
        tree = super().tree()
        os.chown(f"{tree}/usr/sbin/smtpctl", 0, OPENSMTPQ)
        os.chmod(f"{tree}/usr/sbin/smtpctl", 0o2755)
        return tree

    def __init__(self, node):
        super().__init__(node)
        write(f"{node.etc}/smtpd-client.conf", OPENSMTPD.format(hostname=node.hostname))
        os.makedirs(f"{node.dir}/bin", exist_ok=True)
        os.symlink("/usr/sbin/smtpctl", f"{node.dir}/bin/sendmail")
        prepare_opensmtpd(node)
        node.start(self.name, "/usr/sbin/smtpd", "-d", "-f", "/etc/smtpd-client.conf")
        wait_for("smtpd's socket", lambda: os.path.exists(f"{node.var}/run/smtpd.sock"))

    def send(self, sender, recipients, message, host):
        return self.submit(f"{self.node.dir}/bin/sendmail", "-i", "-f", sender, "--", *recipients, message=message)

    def _envelopes(self, recipient):
        lines = self.node.run("/usr/sbin/smtpctl", "show", "queue").splitlines()
        return [line.split("|")[0] for line in lines if f"|{recipient}|" in line]

    def queued(self, recipient):
        return bool(self._envelopes(recipient))

    def retry(self, recipient):
        for envelope in self._envelopes(recipient):
            self.node.run("/usr/sbin/smtpctl", "schedule", envelope)


def prepare_opensmtpd(node):
    """Directories as its package makes them. The place of its socket, in /var/run, is compiled in, and nodes share a /run."""
    os.unlink(f"{node.var}/run")
    os.mkdir(f"{node.var}/run")
    os.makedirs(f"{node.var}/lib/opensmtpd/empty", exist_ok=True)
    os.makedirs(f"{node.var}/spool/smtpd", exist_ok=True)
    os.chmod(f"{node.var}/spool/smtpd", 0o711)
