# SPDX-License-Identifier: GPL-2.0-or-later
"""Other mail servers as verified peers: OpenSMTPD (mx3) and aiosmtpd (mx4), which has neither PIPELINING nor enhanced codes."""

from lib.table import Host, Row

EIGHT_BIT = "Subject: ä\n\nGrüße aus Köln, 你好\n".encode()
DOTS = b"Subject: dots\n\n.\n..\n.one\nx.\n.\n"
LARGE = b"Subject: 5 MiB\n\n" + (b"." * 30 + b"x" * 40 + b"\n") * (5 * (1 << 20) // 71)


def rows_of(name, server):
    def row(what, families="46", tlsa=("3 1 1",), **fields):
        return Row(f"{name}-{what}", [Host(server, tlsa, families=families)], event={"result": "verified", "outcome": "accepted"},
                   **fields)

    return [
        row("v4", "4"),
        row("v6", "6"),
        row("recipients", recipients=("a", "b", "c")),
        row("8-bit", message=EIGHT_BIT),
        row("dots", message=DOTS),
        row("large", message=LARGE),
        row("null-sender", sender=""),
        row("certificate", tlsa=("3 0 1",)),
        Row(f"{name}-wrong-key", [Host(server, ("3 1 1 mx1",))], status="deferred", reply=r"451 4\.7\.5 .*danegate",
            event={"result": "refused", "reason": "tlsa-mismatch", "outcome": "deferred"}),
    ]


ROWS = [*rows_of("peer-opensmtpd", "mx3"), *rows_of("peer-aiosmtpd", "mx4")]
