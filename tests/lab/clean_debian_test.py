#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package on a Debian that has nothing else: debootstrap makes it (minbase, this machine's release, its apt's
mirrors: lib/debian.py), apt installs the package with what it depends on, and after a purge the files are compared.

Made and forgotten in a room of its own (lib/sandbox.py). The network is this machine's until apt is done, so that nothing is
skipped: a mirror that cannot be reached is a failure. After that there is none, and rules are nobody else's. What debootstrap
made is kept in build/. As root, with build/ up to date.

usage: clean_debian_test.py      the cases follow upon each other; last line: N passed, N failed
"""
import glob
import gzip
import hashlib
import os
import re
import stat
import subprocess
import sys
import time

sys.dont_write_bytecode = True

from lib import debian, sandbox  # noqa: E402
from lib.steps import BUILD, TOP, expect, must_be_built, read, sh  # noqa: E402

FOLDER = sandbox.ROOM + "/clean"
ROOT = FOLDER + "/root"
FILE = "/etc/danegate/danegate.toml"
WANTED = "/etc/systemd/system/multi-user.target.wants/danegate.service"
# What apt, dpkg, ldconfig and the tools for users keep for themselves, and what netbase and ca-certificates make.
OTHERS = re.compile(r"/(var/(cache|log|lib/(dpkg|apt))/.*|etc/(passwd|group|shadow|gshadow|subuid|subgid)-|etc/\.pwd\.lock"
                    r"|etc/ld\.so\.cache|etc/alternatives/.*|etc/(hosts|networks)"
                    r"|etc/ssl/certs/.*|etc/ca-certificates\.conf|usr/local/share/ca-certificates)")
PATHS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}


def inside(*command, **how):
    return sh("chroot", ROOT, *command, env={**os.environ, **PATHS}, **how)


def apt(*words):
    return inside("apt-get", "-q", "-y", "--no-install-recommends", *words).stdout


def field(name):
    return sh("dpkg-deb", "--field", ROOT + "/tmp/danegate.deb", name).stdout.strip()


def paths():
    """Every file of the root, as the root sees it; not what is mounted there."""
    for where, directories, names in os.walk(ROOT):
        directories[:] = [name for name in directories if not os.path.ismount(os.path.join(where, name))]
        yield from (os.path.join(where, name)[len(ROOT):] for name in directories + names)


def snapshot():
    """What each file is."""
    found = {}
    for path in paths():
        if OTHERS.fullmatch(path):
            continue
        about = os.lstat(ROOT + path)
        content = ""
        if stat.S_ISLNK(about.st_mode):
            content = os.readlink(ROOT + path)
        elif stat.S_ISREG(about.st_mode):
            with open(ROOT + path, "rb") as file:
                content = hashlib.sha256(file.read()).hexdigest()
        if not content.startswith("/etc/alternatives/"):
            found[path] = (oct(about.st_mode), about.st_uid, about.st_gid, content)
    return found


def packaged():
    """What installed packages brought."""
    found = set()
    for name in glob.glob(ROOT + "/var/lib/dpkg/info/*.list"):
        for path in read(name).splitlines():
            # /bin, /lib and /sbin are links to those below /usr
            found |= {path, "/usr" + path}
    return found


def ours():
    """Rules of danegate; the clean root's own iptables says so."""
    text = "".join(inside(tool).stdout for tool in ("iptables-save", "ip6tables-save"))
    return [line for line in text.splitlines() if "danegate" in line]


def network(name):
    """The machine's, or the room's, in which there is only lo."""
    sandbox.setns(networks[name], sandbox.CLONE_NEWNET)


def by_name():
    """Files with danegate in their name, but in the records of dpkg."""
    volatile = [path[len(ROOT):] for path in glob.glob(ROOT + "/run/*")]
    return sorted(path for path in [*paths(), *volatile] if "danegate" in path and not path.startswith("/var/lib/dpkg/"))


def known(user):
    return inside("getent", "passwd", user, must=False).stdout.strip()


# the cases, in this order


def apt_installs_it_and_what_it_depends_on():
    expect(not os.path.exists(ROOT + "/usr/bin/systemctl") and not os.path.exists(ROOT + "/usr/sbin/iptables"), "not bare")
    said = apt("install", "/tmp/danegate.deb")
    expect("nothing is intercepted yet" in said, said)
    expect(not inside("dpkg", "--audit").stdout, inside("dpkg", "--audit").stdout)
    expect(not inside("dpkg", "--verify", "danegate").stdout, "files are not as packaged")
    expect("not found" not in inside("ldd", "/usr/sbin/danegate").stdout, "libraries are missing")
    network("room")  # apt needs no other any more


