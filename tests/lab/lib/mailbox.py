# SPDX-License-Identifier: GPL-2.0-or-later
"""What the MX servers have delivered: one Maildir a machine, the recipient is in the header that the last MTA adds."""

import os
import threading

from .node import wait_for

_recipients = {}  # path → recipient
_lock = threading.Lock()


def files(node, recipient):
    """Paths of the messages that a machine of this lab holds for `recipient`."""
    box = f"{node.var}/mail/all/new"
    try:
        names = sorted(os.listdir(box))
    except FileNotFoundError:
        return []
    return [f"{box}/{name}" for name in names if _recipient(f"{box}/{name}") == recipient.lower()]


def _recipient(path):
    with _lock:
        if path not in _recipients:
            with open(path, "rb") as file:
                head = file.read(4096).decode("utf-8", "replace")
            found = [line.split(":", 1)[1] for line in head.splitlines()
                     if line.startswith(("Envelope-to:", "Delivered-To:"))]
            _recipients[path] = found[0].strip().lower() if found else ""
        return _recipients[path]


def delivered(node, recipient):
    """The messages themselves: octets with LF line ends."""
    found = []
    for path in files(node, recipient):
        with open(path, "rb") as file:
            found.append(file.read())
    return found


def wait_delivered(node, recipient, count=1, timeout=30.0):
    wait_for(f"{count} message(s) for {recipient} at {node.name}", lambda: len(files(node, recipient)) >= count, timeout, 0.05)
    return delivered(node, recipient)


def body(message):
    """What follows the header: the part that no MTA on the way may change."""
    return message.partition(b"\n\n")[2]
