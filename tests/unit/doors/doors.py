#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds the rooms to their doors: which room may include, and link, which other one.

    doors.py SOURCE_DIR      every #include and every DOORS list of the tree; exit 1 with the violations
    doors.py --self-test     plants violations in a temporary tree and demands that each is found
"""

import pathlib
import re
import sys
import tempfile

# Rooms at the bottom know nobody; a room may open the doors named here, and its own.
BELOW = {"dane", "netfilter", "conf"}
EDGE = {"smtp", "dns", "tls", "net"}
ALLOWED = {
    "dane": set(),
    "netfilter": set(),
    "conf": set(),
    "smtp": BELOW,
    "dns": BELOW,
    "tls": BELOW,
    "net": BELOW,
    "session": EDGE | BELOW,
    "ops": EDGE | BELOW,
    "cli": {"session", "ops"} | EDGE | BELOW,
}
FOLDERS = {room: ("" if room in BELOW else "proxy/") + room for room in ALLOWED}
SOURCES = {".h", ".cc", ".hh", ".cpp", ".hpp", ".inc", ".c"}

INCLUDE = re.compile(r"^\s*#\s*(?:include|include_next|import)\b\s*(.*)$")
NAMED = re.compile(r'^(["<])([^">]+)[">]')
ROOM_CALL = re.compile(r"danegate_room\(\s*(\w+)(.*?)\n?\)", re.S)
LINKED = re.compile(r"\bdanegate_(" + "|".join(ALLOWED) + r")\b")


def room_of(path):
    """The room that owns a path relative to the source folder, or None."""
    for room, folder in FOLDERS.items():
        if path == folder or path.startswith(folder + "/"):
            return room
    return None


def door_list(cmake_text):
    """The rooms after DOORS in a danegate_room() call, and whether there is such a call."""
    text = re.sub(r"#.*", "", cmake_text)
    call = ROOM_CALL.search(text)
    if call is None:
        return None
    words = re.sub(r"\$<[^\s]*>", " ", call.group(2)).split()
    doors, inside = [], False
    for word in words:
        if word in ("SOURCES", "DOORS", "PACKAGES"):
            inside = word == "DOORS"
        elif inside:
            doors.append(word)
    return doors


def check_cmake(root, room, problems):
    path = root / FOLDERS[room] / "CMakeLists.txt"
    name = path.relative_to(root)
    text = path.read_text() if path.exists() else ""
    doors = door_list(text)
    if doors is None:
        problems.append(f"{name}: no danegate_room() for {room}")
        return set()
    for door in doors:
        if door not in ALLOWED:
            problems.append(f"{name}: {door} is no room")
        elif door not in ALLOWED[room]:
            problems.append(f"{name}: {room} may not open the door to {door}")
    for linked in LINKED.findall(re.sub(r"#.*", "", text)):
        if linked != room and linked not in doors:
            problems.append(f"{name}: links danegate_{linked} past its DOORS")
    return set(doors)


def check_source(root, path, room, doors, problems):
    """Returns whether the file includes anything of ours."""
    name = path.relative_to(root)
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        include = INCLUDE.match(line)
        if include is None:
            continue
        where = f"{name}:{number}"
        target = NAMED.match(include.group(1))
        if target is None:
            problems.append(f"{where}: an include that cannot be read: {line.strip()}")
            continue
        quoted, header = target.group(1) == '"', target.group(2)
        other = room_of(header)
        if other is None:
            # A path relative to the file would get past this test.
            if quoted or ".." in header.split("/"):
                problems.append(f'{where}: "{header}" does not name its room from the source folder')
        elif ".." in header.split("/"):
            problems.append(f'{where}: "{header}" leaves its room by ".."')
        elif other != room and other not in ALLOWED[room]:
            problems.append(f"{where}: {room} may not know {other} ({header})")
        elif other != room and other not in doors:
            problems.append(f"{where}: {other} is not among the DOORS of {room} ({header})")


def check(root):
    problems, files = [], 0
    for room, folder in FOLDERS.items():
        doors = check_cmake(root, room, problems)
        for path in sorted((root / folder).rglob("*")):
            if path.suffix in SOURCES and path.is_file():
                files += 1
                check_source(root, path, room, doors, problems)
    for path in sorted((root / "proxy").rglob("*")):
        if path.suffix in SOURCES and room_of(path.relative_to(root).as_posix()) is None:
            problems.append(f"{path.relative_to(root)}: in no room")
    return files, problems


CLEAN_DOORS = {
    "session": "smtp dns tls net dane netfilter conf",
    "ops": "",
    "cli": "session ops smtp dns tls net dane netfilter conf",
    "dns": "dane",
    "tls": "dane",
    "net": "dane",
}


def plant_clean_tree(root):
    for room, folder in FOLDERS.items():
        (root / folder).mkdir(parents=True)
        doors = CLEAN_DOORS.get(room, "")
        (root / folder / "CMakeLists.txt").write_text(
            f"danegate_room({room}\n  SOURCES a.cc {('DOORS ' + doors) if doors else ''}\n"
            "  PACKAGES $<$<BOOL:${X}>:PkgConfig::LIBCRYPTO> fmt::fmt)\n")
        (root / folder / "a.h").write_text("#pragma once\n#include <vector>\n")
        (root / folder / "a.cc").write_text(f'#include "{folder}/a.h"\n// #include "nowhere.h"\n')
    with (root / "proxy/session/a.cc").open("a") as source:
        source.write('#include "proxy/smtp/a.h"\n#  include "dane/a.h"\n')


# (file, line to add, words that the problem must hold)
PLANTED = [
    ("dane/a.h", '#include "conf/a.h"', "dane may not know conf"),
    ("conf/a.cc", '#include "dane/a.h"', "conf may not know dane"),
    ("netfilter/a.cc", "#include <dane/a.h>", "netfilter may not know dane"),
    ("dane/a.cc", '#include "proxy/dns/a.h"', "dane may not know dns"),
    ("proxy/smtp/a.cc", '#include "proxy/tls/a.h"', "smtp may not know tls"),
    ("proxy/net/a.cc", '#include "proxy/session/a.h"', "net may not know session"),
    ("proxy/session/a.cc", '# include "proxy/ops/a.h"', "session may not know ops"),
    ("proxy/ops/a.cc", '#include "proxy/session/a.h"', "ops may not know session"),
    ("proxy/ops/a.cc", '#include "proxy/cli/a.h"', "ops may not know cli"),
    ("proxy/smtp/a.cc", '#include "dane/a.h"', "dane is not among the DOORS of smtp"),
    ("proxy/smtp/a.cc", '#include "../tls/a.h"', "does not name its room"),
    ("proxy/smtp/a.cc", '#include "proxy/smtp/../tls/a.h"', 'leaves its room by ".."'),
    ("proxy/smtp/a.cc", "#include HEADER", "cannot be read"),
    ("proxy/util.h", "#pragma once", "in no room"),
    ("proxy/smtp/CMakeLists.txt", "target_link_libraries(danegate_smtp PUBLIC danegate_tls)", "past its DOORS"),
]


def self_test():
    failures = []
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "clean"
        plant_clean_tree(root)
        problems = check(root)[1]
        if problems:
            failures.append(f"the clean tree is refused: {problems}")
    for file, line, words in PLANTED:
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder) / "planted"
            plant_clean_tree(root)
            with (root / file).open("a") as source:
                source.write(line + "\n")
            problems = check(root)[1]
            if len(problems) != 1 or words not in problems[0]:
                failures.append(f"{line} in {file}: expected '{words}', found {problems}")
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder) / "doors"
        plant_clean_tree(root)
        (root / "dane/CMakeLists.txt").write_text("danegate_room(dane\n  SOURCES a.cc\n  DOORS conf)\n")
        problems = check(root)[1]
        if len(problems) != 1 or "dane may not open the door to conf" not in problems[0]:
            failures.append(f"a forbidden DOORS entry: found {problems}")
    return len(PLANTED) + 2, failures


def main(arguments):
    if arguments == ["--self-test"]:
        cases, problems = self_test()
        print(f"{cases} cases")
    elif len(arguments) == 1:
        files, problems = check(pathlib.Path(arguments[0]).resolve())
        print(f"{files} files")
        if files == 0:
            problems.append("no source file found: wrong folder?")
    else:
        print(__doc__)
        return 2
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