def it_has_its_user():
    user = known("danegate").split(":")
    expect(user[5:] == ["/nonexistent", "/usr/sbin/nologin"] and 0 < int(user[2]) < 1000, f"{user}")
    expect(inside("id", "-Gn", "danegate").stdout.strip() == "danegate", "groups")


def every_subcommand_that_needs_no_network_works():
    expect(inside("danegate", "--version").stdout == f"danegate {field('Version')}\n", "version")
    done = inside("danegate", "check-config", "-c", FILE)
    expect(done.stdout + done.stderr == f"{FILE}: no errors\n", done.stdout + done.stderr)
    for backend, word in (("iptables", "*nat"), ("nftables", "table ip danegate")):
        with open(ROOT + "/tmp/backend.toml", "w", encoding="ascii") as file:
            file.write(f'[intercept]\nbackend = "{backend}"\n')
        text = inside("danegate", "rules", "print", "-c", "/tmp/backend.toml").stdout
        expect(word in text, f"{backend}: {text}")
    refused = inside("danegate", "rules", "apply", "-c", "/tmp/backend.toml", must=False)
    expect(refused.returncode == 1 and "nft" in refused.stderr, f"without nft: {refused.returncode} {refused.stderr}")


def manual_and_completion_are_there():
    for name, title in (("man8/danegate.8", "DANEGATE"), ("man5/danegate.toml.5", "DANEGATE.TOML")):
        with gzip.open(f"{ROOT}/usr/share/man/{name}.gz", "rt", encoding="utf-8") as file:
            expect(f".TH {title}" in file.read(), name)
    script = "source /usr/share/bash-completion/completions/danegate && COMP_WORDS=(danegate ru) COMP_CWORD=1 && _danegate" \
             " && echo ${COMPREPLY[*]} && complete -p danegate"
    said = inside("bash", "-uc", script).stdout.split("\n")
    expect(said[0] == "run rules" and said[1].startswith("complete "), f"{said}")


def purged_it_leaves_nothing():
    inside("dpkg", "--purge", "danegate")
    expect(not known("danegate"), known("danegate"))
    expect(inside("dpkg", "--status", "danegate", must=False).returncode != 0, "dpkg knows it still")
    after, brought = snapshot(), packaged()
    left = sorted(path for path in after if path not in bare and path not in brought)
    changed = sorted(path for path in bare if bare[path] != after.get(path))
    expect(not left and not changed and not by_name(), f"left: {left}; changed: {changed}; by name: {by_name()}")


def where_systemd_is_its_units_are_valid():
    network("machine")
    apt("install", "systemd", "/tmp/danegate.deb")
    network("room")
    units = [f"/lib/systemd/system/{name}.service" for name in ("danegate", "danegate-rules", "danegate-rules-check")]
    done = inside("systemd-analyze", "verify", "--man=no", *units, must=False)
    complaints = [line for line in (done.stdout + done.stderr).splitlines() if "danegate" in line]
    expect(done.returncode == 0 and not complaints, "\n".join(complaints))
    inside("systemctl", "enable", "danegate")
    expect(os.path.islink(ROOT + WANTED), f"{WANTED} is not there")


def the_rules_come_and_go_by_its_own_iptables():
    inside("danegate", "rules", "apply", "-c", FILE)
    expect(inside("danegate", "rules", "check", "-c", FILE).returncode == 0 and len(ours()) > 10, f"{ours()}")
    inside("danegate", "rules", "remove")
    expect(not ours(), f"{ours()}")


def memory(pid):
    """(resident, own share) in MB"""
    text = read(f"/proc/{pid}/smaps_rollup")
    return [int(re.search(rf"^{word}:\s+(\d+) kB", text, re.M)[1]) / 1024 for word in ("Rss", "Pss")]


def pids():
    return sorted(int(pid) for pid in os.listdir("/proc") if pid.isdigit() and os.path.exists(f"/proc/{pid}/exe")
                  and os.path.basename(os.readlink(f"/proc/{pid}/exe")) == "danegate")


def idle_it_takes_what_the_readme_says():
    said = re.search(r"([\d.]+) MB are installed; an idle proxy with two\s+worker threads takes (\d+) MB \(resident; (\d+) MB of",
                     read(TOP + "/README.md"))
    size = int(field("Installed-Size")) / 1024
    with open(ROOT + "/tmp/idle.toml", "w", encoding="ascii") as file:
        file.write("[listen]\nworkers = 2\n")
    # pylint: disable-next=consider-using-with
    proxy = subprocess.Popen(["chroot", ROOT, "/usr/sbin/danegate", "run", "-c", "/tmp/idle.toml"], stderr=subprocess.PIPE,
                             text=True, env={**os.environ, **PATHS})
    try:
        for line in proxy.stderr:
            if " ready " in line:
                break
        expect(" ready " in line, f"it ended: {line}")
        expect(inside("danegate", "status", "-c", "/tmp/idle.toml").returncode == 0, "no status")
        found = [memory(pid) for pid in pids()]
    finally:
        proxy.terminate()
        proxy.stderr.close()
    expect(proxy.wait(60) == 0, f"exit status {proxy.returncode}")
    told = f"{size:.1f} MB installed; resident (own share): " + ", ".join(f"{rss:.1f} ({pss:.1f})" for rss, pss in found)
    print("       " + told)
    expect(len(found) == 3, f"not three processes: {told}")
    # half as much again is another figure
    for figure, most in zip((size, *found[0]), said.groups()):
        expect(figure < 1.5 * float(most), f"{told}; README: {said[0]}")


