# SPDX-License-Identifier: GPL-2.0-or-later
"""Programs that hand mail to one host and have little of an MTA: see clients.py for the interface. Those without a queue say with
their exit code whether the message was delivered."""

import os
import shutil
import signal

from .clients import ClientMta, Sent
from .node import write

HERE = os.path.dirname(os.path.abspath(__file__))


class Msmtp(ClientMta):
    name = "msmtp"
    queues = False
    by_mx = False

    def send(self, sender, recipients, message, host):
        return self.submit("/usr/bin/msmtp", "--file=/dev/null", f"--host={host}", "--port=25", "--tls=off", "--auth=off",
                           f"--domain={self.node.hostname}", f"--from={sender or '<>'}", "--", *recipients, message=message)


class Ssmtp(ClientMta):
    name = "ssmtp"
    queues = False
    by_mx = False

    def send(self, sender, recipients, message, host):
        path = f"{self.node.dir}/ssmtp-{recipients[0]}.conf"
        write(path, f"mailhub={host}:25\nhostname={self.node.hostname}\nFromLineOverride=YES\nUseTLS=NO\nUseSTARTTLS=NO\n")
        return self.submit("/usr/sbin/ssmtp", f"-C{path}", f"-f{sender}", *recipients, message=message)


class Swaks(ClientMta):
    name = "swaks"
    queues = False
    by_mx = False

    def send(self, sender, recipients, message, host):
        path = f"{self.node.dir}/swaks-{recipients[0]}.eml"
        with open(path, "wb") as file:
            file.write(message.removesuffix(b"\n"))  # it ends the last line itself
        return self.submit("/usr/bin/swaks", "--server", host, "--port", "25", "--ehlo", self.node.hostname,
                           "--from", sender or "<>", "--to", ",".join(recipients), "--data", f"@{path}", "--suppress-data",
                           message=b"")


class QmailRemote(ClientMta):
    """qmail is in no Debian: qmail_remote.py says what qmail-remote says. qmail-rspawn starts one for each recipient, and what it
    does not deliver waits in qmail's queue, which is this object."""
    name = "qmail-remote"

    def __init__(self, node):
        super().__init__(node)
        self._queue = {}

    @classmethod
    def tree(cls):
        return None

    def send(self, sender, recipients, message, host):
        said = ""
        for recipient in recipients:
            done = self.submit("/usr/bin/python3", f"{HERE}/qmail_remote.py", self.node.hostname, recipient.rpartition("@")[2],
                               sender, recipient, message=message)
            said += done.text.replace("\0", "\n")
            self._queue.pop(recipient, None)
            if verdict(done.text) == "Z":
                self._queue[recipient] = (sender, message)
        return Sent(0, said)

    def queued(self, recipient):
        return recipient in self._queue

    def retry(self, recipient):
        sender, message = self._queue[recipient]
        self.send(sender, [recipient], message, "")


def verdict(reports):
    """As qmail-rspawn reads them: K, Z or D. What was said of the recipient goes before what was said of the message."""
    letters = [report[:1] for report in reports.split("\0") if report]
    return {"s": "Z", "h": "D"}.get(letters[0], letters[-1]) if letters else "Z"


class Dma(ClientMta):
    """Without SMARTHOST it looks up MX hosts. A process for each recipient."""
    name = "dma"

    def __init__(self, node):
        super().__init__(node)
        os.makedirs(f"{node.etc}/dma")
        write(f"{node.etc}/dma/dma.conf", f"MAILNAME {node.hostname}\n")
        self.directory("spool/dma", "root:mail", 0o2770)

    def send(self, sender, recipients, message, host):
        return self.submit("/usr/sbin/dma", "-i", "-f", sender, "--", *recipients, message=message)

    def queued(self, recipient):
        return recipient in self.node.run("/usr/sbin/dma", "-bp")

    def retry(self, recipient):
        self.node.run("/usr/sbin/dma", "-q1")
        # what is in the queue has a process that sleeps beside it, and looks every 30 s whether somebody has said -q
        for pid in filter(str.isdigit, os.listdir("/proc")):
            words = _words(pid)
            if words[:1] == ["/usr/sbin/dma"] and recipient in words:
                os.kill(int(pid), signal.SIGHUP)


def _words(pid):
    try:
        with open(f"/proc/{pid}/cmdline", encoding="utf-8", errors="replace") as file:
            return file.read().split("\0")
    except OSError:
        return []


class Nullmailer(ClientMta):
    """Its one relay and one queue have compiled-in places. So every message gets a mount namespace of its own, with a
    nullmailer-send as on a machine that has this host for its relay."""
    name = "nullmailer"
    by_mx = False

    def __init__(self, node):
        super().__init__(node)
        os.makedirs(f"{node.etc}/nullmailer")
        os.makedirs(f"{node.var}/spool/nullmailer")

    def _box(self, recipient):
        return f"{self.node.dir}/nullmailer/{recipient}"

    def _inside(self, recipient, *command):
        box = self._box(recipient)
        return ["unshare", "--mount", "sh", "-c",
                f"mount --bind {box}/etc /etc/nullmailer && mount --bind {box}/spool /var/spool/nullmailer && exec \"$@\"", "sh",
                *command]

    def _make_box(self, recipient, host):
        box = self._box(recipient)
        for path in ("queue", "tmp", "failed"):
            os.makedirs(f"{box}/spool/{path}")
        os.mkfifo(f"{box}/spool/trigger", 0o622)
        os.mkdir(f"{box}/etc")
        for name, value in (("remotes", f"{host} smtp --port=25"), ("me", self.node.hostname), ("helohost", self.node.hostname),
                            ("pausetime", "3600")):
            write(f"{box}/etc/{name}", value + "\n")
        shutil.chown(f"{box}/etc/remotes", "mail", "mail")
        for path in ("spool", "spool/queue", "spool/tmp", "spool/failed", "spool/trigger"):
            shutil.chown(f"{box}/{path}", "mail", "mail")

    def send(self, sender, recipients, message, host):
        first = recipients[0]
        self._make_box(first, host)
        done = self.submit(*self._inside(first, "/usr/bin/nullmailer-inject", "-a", "-f", sender, *recipients), message=message)
        self._start(first)
        return done

    def _start(self, first):
        """nullmailer-send begins with a run of the queue, and then sleeps."""
        self.node.start(f"nullmailer-{first}", *self._inside(first, "setpriv", "--reuid=mail", "--regid=mail", "--clear-groups",
                                                             "/usr/sbin/nullmailer-send"),
                        log=f"{self.node.dir}/nullmailer.log")

    def queued(self, recipient):
        """recipient: the first of the message; the others have no box of their own."""
        queue = f"{self._box(recipient)}/spool/queue"
        return os.path.isdir(queue) and bool(os.listdir(queue))

    def retry(self, recipient):
        self.node.stop(f"nullmailer-{recipient}")
        self._start(recipient)
