# SPDX-License-Identifier: GPL-2.0-or-later
"""README.md's table of client programs and scenarios, from the rows that have a `cell`."""

from . import readme

NAME = "clients"


def table(rows):
    cells, scenarios = {}, {}
    for row in rows:
        if row.cell:
            client, scenario, text = row.cell
            cells.setdefault(client, {})[scenario] = text
            scenarios[scenario] = None  # in the order of the rows
    lines = [f"| client | {' | '.join(scenarios)} |", "| --- " * (1 + len(scenarios)) + "|"]
    for client, texts in cells.items():
        lines.append(f"| {client} | " + " | ".join(texts.get(scenario, "-") for scenario in scenarios) + " |")
    return "\n".join(lines) + "\n"


def complaints(rows):
    """rows: all that there are."""
    cells = [row.cell[:2] for row in rows if row.cell]
    wrong = [f"two rows for {cell}" for cell in sorted({cell for cell in cells if cells.count(cell) > 1})]
    if readme.table(NAME) != table(rows):
        wrong.append("README.md: the table of clients is not that of the rows; run --tables writes it")
    return wrong


def rewrite(rows):
    readme.rewrite(NAME, table(rows))
