#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""An MX of python3-aiosmtpd with STARTTLS, every recipient's message in one Maildir.
Usage: aio_mx.py NAME CERT KEY MAILDIR ADDRESS..."""

import asyncio
import itertools
import os
import ssl
import sys

from aiosmtpd.smtp import SMTP


class Box:
    def __init__(self, directory):
        self.directory = directory
        self.count = itertools.count()
        for part in ("tmp", "new"):
            os.makedirs(f"{directory}/{part}", exist_ok=True)

    async def handle_DATA(self, _server, _session, envelope):  # pylint: disable=invalid-name
        for recipient in envelope.rcpt_tos:
            name = f"{next(self.count):06}"
            head = f"Return-Path: <{envelope.mail_from or ''}>\nEnvelope-to: {recipient}\n".encode()
            with open(f"{self.directory}/tmp/{name}", "wb") as file:
                file.write(head + envelope.content.replace(b"\r\n", b"\n"))
            os.rename(f"{self.directory}/tmp/{name}", f"{self.directory}/new/{name}")
        return "250 2.0.0 taken"


async def main():
    name, cert, key, directory, *addresses = sys.argv[1:]
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(cert, key)
    box = Box(directory)

    def session():
        return SMTP(box, hostname=name, tls_context=context, data_size_limit=100 << 20, enable_SMTPUTF8=True,
                    loop=asyncio.get_running_loop())

    for address in addresses:
        await asyncio.get_running_loop().create_server(session, address, 25)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