def an_upgrade_keeps_user_changes_and_rules():
    copy = FOLDER + "/newer"
    sh("dpkg-deb", "--raw-extract", ROOT + "/tmp/danegate.deb", copy)
    control = read(copy + "/DEBIAN/control")
    with open(copy + "/DEBIAN/control", "w", encoding="utf-8") as file:
        file.write(re.sub(r"(?m)^Version: .*", r"\g<0>.1", control))
    sh("dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", copy, ROOT + "/tmp/newer.deb")
    changed = read(ROOT + FILE).replace("drain_s = 30", "drain_s = 31")
    with open(ROOT + FILE, "w", encoding="utf-8") as file:
        file.write(changed)
    user = known("danegate")
    inside("danegate", "rules", "apply", "-c", FILE)
    before = ours()
    said = inside("dpkg", "--install", "/tmp/newer.deb").stdout
    expect(field("Version") + ".1" in said and "nothing is intercepted yet" not in said, said)
    expect("drain_s = 31" in changed and read(ROOT + FILE) == changed, "the configuration was overwritten")
    expect(known("danegate") == user, "another user")
    expect(before and ours() == before, "the rules changed")


def removed_it_takes_its_rules_along_and_leaves_the_configuration():
    expect(ours(), "no rules to take away")
    inside("dpkg", "--remove", "danegate")
    expect(not ours(), f"{ours()}")
    expect("drain_s = 31" in read(ROOT + FILE), "the configuration is gone")
    expect(known("danegate"), "the user is gone")
    expect(by_name() == ["/etc/danegate", FILE, "/run/danegate-rules.lock"], f"{by_name()}")


def installed_again_it_has_the_configuration_of_before():
    said = inside("dpkg", "--install", "/tmp/newer.deb").stdout
    expect("drain_s = 31" in read(ROOT + FILE), said)
    inside("danegate", "rules", "apply", "-c", FILE)


def purged_with_systemd_nothing_has_its_name():
    inside("dpkg", "--purge", "danegate")
    expect(not ours() and not known("danegate"), f"{ours()}{known('danegate')}")
    expect(not by_name(), f"{by_name()}")


CASES = (apt_installs_it_and_what_it_depends_on, it_has_its_user, every_subcommand_that_needs_no_network_works,
         manual_and_completion_are_there, the_rules_come_and_go_by_its_own_iptables, idle_it_takes_what_the_readme_says,
         purged_it_leaves_nothing, where_systemd_is_its_units_are_valid, an_upgrade_keeps_user_changes_and_rules,
         removed_it_takes_its_rules_along_and_leaves_the_configuration, installed_again_it_has_the_configuration_of_before,
         purged_with_systemd_nothing_has_its_name)
bare = {}
networks = {}


def furnish(nameservers):
    os.makedirs(FOLDER, mode=0o700)
    sh("cpack", "-G", "DEB", "--config", BUILD + "/CPackConfig.cmake", "-B", FOLDER + "/package")
    network("machine")
    debian.make(ROOT, BUILD, FOLDER, nameservers)
    os.rename(*(glob.glob(FOLDER + "/package/danegate_*.deb")), FOLDER + "/danegate.deb")
    sh("cp", FOLDER + "/danegate.deb", ROOT + "/tmp/danegate.deb")
    bare.update(snapshot())


def run(what, *arguments):
    begun = time.monotonic()
    try:
        what(*arguments)
    except (AssertionError, RuntimeError, OSError, ValueError, subprocess.TimeoutExpired) as error:
        print(f"FAILED {what.__name__}: {error}", flush=True)
        return False
    print(f"ok     {what.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    return True


def main():
    must_be_built()
    nameservers = read("/etc/resolv.conf")
    networks["machine"] = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    sandbox.enter()
    networks["room"] = os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
    sh("ip", "link", "set", "lo", "up")
    # without the root the rest would say nothing
    done = [run(furnish, nameservers)]
    if done[0]:
        done += [run(case) for case in CASES]
    print(f"{sum(done)} passed, {len(CASES) + 1 - sum(done)} failed", flush=True)
    sys.exit(0 if sum(done) == len(CASES) + 1 else 1)


if __name__ == "__main__":
    main()
