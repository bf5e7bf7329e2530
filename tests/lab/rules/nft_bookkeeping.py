# SPDX-License-Identifier: GPL-2.0-or-later
"""Backend nftables: what apply, remove and check do to what is there."""
import os
import subprocess

from .host import HOST
from .kernel import DANEGATE, check, sh

FOREIGN = """
table inet filter {
  chain input { type filter hook input priority 0; policy accept; ct state established accept; }
  chain output { type filter hook output priority 0; policy accept; tcp dport 4444 drop; }
}
table ip nat {
  chain DOCKER { iifname "docker0" return; }
  chain OUTPUT { type nat hook output priority -100; policy accept; ip daddr != 127.0.0.0/8 fib daddr type local jump DOCKER; }
}
table ip danegated {
  chain x { accept; }
}
"""


def nft(line):
    return sh(["nft", line], HOST)


def run(lab):
    sh("nft -f -", HOST, text=FOREIGN)
    before = lab.saved()
    check("check says that nothing is in force", "no rules are in force" in lab.rules("check", must=1))
    lab.rules("apply")
    once = lab.saved()
    lab.rules("apply")
    check("apply twice = once", once == lab.saved() and once != before)
    said = lab.rules("check")
    check("check is content", "in force as configured" in said, said)
    check("check names what happens to containers (rule 13)", "bridges is rejected" in said, said)
    handle = [line for line in sh("nft -a list chain ip danegate danegate-closed", HOST).stdout.splitlines() if "reject" in line][0].split()[-1]
    nft("delete rule ip danegate danegate-closed handle " + handle)
    said = lab.rules("check", must=1)
    check("check names a deleted rule", "IPv4: table ip danegate, chain danegate-closed: missing: reject with tcp reset" in said, said)
    lab.rules("apply")
    nft("insert rule ip6 danegate danegate-redirect meta skuid 77 return")
    said = lab.rules("check", must=1)
    check("check names a rule that is not ours", "IPv6: table ip6 danegate, chain danegate-redirect: not of this configuration: meta skuid 77 return" in said, said)
    nft("add table ip danegate { flags dormant; }")
    said = lab.rules("check", must=1)
    check("check names a table that sleeps", "flags dormant" in said, said)
    nft("add chain ip nat early { type nat hook output priority -150; }")
    said = lab.rules("check", must=1)
    check("check names a chain that redirects before ours", "chain early (priority -150) may redirect" in said, said)
    nft("delete chain ip nat early")
    lab.rules("remove")
    check("remove restores", lab.saved() == before, lab.saved())
    lab.rules("remove")
    check("remove twice is harmless", lab.saved() == before)
    lab.rules("apply")
    lab.config("ports = [25, 587]\nmark = 7\nfail = \"open\"")
    check("check sees another configuration", "not of this configuration" in lab.rules("check", must=1))
    lab.rules("apply")
    check("several ports and a mark read back as written", "in force as configured" in lab.rules("check"))
    lab.config("")
    lab.rules("apply")
    check("apply replaces another configuration's rules", lab.saved() == once)
    processes = [subprocess.Popen(["ip", "netns", "exec", HOST, DANEGATE, "rules", "apply", "-c", lab.folder + "/conf.toml"],
                                  env={**os.environ, **lab.env}) for _ in range(4)]
    check("four at once", [process.wait() for process in processes] == [0] * 4 and lab.saved() == once)
    lab.rules("remove")
    nft("flush ruleset")


def run_other_backend(lab):
    """From one backend to the other, and back: never both."""
    nftables, lab.variant = lab.variant, "nft"
    lab.config("")
    lab.rules("apply")
    lab.variant = nftables
    lab.config("")
    said = lab.rules("check", must=1)
    check("check names rules in the other backend", "in force in iptables, too" in said, said)
    lab.rules("apply")
    check("apply takes the other backend's away", "danegate-" not in sh("iptables-nft-save", HOST).stdout and "in force as configured" in lab.rules("check"))
    lab.variant = "nft"
    lab.config("")
    lab.rules("apply")
    check("and the other way round", "table ip danegate" not in sh("nft list tables", HOST).stdout and "in force as configured" in lab.rules("check"))
    lab.variant = nftables
    lab.rules("remove")
    left = sh("nft list ruleset", HOST).stdout
    check("remove takes away what either has", "danegate" not in left, left)
    sh("nft flush ruleset", HOST)
    lab.config("")
