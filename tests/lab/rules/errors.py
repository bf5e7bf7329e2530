# SPDX-License-Identifier: GPL-2.0-or-later
"""No privilege, missing programs and modules, a port in use, directories that cannot be written, failures half way: one sentence
each, nothing half applied, and no mail past the rules."""
import os
import shutil
import tempfile

from .host import HOST, NET4, NET6
from .kernel import DANEGATE, MALLORY, MTA, Server, check, dial, inside, sh


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
    else:
        run_broken_iptables(lab)
        run_without_ip6_nat(lab)
    if lab.variant == "nft":
        run_port_in_use(lab)
        run_unwritable(lab)


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


def run_without_ip6_nat(lab):
    """A kernel without ip6table_nat: what iptables-legacy says of a table that there is not, and iptables-nft of a chain."""
    real = "/usr/sbin/xtables-%s-multi" % lab.variant
    shutil.copy(real, lab.folder + "/real")
    fails = 'exec -a "$name" REAL "$@" <<<"${input//\\*nat/*nix}"' if lab.variant == "legacy" else \
        'sed "/^\\*nat/,\\$d" <<<"$input" | (exec -a "$name" REAL "$@"); echo "line 30: CHAIN_ADD failed (No such file or directory): chain OUTPUT" >&2; exit 4'
    script = '#!/bin/bash\nname=${0##*/}\ninput=$(cat)\nif [[ $name == ip6tables*-restore && $input == *danegate-redirect* ]]; then %s; fi\nexec -a "$name" REAL "$@" <<<"$input"\n' % fails
    with open(lab.folder + "/fake", "w") as file:
        file.write(script.replace("REAL", lab.folder + "/real"))
    os.chmod(lab.folder + "/fake", 0o755)
    before = lab.saved()
    done = sh(["unshare", "-m", "bash", "-c", 'mount --make-rprivate /; mount --bind %s/fake %s; exec "$@"' % (lab.folder, real), "-",
               DANEGATE, "rules", "apply", "-c", lab.folder + "/conf.toml"], HOST, env=lab.env, must=False)
    check("no IPv6 nat in the kernel: one sentence, and nothing is half applied", done.returncode == 1 and done.stderr.startswith("danegate rules: IPv6: ip6tables-") and
          "(does the kernel lack a netfilter module?); the IPv4 rules were put back as they were" in done.stderr and done.stderr.count("\n") == 1 and lab.saved() == before,
          (done.stderr, lab.saved()))


def start(lab, before=()):
    """`danegate run` as root, which must end by itself, or be ready; then it is ended."""
    return sh([*before, "timeout", "--preserve-status", "-s", "TERM", "3", DANEGATE, "run", "-c", lab.folder + "/conf.toml"], HOST, must=False)


def run_port_in_use(lab):
    lab.rules("apply")
    thief = Server(HOST, MALLORY, "127.0.0.1", 10025, "MALLORY")
    done = start(lab)
    said = [line for line in done.stderr.splitlines() if " error " in line]
    check("a port in use: run says so and ends", done.returncode == 1 and len(said) == 1 and "127.0.0.1:10025: the port is in use" in said[0], done.stderr)
    for address in (NET4, NET6):
        got = inside(HOST, MTA, dial(address, patience=1))
        check("a port in use: no mail gets past the rules " + address, got in ("timeout", "refused"), got)
    thief.stop()
    lab.rules("remove")


def run_unwritable(lab):
    with open(lab.folder + "/conf.toml", "a") as file:
        file.write('[control]\nsocket = "/sys/danegate/control.sock"\n')
    done = start(lab)
    said = [line for line in done.stderr.splitlines() if " error " in line]
    check("a directory of the file that cannot be written: run says so and ends", done.returncode == 1 and len(said) == 1 and
          "/sys/danegate" in said[0] and "control.socket" in said[0], done.stderr)
    lab.config("")
    read_only = ["unshare", "-m", "bash", "-c", 'mount --make-rprivate /; mount -t tmpfs -o ro tmpfs /run; exec "$@"', "-"]
    done = start(lab, before=read_only)
    check("a default directory that cannot be written: a warning, and it runs", done.returncode == 0 and " ready " in done.stderr and
          any(" warning " in line and "/run/danegate" in line for line in done.stderr.splitlines()), (done.returncode, done.stderr))
    done = sh([*read_only, DANEGATE, "rules", "apply", "-c", lab.folder + "/conf.toml"], HOST, env=lab.env, must=False)
    check("/run cannot be written: the rules are applied all the same", done.returncode == 0 and "in force as configured" in lab.rules("check"), done.stderr)
    lab.rules("remove")


def run_broken_iptables(lab):
    if lab.variant == "legacy":
        return  # the alternatives are the other's
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
