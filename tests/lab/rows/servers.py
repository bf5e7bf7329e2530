# SPDX-License-Identifier: GPL-2.0-or-later
"""Other mail servers as peers: OpenSMTPD (mx3) and aiosmtpd (mx4), which has neither PIPELINING nor enhanced codes.

Debian 12's OpenSMTPD (6.8.0p2) offers STARTTLS, and no handshake of any client succeeds: its way to keep the key in a process
apart does not work with OpenSSL 3 (github.com/OpenSMTPD/OpenSMTPD/issues/1171). So its rows show what becomes of such a peer: in
plaintext where that is allowed, never where it publishes TLSA records.
"""

from lib.table import Host, Row

EIGHT_BIT = "Subject: ä\n\nGrüße aus Köln, 你好\n".encode()
DOTS = b"Subject: dots\n\n.\n..\n.one\nx.\n.\n"
LARGE = b"Subject: 5 MiB\n\n" + (b"." * 30 + b"x" * 40 + b"\n") * (5 * (1 << 20) // 71)


def rows_of(name, server, tlsa, **fields):
    def row(what, families="46", tlsa=tlsa, **more):
        return Row(f"{name}-{what}", [Host(server, tlsa, families=families)], **{**fields, **more})

    return [
        row("v4", "4"),
        row("v6", "6"),
        row("recipients", recipients=("a", "b", "c")),
        row("8-bit", message=EIGHT_BIT),
        row("dots", message=DOTS),
        row("large", message=LARGE),
        row("null-sender", sender=""),
    ]


ROWS = [
    *rows_of("peer-aiosmtpd", "mx4", ("3 1 1",), event={"result": "verified", "outcome": "accepted"}),
    Row("peer-aiosmtpd-certificate", [Host("mx4", ("3 0 1",))], event={"result": "verified", "tlsa": "3 0 1"}),
    Row("peer-aiosmtpd-wrong-key", [Host("mx4", ("3 1 1 mx1",))], status="deferred", reply=r"451 4\.7\.5 .*danegate",
        event={"result": "refused", "reason": "tlsa-mismatch", "outcome": "deferred"}),
    *rows_of("peer-opensmtpd", "mx3", (), plaintext=True, event={"result": "plaintext", "outcome": "accepted"}),
    Row("peer-opensmtpd-tlsa", [Host("mx3", ("3 1 1",))], status="deferred", reply=r"451 4\.7\.5 .*danegate",
        event={"result": "refused", "reason": "tls-handshake", "outcome": "deferred"}),
]
