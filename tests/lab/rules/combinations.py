# SPDX-License-Identifier: GPL-2.0-or-later
"""The table of tests/lab/README.md: for every combination of backend, scope, mode and family the checks that show it at work."""
import os

from .gateway import BACKENDS, COMBINATIONS, V4, V6

README = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "README.md")
BEGIN, END = "<!-- combinations: written by rules_test.py --table -->\n", "<!-- end of combinations -->"
COLUMNS = ("intercepted", "right source", "leak refused, proxy dead", "removed")


def cells(scope, mode, f):
    """Of each column: what follows "BACKEND SCOPE MODE FAMILY: " in the names of its checks."""
    own = {"own": f.gate} if "output" in scope else {}
    behind = {"mta%d" % (n + 1): f.mtas[n] if mode == "tproxy" else f.gate for n in range(2)} if "forward" in scope else {}
    sources = {**own, **behind}
    return (["%s intercepted" % who for who in sources], ["%s from %s" % one for one in sources.items()],
            ["%s refused, proxy dead" % who for who in [*own, *list(behind)[:1]]], ["removed without trace"])


def table():
    lines = ["| combination | %s |" % " | ".join(COLUMNS), "| --- " * (len(COLUMNS) + 1) + "|"]
    for backend in BACKENDS.values():
        for scope, mode in COMBINATIONS:
            for f in (V4, V6):
                columns = [" ".join("`%s`" % name for name in names) for names in cells(scope, mode, f)]
                lines.append("| `%s %s %s %s` | %s |" % (backend, scope, mode, f.name, " | ".join(columns)))
    return "\n".join(lines) + "\n"


def written():
    with open(README, encoding="utf-8") as file:
        return file.read().partition(BEGIN)[2].partition(END)[0]


def write():
    with open(README, encoding="utf-8") as file:
        text = file.read()
    before, rest = text.split(BEGIN)
    with open(README, "w", encoding="utf-8") as file:
        file.write(before + BEGIN + table() + END + rest.split(END)[1])


def complaints(names):
    """names: of the checks that ran, and whether they were good. The table's own words count, not what wrote it."""
    wrong = [] if written() == table() else ["it is not what rules_test.py --table writes"]
    for line in written().splitlines()[2:]:
        combination, *columns = [[word for word in cell.split("`")[1::2]] for cell in line.strip("|").split(" | ")]
        if len(columns) != len(COLUMNS) or not all(columns):
            wrong.append("not every column has a check: " + line)
        wrong += ["%s: %s" % (name, "failed" if name in names else "no such check ran")
                  for cell in columns for name in ("%s: %s" % (combination[0], one) for one in cell) if not names.get(name)]
    return wrong
