# SPDX-License-Identifier: GPL-2.0-or-later
"""tests/README.md's map from the specification to tests: every name in it exists."""

import fnmatch
import glob
import os
import re

TESTS = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def unit_tests():
    found = set()
    for path in glob.glob(f"{TESTS}/unit/**/*_test.cc", recursive=True):
        with open(path, encoding="utf-8") as file:
            found |= {f"{suite}.{name}" for suite, name in re.findall(r"\bTEST(?:_F|_P)?\((\w+),\s*(\w+)\)", file.read())}
    return found


def complaints(rows):
    """rows: all that there are."""
    with open(f"{TESTS}/README.md", encoding="utf-8") as file:
        table = file.read().partition("<!-- proofs -->")[2].partition("<!-- end of proofs -->")[0]
    lines = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("|")][2:]
    unit, names = unit_tests(), {row.name for row in rows} | {f"{row.file}:{row.name}" for row in rows}
    wrong = ["tests/README.md: no table of proofs"] if not lines else []
    for line, proofs in lines:
        tests = re.findall(r"`([^`]+)`", proofs)
        if not tests:
            wrong.append(f"tests/README.md: no test for {line.strip()!r}")
        for test in tests:
            there = os.path.exists(f"{TESTS}/fuzz/{test[5:]}_fuzz.cc") if test.startswith("fuzz_") else \
                test in unit if "." in test else bool(fnmatch.filter(names, test))
            if not there:
                wrong.append(f"tests/README.md: there is no test {test!r} ({line.strip()})")
    return wrong
