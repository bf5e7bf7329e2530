# SPDX-License-Identifier: GPL-2.0-or-later
"""OpenSMTPD in a node, as an MX with a self-signed certificate."""

from . import packages
from .clients import prepare_opensmtpd
from .node import wait_for_port, write

CONFIG = """\
pki own cert "/etc/mx.pem"
pki own key "/etc/mx.key"
smtp max-message-size "100M"
table everybody {{ "@" = "vmail" }}
{listeners}
action "box" maildir "/var/mail/all" virtual <everybody> user vmail
match from any for any action "box"
"""


class OpenSmtpd:
    def __init__(self, node, certificate):
        prepare_opensmtpd(node)
        node.run("chown", "vmail:vmail", "/var/mail")
        for source, target in ((certificate.chain, "mx.pem"), (certificate.key, "mx.key")):
            with open(source, encoding="ascii") as file:
                write(f"{node.etc}/{target}", file.read(), 0o600)
        listeners = "\n".join(f"listen on {address} tls pki own hostname {node.hostname}" for address in node.addresses)
        write(f"{node.etc}/smtpd.conf", CONFIG.format(listeners=listeners))
        node.start("opensmtpd", "/usr/sbin/smtpd", "-d")
        wait_for_port(node, "opensmtpd")


def tree():
    return packages.unpack("opensmtpd")
