# SPDX-License-Identifier: GPL-2.0-or-later
"""Backend iptables: what apply, remove and check do to what is there."""
import os
import subprocess

from .host import HOST
from .kernel import DANEGATE, check, sh

FOREIGN = """*nat
:DOCKER - [0:0]
-A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER
-A OUTPUT ! -d 127.0.0.0/8 -m addrtype --dst-type LOCAL -m comment --comment "a \\"quoted\\" -j danegate-closed" -j DOCKER
-A DOCKER -i docker0 -j RETURN
COMMIT
*filter
:DOCKER-USER - [0:0]
:danegated - [0:0]
-A FORWARD -j DOCKER-USER
-A OUTPUT -p tcp -m tcp --dport 4444 -j DROP
-A DOCKER-USER -j RETURN
COMMIT
"""


def run(lab):
    for program in ("iptables", "ip6tables"):
        sh("%s-%s-restore --noflush" % (program, lab.variant), HOST, text=FOREIGN if program == "iptables" else FOREIGN.replace("127.0.0.0/8", "::1/128"))
    before = lab.saved()
    check("check says that nothing is in force", "no rules are in force" in lab.rules("check", must=1))
    lab.rules("apply")
    once = lab.saved()
    lab.rules("apply")
    check("apply twice = once", once == lab.saved() and once != before)
    check("foreign rules are untouched by apply", [line for line in once if "danegate-" not in line or "quoted" in line] == before)
    said = lab.rules("check")
    check("check is content", "in force as configured" in said, said)
    check("check names what happens to containers (rule 13)", "bridges is rejected" in said, said)
    for six, family in ((False, "IPv4"), (True, "IPv6")):
        lab.tables("-D danegate-closed -p tcp -j REJECT --reject-with tcp-reset", six)
        said = lab.rules("check", must=1)
        check("check names a deleted rule, " + family, family + ": table filter, chain danegate-closed: missing: -p tcp -j REJECT" in said, said)
        lab.rules("apply")
        lab.tables("-I OUTPUT -p tcp -j ACCEPT", six)
        said = lab.rules("check", must=1)
        check("check names a foreign rule before ours, " + family, family + ": table filter, chain OUTPUT: 1 foreign rule stands before ours" in said, said)
        lab.tables("-D OUTPUT -p tcp -j ACCEPT", six)
    lab.rules("remove")
    check("remove restores", lab.saved() == before, lab.saved())
    lab.rules("remove")
    check("remove twice is harmless", lab.saved() == before)
    lab.rules("apply")
    lab.tables("-t nat -D OUTPUT -p tcp -m multiport --dports 25 -j danegate-redirect")
    lab.tables("-F danegate-forward", six=True)
    lab.config("ports = [25, 587]\nmark = 7\nfail = \"open\"")
    check("check sees another configuration", "not of this configuration" in lab.rules("check", must=1))
    lab.rules("remove")
    check("remove restores after hands and another configuration", lab.saved() == before, lab.saved())
    lab.rules("apply")
    lab.config("")
    lab.rules("apply")
    check("apply replaces another configuration's rules", lab.saved() == once)
    processes = [subprocess.Popen(["ip", "netns", "exec", HOST, DANEGATE, "rules", "apply", "-c", lab.folder + "/conf.toml"],
                                  env={**os.environ, **lab.env}) for _ in range(4)]
    check("four at once", [process.wait() for process in processes] == [0] * 4 and lab.saved() == once)
    lab.rules("remove")
    for name in ("-D FORWARD -j DOCKER-USER", "-D OUTPUT -p tcp -m tcp --dport 4444 -j DROP", "-F DOCKER-USER", "-X DOCKER-USER", "-X danegated", "-t nat -F", "-t nat -X"):
        lab.tables(name)
        lab.tables(name, six=True)


