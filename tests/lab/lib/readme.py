# SPDX-License-Identifier: GPL-2.0-or-later
"""Tables of README.md that the rows themselves write, each between two marks."""

import os

PATH = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "README.md")


def _parts(name):
    """(before, table, after)"""
    with open(PATH, encoding="utf-8") as file:
        text = file.read()
    before, begin, rest = text.partition(f"<!-- {name}: written by run --tables -->\n")
    middle, end, after = rest.partition(f"<!-- end of {name} -->\n")
    return before + begin, middle, end + after


def table(name):
    return _parts(name)[1]


def rewrite(name, text):
    before, _, after = _parts(name)
    with open(PATH, "w", encoding="utf-8") as file:
        file.write(before + text + after)
