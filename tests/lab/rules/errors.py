# SPDX-License-Identifier: GPL-2.0-or-later
"""No privilege, missing programs, failures half way: one sentence each, and nothing half applied."""
import os
import shutil
import tempfile

from .host import HOST
from .kernel import DANEGATE, MTA, check, sh


def run(lab):
    done = sh(["setpriv", "--reuid", str(MTA), "--clear-groups", DANEGATE, "rules", "apply"], HOST, must=False)
    check("apply needs root, and says so", done.returncode == 1 and "root" in done.stderr and done.stderr.count("\n") == 1, done.stderr)
    readable = tempfile.mkdtemp(prefix="danegate-rules-")
    os.chmod(readable, 0o755)
    shutil.copy(lab.folder + "/conf.toml", readable + "/conf.toml")
    done = sh(["setpriv", "--reuid", str(MTA), "--clear-groups", DANEGATE, "rules", "print", "-c", readable + "/conf.toml"], HOST, must=False)
    check("print does not", done.returncode == 0 and ("# nft -f" if lab.variant == "nftables" else "# ip6tables-restore") in done.stdout, done.stderr)
    shutil.rmtree(readable)
    with open(lab.folder + "/conf.toml", "w") as file:
        file.write('[intercept]\nuser = "no-such-user"\n')
    check("a user that does not exist", "user 'no-such-user' does not exist: create it with `useradd" in lab.rules("apply", must=1))
    lab.config("")
    if lab.variant == "nftables":
        run_without_nft(lab)
    if lab.variant == "nft":
        run_broken_iptables(lab)


def without(programs):
    """Words before a command: in a mount namespace where none of `programs` can be executed."""
    hide = "".join("for d in /usr/sbin /sbin /usr/bin /bin; do [ ! -e $d/%s ] || mount --bind /dev/null $d/%s; done;" % (name, name)
                   for name in programs)
    return ["unshare", "-m", "bash", "-c", "mount --make-rprivate /; " + hide + 'exec "$@"', "-"]


def run_without_nft(lab):
    before = lab.saved()
    words = [DANEGATE, "rules", "apply", "-c", lab.folder + "/conf.toml"]
    done = sh(without(["nft"]) + words, HOST, must=False)
    check("nft is missing", done.returncode == 1 and "nft is not installed: apt-get install nftables" in done.stderr and lab.saved() == before, done.stderr)
    done = [sh(without(["iptables-save", "ip6tables-save"]) + words[:2] + [verb] + words[3:], HOST, must=False) for verb in ("apply", "check", "remove")]
    check("without iptables everything works", [one.returncode for one in done] == [0, 0, 0] and lab.saved() == before, [one.stderr for one in done])
    done = sh(["setpriv", "--bounding-set", "-net_admin"] + words, HOST, must=False)
    check("no CAP_NET_ADMIN: nothing is changed", done.returncode == 1 and "CAP_NET_ADMIN" in done.stderr and lab.saved() == before, done.stderr)


def run_broken_iptables(lab):
    # A private view of /etc/alternatives, in which one program is missing or fails.
    script = ("set -e; cp -a /etc/alternatives %(t)s/alt; %(change)s; mount --make-rprivate /; mount --bind %(t)s/alt /etc/alternatives;"
              "exec %(d)s rules apply -c %(t)s/conf.toml")
    for name, change, want in (
            ("ip6tables fails: IPv4 is rolled back", "printf '#!/bin/sh\\necho broken >&2; exit 3\\n' > %(t)s/bad; chmod +x %(t)s/bad; ln -sf %(t)s/bad %(t)s/alt/ip6tables-restore",
             "IPv6: ip6tables-restore refused the rules: broken; the IPv4 rules were put back as they were"),
            ("iptables is missing", "rm %(t)s/alt/iptables-save %(t)s/alt/iptables", "iptables-save is not installed: apt-get install iptables")):
        values = {"t": lab.folder, "d": DANEGATE}
        before = lab.saved()
        done = sh(["unshare", "-m", "bash", "-c", script % {**values, "change": change % values}], HOST, must=False)
        check(name, done.returncode == 1 and want in done.stderr and done.stderr.count("\n") == 1 and lab.saved() == before, done.stderr)
        shutil.rmtree(lab.folder + "/alt", ignore_errors=True)


def run_two_variants(lab):
    legacy = {"DANEGATE_IPTABLES": "legacy"}
    words = [DANEGATE, "rules", "apply", "-c", lab.folder + "/conf.toml"]
    sh(words, HOST, env=legacy)
    said = lab.rules("apply")
    check("apply warns of the other variant's rules", "iptables-legacy carries IPv4 rules of danegate too" in said, said)
    lab.rules("check", must=1)
    lab.rules("remove")
    left = sh("iptables-legacy-save", HOST).stdout + sh("ip6tables-legacy-save", HOST).stdout
    check("remove takes both away", "danegate-" not in left and lab.saved() == [], left)
