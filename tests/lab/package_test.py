#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package: made by cpack from build/ (which must be up to date), looked at, installed, upgraded, removed and
purged, its units read by systemd's own tools where they are there.

Installed is into a copy of this machine's file system (an overlay, in a room of its own: lib/sandbox.py), so that nothing is
downloaded and nothing of the machine changes. As root.

usage: package_test.py [CASE...]      cases by a part of their name; last line: N passed, N failed
"""
import glob
import gzip
import hashlib
import os
import re
import shutil
import stat
import sys
import time

sys.dont_write_bytecode = True

from lib import sandbox, systemd, unit_life, unit_mail, units  # noqa: E402
from lib.steps import BUILD, TOP, expect, must_be_built, read, sh  # noqa: E402
from lib.units import install_with, ours  # noqa: E402

FOLDER = sandbox.ROOM + "/package"
ROOT = FOLDER + "/root"      # the copy of the file system
TREE = FOLDER + "/tree"      # the package's files
CONTROL = FOLDER + "/control"
MAX_EXPOSURE = {"danegate": 1.8, "danegate-rules": 3.2, "danegate-rules-check": 3.2}  # `systemd-analyze security`, 0 (best) to 10


def inside(*command, **how):
    return sh("chroot", ROOT, *command, **how)


def package():
    found = glob.glob(FOLDER + "/danegate_*.deb")
    expect(len(found) == 1, f"{found}")
    return found[0]


def field(name):
    return sh("dpkg-deb", "--field", package(), name).stdout.strip()


def files():
    return sorted(os.path.join(where, name)[len(TREE):] for where, _, names in os.walk(TREE) for name in names)


def install():
    return install_with(lambda *command: inside(*command, must=False))


# the cases


def control_file_says_who_and_what():
    version = sh(BUILD + "/danegate", "--version").stdout.split()[1]
    architecture = sh("dpkg", "--print-architecture").stdout.strip()
    expect(os.path.basename(package()) == f"danegate_{version}_{architecture}.deb", package())
    for name, value in (("Package", "danegate"), ("Version", version), ("Architecture", architecture)):
        expect(field(name) == value, f"{name}: {field(name)}")
    depends = [re.split(r"[ (]", one)[0] for one in field("Depends").split(", ")]
    for wanted in ("iptables", "dns-root-data", "ca-certificates", "libwolfssl35", "libgetdns10", "libunbound8", "libc6"):
        expect(wanted in depends, f"{wanted} is not in {depends}")
    expect(int(field("Installed-Size")) < 6000, f"{field('Installed-Size')} KiB installed")
    expect(field("Description").splitlines()[0] and len(field("Description").splitlines()) > 2, "no description")


def every_file_has_its_place():
    wanted = {"/usr/sbin/danegate", "/usr/lib/systemd/system/danegate.service",
              "/usr/lib/systemd/system/danegate-rules.service", "/usr/lib/systemd/system/danegate-rules-check.service",
              "/usr/lib/systemd/system/danegate-rules-check.timer", "/etc/danegate/danegate.toml",
              "/usr/share/man/man8/danegate.8.gz", "/usr/share/man/man5/danegate.toml.5.gz",
              "/usr/share/bash-completion/completions/danegate", "/usr/share/doc/danegate/copyright",
              "/usr/share/doc/danegate/changelog.gz", "/usr/share/doc/danegate/README.md",
              "/usr/share/doc/danegate/examples/danegate-grafana.json"}
    expect(wanted <= set(files()), f"not there: {wanted - set(files())}")
    strange = [name for name in files() if not re.match(r"/(usr/(sbin|lib/systemd|share)|etc/danegate)/", name)]
    expect(not strange, f"{strange}")
    expect(read(CONTROL + "/conffiles").split() == [n for n in files() if n.startswith("/etc/")], "conffiles")


def modes_owners_and_sums_are_right():
    for where, directories, names in os.walk(TREE):
        for name in directories + names:
            path = os.path.join(where, name)
            about = os.lstat(path)
            wanted = 0o755 if name in directories or path.endswith("/sbin/danegate") else 0o644
            expect(stat.S_IMODE(about.st_mode) == wanted, f"{path}: {oct(about.st_mode)}")
            expect((about.st_uid, about.st_gid) == (0, 0), f"{path}: owner")
    for line in read(CONTROL + "/md5sums").splitlines():
        wanted, name = line.split(None, 1)
        with open(f"{TREE}/{name}", "rb") as file:
            expect(hashlib.md5(file.read()).hexdigest() == wanted, name)


def the_program_is_hardened_and_stripped():
    program = TREE + "/usr/sbin/danegate"
    headers = sh("readelf", "--wide", "--file-header", "--program-headers", "--dynamic", "--sections", program).stdout
    expect(re.search(r"Type:\s+DYN .*[Pp]osition", headers), "not position-independent")
    expect("GNU_RELRO" in headers and "BIND_NOW" in headers, "relocations stay writable")
    expect(re.search(r"GNU_STACK.* RW ", headers), "executable stack")
    expect("RPATH" not in headers and "RUNPATH" not in headers, "it has a run path")
    expect(".symtab" not in headers, "not stripped")
    with open(program, "rb") as file:
        expect(TOP.encode() not in file.read(), "the build directory's name is in it")


def manual_pages_have_no_fault():
    for name, title in (("man8/danegate.8", "DANEGATE(8)"), ("man5/danegate.toml.5", "DANEGATE.TOML(5)")):
        with gzip.open(f"{TREE}/usr/share/man/{name}.gz", "rt", encoding="utf-8") as file:
            text = file.read()
        page = f"{FOLDER}/{os.path.basename(name)}"
        with open(page, "w", encoding="utf-8") as file:
            file.write(text)
        if shutil.which("man"):
            done = sh("man", "--warnings=w", "-E", "UTF-8", "-l", page, env={**os.environ, "MANWIDTH": "100", "MANPAGER": "cat"})
            expect(title in done.stdout and not done.stderr, f"{name}: {done.stderr}")
        if shutil.which("mandoc"):
            done = sh("mandoc", "-Tlint", "-W", "warning", page, must=False)
            expect(done.returncode == 0, f"{name}: {done.stdout}")


def maintainers_scripts_parse():
    for name in ("postinst", "prerm", "postrm"):
        expect(os.access(f"{CONTROL}/{name}", os.X_OK), f"{name} cannot be executed")
        expect(read(f"{CONTROL}/{name}").startswith("#!/bin/sh\n"), name)
        sh("sh", "-n", f"{CONTROL}/{name}")


def units_are_valid_and_locked_up():
    if not shutil.which("systemd-analyze"):
        print("       (systemd-analyze is not installed: units not read)")
        return
    install()
    for unit, most in MAX_EXPOSURE.items():
        path = f"{TREE}/usr/lib/systemd/system/{unit}.service"
        done = inside("systemd-analyze", "verify", "--man=no", path[len(TREE):], must=False)
        complaints = [line for line in (done.stdout + done.stderr).splitlines() if "danegate" in line]
        expect(not complaints, "\n".join(complaints))
        done = sh("systemd-analyze", "security", "--offline=true", path, must=False)
        exposure = float(re.search(r"Overall exposure level for \S+: ([0-9.]+)", done.stdout)[1])
        expect(exposure <= most, f"{unit}: exposure {exposure}, more than {most}")


def installed_it_knows_itself_and_intercepts_nothing_yet():
    said = install()
    expect("nothing is intercepted yet" in said, said)
    user = inside("getent", "passwd", "danegate").stdout.strip().split(":")
    expect(user[5:] == ["/nonexistent", "/usr/sbin/nologin"] and 0 < int(user[2]) < 1000, f"user {user}")
    expect(inside("id", "-Gn", "danegate").stdout.strip() == "danegate", "groups")
    expect(inside("danegate", "--version").stdout == f"danegate {field('Version')}\n", "version")
    done = inside("danegate", "check-config", "-c", "/etc/danegate/danegate.toml")
    expect(done.stdout + done.stderr == "/etc/danegate/danegate.toml: no errors\n", f"{done.stdout}{done.stderr}")
    expect(not ours(), "\n".join(ours()))


def an_upgrade_keeps_user_changes_and_rules():
    install()
    name = ROOT + "/etc/danegate/danegate.toml"
    changed = read(name).replace("drain_s = 30", "drain_s = 31")
    with open(name, "w", encoding="utf-8") as file:
        file.write(changed)
    uid = inside("id", "-u", "danegate").stdout
    inside("danegate", "rules", "apply", "-c", "/etc/danegate/danegate.toml")
    before = ours()
    said = inside("dpkg", "--force-confold", "--install", "/package.deb").stdout
    expect("nothing is intercepted yet" not in said, said)
    expect(read(name) == changed, "the configuration was overwritten")
    expect(inside("id", "-u", "danegate").stdout == uid, "another user")
    expect(before and ours() == before, "the rules changed")


def removed_it_takes_its_rules_along_and_leaves_the_configuration():
    install()
    sh("iptables", "-A", "OUTPUT", "-p", "tcp", "--dport", "26", "-j", "REJECT")  # somebody else's
    before = sh("iptables-save", "-t", "filter").stdout.count("\n-A ")
    inside("danegate", "rules", "apply", "-c", "/etc/danegate/danegate.toml")
    inside("danegate", "rules", "check", "-c", "/etc/danegate/danegate.toml")
    inside("dpkg", "--remove", "danegate")
    expect(not ours(), "left: " + " | ".join(ours()))
    expect(sh("iptables-save", "-t", "filter").stdout.count("\n-A ") == before, "somebody else's rules changed")
    expect(not os.path.exists(ROOT + "/usr/sbin/danegate"), "the program is still there")
    expect(os.path.exists(ROOT + "/etc/danegate/danegate.toml"), "the configuration is gone")


def purged_it_leaves_nothing():
    install()
    inside("dpkg", "--purge", "danegate")
    for name in files() + ["/etc/danegate", "/usr/share/doc/danegate", "/run/danegate"]:
        expect(not os.path.lexists(ROOT + name), f"{name} is still there")
    expect(inside("getent", "passwd", "danegate", must=False).returncode != 0, "the user is still there")
    expect(inside("dpkg", "--status", "danegate", must=False).returncode != 0, "dpkg knows it still")


CASES = (control_file_says_who_and_what, every_file_has_its_place, modes_owners_and_sums_are_right,
         the_program_is_hardened_and_stripped, manual_pages_have_no_fault, maintainers_scripts_parse,
         units_are_valid_and_locked_up, installed_it_knows_itself_and_intercepts_nothing_yet,
         an_upgrade_keeps_user_changes_and_rules, removed_it_takes_its_rules_along_and_leaves_the_configuration,
         purged_it_leaves_nothing)


def furnish():
    for name in ("upper", "work", "root", "tree", "control"):
        os.makedirs(f"{FOLDER}/{name}")
    sh("cpack", "-G", "DEB", "--config", BUILD + "/CPackConfig.cmake", "-B", FOLDER)
    sh("dpkg-deb", "--extract", package(), TREE)
    sh("dpkg-deb", "--control", package(), CONTROL)
    sh("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={FOLDER}/upper,workdir={FOLDER}/work", ROOT)
    sh("mount", "-t", "proc", "proc", ROOT + "/proc")
    systemd.furnish_devices(ROOT + "/dev")
    sh("mount", "-t", "tmpfs", "tmpfs", ROOT + "/run")
    sh("mount", "-t", "tmpfs", "tmpfs", ROOT + "/tmp")
    os.makedirs(ROOT + "/run/lock")
    shutil.copy(package(), ROOT + "/package.deb")
    sh("ip", "link", "set", "lo", "up")


def run(case, *booted):
    begun = time.monotonic()
    try:
        case(*booted)
    except (AssertionError, RuntimeError, OSError, ValueError) as error:
        print(f"FAILED {case.__name__}: {error}", flush=True)
        return False
    finally:
        for it in booted:
            it.booted.run("systemctl", "stop", "danegate", "danegate-rules")
        if os.path.exists(ROOT + "/usr/sbin/danegate"):
            inside("danegate", "rules", "remove", must=False)
    print(f"ok     {case.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    return True


def run_booted(cases):
    """How many passed. Where no systemd can be had, they are left out, and that is said."""
    why = systemd.reason()
    if not why:
        try:
            it = units.Units(ROOT, systemd.Systemd(ROOT, FOLDER), unit_mail.Stage)
        except RuntimeError as error:
            why = str(error)
    if why:
        print(f"       no systemd of our own ({why}): left out: {' '.join(case.__name__ for case in cases)}")
        return None
    try:
        return sum(run(case, it) for case in cases)
    finally:
        it.stop()


def main():
    def chosen(cases):
        return [case for case in cases if len(sys.argv) < 2 or any(part in case.__name__ for part in sys.argv[1:])]

    must_be_built()
    sandbox.enter()
    furnish()
    total = len(chosen(CASES))
    passed = sum(run(case) for case in chosen(CASES))
    booted_cases = chosen(unit_life.CASES + unit_mail.CASES)
    if booted_cases:
        result = run_booted(booted_cases)
        if result is not None:
            passed += result
            total += len(booted_cases)
    print(f"{passed} passed, {total - passed} failed", flush=True)
    sys.exit(0 if passed == total and total else 1)


if __name__ == "__main__":
    main()
