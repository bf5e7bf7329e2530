# SPDX-License-Identifier: GPL-2.0-or-later
"""Exim in a node: the MX with a private CA. Its ports 465 and 587 are a submission server's: AUTH inside TLS only, and on 587
nothing but TLS 1.2."""

import os

from . import packages
from .node import wait_for_port, write

# One Maildir for everybody: Exim does not let an address from outside become part of a path.
CONFIG = """\
primary_hostname = {hostname}
exim_user = Debian-exim
exim_group = Debian-exim
domainlist here = *
local_interfaces = <; {interfaces}
daemon_smtp_ports = 25 : 465 : 587
tls_advertise_hosts = *
tls_on_connect_ports = 465
tls_require_ciphers = ${{if eq{{$received_port}}{{587}}{{NORMAL:-VERS-ALL:+VERS-TLS1.2}}{{NORMAL}}}}
auth_advertise_hosts = ${{if and{{{{>{{$received_port}}{{25}}}}{{!eq{{$tls_in_cipher}}{{}}}}}}{{*}}}}
tls_certificate = /etc/exim4/tls.pem
tls_privatekey = /etc/exim4/tls.key
log_file_path = /var/log/exim4/%slog
log_selector = +tls_sni +tls_cipher +smtp_connection +incoming_port
spool_directory = /var/spool/exim4
acl_smtp_rcpt = check_rcpt
acl_smtp_data = accept_all
host_lookup =
rfc1413_query_timeout = 0s
smtp_accept_max = 200
smtp_accept_max_per_host = 0
smtp_connect_backlog = 200
smtp_enforce_sync = true
message_size_limit = 100M
chunking_advertise_hosts =
keep_environment =
never_users =
begin acl
check_rcpt:
  deny
    condition = ${{if >{{$received_port}}{{25}}}}
    !authenticated = *
    message = 5.7.0 authentication required
  accept
accept_all:
  accept
begin routers
box:
  driver = accept
  transport = maildir
begin transports
maildir:
  driver = appendfile
  maildir_format
  directory = /var/mail/all
  create_directory
  user = vmail
  group = vmail
  mode = 0644
  envelope_to_add
begin retry
* * F,1h,10s
begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_prompts = :
  server_condition = ${{if and{{{{eq{{$auth2}}{{scanner}}}}{{eq{{$auth3}}{{paper-tray-2}}}}}}}}
  server_set_id = $auth2
login:
  driver = plaintext
  public_name = LOGIN
  server_prompts = Username:: : Password::
  server_condition = ${{if and{{{{eq{{$auth1}}{{scanner}}}}{{eq{{$auth2}}{{paper-tray-2}}}}}}}}
  server_set_id = $auth1
"""


class Exim:
    def __init__(self, node, certificate, settings=""):
        self.node = node
        self.log = f"{node.var}/log/exim4/mainlog"
        os.makedirs(f"{node.etc}/exim4")
        addresses = [str(a) for a in node.addresses]
        text = CONFIG.format(hostname=node.hostname, interfaces=" ; ".join(addresses))
        write(f"{node.etc}/exim4/exim4.conf", settings + text)
        for source, target in ((certificate.chain, "tls.pem"), (certificate.key, "tls.key")):
            with open(source, encoding="ascii") as file:
                write(f"{node.etc}/exim4/{target}", file.read(), 0o640)
            node.run("chown", "root:Debian-exim", f"/etc/exim4/{target}")
        for path, owner in (("spool/exim4", "Debian-exim"), ("log/exim4", "Debian-exim"), ("mail", "vmail")):
            os.makedirs(f"{node.var}/{path}", exist_ok=True)
            node.run("chown", f"{owner}:{owner}", f"/var/{path}")
        self.start()

    def start(self):
        self.node.start("exim", "/usr/sbin/exim4", "-bdf")
        wait_for_port(self.node, "exim")

    def deliver(self):
        """What an Exim that was killed has left in its queue."""
        self.node.run("/usr/sbin/exim4", "-qff")


def tree():
    return packages.unpack("exim4")
