# SPDX-License-Identifier: GPL-2.0-or-later
"""The programs that send mail, by name: clients.py has their interface."""

from .client_courier import Courier
from .clients import Exim, OpenSmtpd, Postfix, Sendmail
from .clients_small import Dma, Msmtp, Nullmailer, QmailRemote, Ssmtp, Swaks

ALL = {kind.name: kind for kind in (Exim, Sendmail, OpenSmtpd, Courier, Nullmailer, Dma, Msmtp, Ssmtp, Swaks, QmailRemote)}

__all__ = ["ALL", "Postfix"]
