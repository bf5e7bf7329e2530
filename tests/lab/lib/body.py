# SPDX-License-Identifier: GPL-2.0-or-later
"""Bodies that are hard on everybody who has to pass them on."""

import random


def content(seed, size):
    """Lines of every length, some with leading dots, some 8-bit."""
    rng = random.Random(seed)
    pool = [b"." * rng.randrange(3) + bytes(rng.choices(range(32, 127), k=rng.randrange(1, 78))) for _ in range(40)]
    pool += [("ä€" * rng.randrange(1, 30)).encode(), b".", b"..", b"", b"x" * 990]
    lines, octets = [], 0
    while octets < size:
        line = pool[rng.randrange(len(pool))]
        lines.append(line)
        octets += len(line) + 1
    return b"\n".join(lines) + b"\n"
