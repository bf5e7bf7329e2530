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


def rules_checks():
    """Strings in the sources of rules_test.py: each check's name is one, or made from one."""
    found = []
    for path in [f"{TESTS}/lab/rules_test.py", *glob.glob(f"{TESTS}/lab/rules/*.py")]:
        with open(path, encoding="utf-8") as file:
            found += [one or other for one, other in re.findall(r'"([^"\n]+)"|\'([^\'\n]+)\'', file.read())]
    return found


def package_cases():
    found = set()
    for path in ("package_test.py", "quickstart_test.py", "lib/unit_life.py", "lib/unit_mail.py"):
        with open(f"{TESTS}/lab/{path}", encoding="utf-8") as file:
            found |= set(re.findall(r"^def (\w+)\(", file.read(), re.M))
    return found


def complaints(rows):
    """rows: all that there are."""
    with open(f"{TESTS}/README.md", encoding="utf-8") as file:
        table = file.read().partition("<!-- proofs -->")[2].partition("<!-- end of proofs -->")[0]
    lines = [line.split("|")[1:3] for line in table.splitlines() if line.startswith("|")][2:]
    checks, cases = rules_checks(), package_cases()
    unit, names = unit_tests(), {row.name for row in rows} | {f"{row.file}:{row.name}" for row in rows}
    wrong = ["tests/README.md: no table of proofs"] if not lines else []
    for line, proofs in lines:
        tests = re.findall(r"`([^`]+)`", proofs)
        if not tests:
            wrong.append(f"tests/README.md: no test for {line.strip()!r}")
        for test in tests:
            there = os.path.exists(f"{TESTS}/fuzz/{test[5:]}_fuzz.cc") if test.startswith("fuzz_") else \
                any(test[7:] in check for check in checks) if test.startswith("rules: ") else \
                test[9:] in cases if test.startswith("package: ") else \
                test in unit if "." in test else bool(fnmatch.filter(names, test))
            if not there:
                wrong.append(f"tests/README.md: there is no test {test!r} ({line.strip()})")
    return wrong
