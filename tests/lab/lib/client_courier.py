# SPDX-License-Identifier: GPL-2.0-or-later
"""Courier's mail server as a client: courierd, which starts courieresmtp. See clients.py for the interface."""

import glob
import os
import shutil

from .clients import ClientMta
from .node import USERS, wait_for, write

SETTINGS = {"me": "{name}", "defaultdomain": "{name}", "dsnfrom": "postmaster@{name}", "locals": "localhost", "esmtphelo": "{name}",
            "retryalpha": "1h", "retrybeta": "1h", "retrygamma": "1h", "enablefiltering": "",
            "esmtptimeoutkeepalive": "1"}  # seconds that it keeps a connection for the next message


class Courier(ClientMta):
    name = "courier"

    @classmethod
    def tree(cls):
        """With the owners and modes that its installation would have given."""
        tree = super().tree()
        if os.path.exists(f"{tree}/usr/sbin/sendmail"):  # Postfix's has that place in the node
            os.rename(f"{tree}/usr/sbin/sendmail", f"{tree}/usr/lib/courier/sendmail")
        number = USERS["courier"]
        os.chown(f"{tree}/usr/lib/courier/courier/submitmkdir", number, number)
        os.chmod(f"{tree}/usr/lib/courier/courier/submitmkdir", 0o4755)
        return tree

    def __init__(self, node):
        super().__init__(node)
        etc = f"{node.etc}/courier"
        shutil.copytree(f"{self.tree()}/etc/courier", etc)
        for key, value in SETTINGS.items():
            write(f"{etc}/{key}", value.format(name=node.hostname) + "\n" if value else "")
        with open(f"{etc}/courierd", "a", encoding="ascii") as file:
            file.write("ESMTP_USE_STARTTLS=0\n")
        write(f"{node.etc}/environment", "")
        for path in ("msgs", "msgq", "sts", "track", "allfilters", "filters"):
            self.directory(f"lib/courier/{path}", "courier:courier", 0o750)
        self.directory("lib/courier/tmp", "courier:courier", 0o770)
        self.directory("lib/courier/tmp/broken", "courier:courier", 0o770)
        node.run("chown", "courier:courier", "/var/lib/courier")
        node.start(self.name, "/usr/bin/env", "-i", "/bin/sh", "-c",
                   "cd /usr; set -a; . /etc/courier/courierd; exec /usr/lib/courier/courier/courierd")
        wait_for("courierd starts", lambda: os.path.exists(f"{node.var}/lib/courier/tmp/trigger"))

    def send(self, sender, recipients, message, host):
        return self.submit("/usr/lib/courier/sendmail", "-f", sender, *recipients, message=message)

    def _queued(self, recipient):
        """Paths of the control files that name the recipient; they go with the message."""
        return [path for path in glob.glob(f"{self.node.var}/lib/courier/msgs/*/C*") if f"r{recipient}\n" in _read(path)]

    def queued(self, recipient):
        return bool(self._queued(recipient))

    def retry(self, recipient):
        self.node.run("/usr/sbin/courier", "flush")


def _read(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""
