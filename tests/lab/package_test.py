#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The Debian package: made by cpack from build/ (which must be up to date), looked at, installed, upgraded, removed and
purged, its units read by systemd's own tools where they are there.

Installed is into a copy of this machine's file system (an overlay, in a room of its own: lib/sandbox.py), so that nothing is
downloaded and nothing of the machine changes. As root.

usage: package_test.py [CASE...]      cases by a part of their name; last line: N passed, N failed
"""
import contextlib
import functools
import glob
import gzip
import hashlib
import os
import re
import shutil
import stat
import sys
import threading
import time
import types

sys.dont_write_bytecode = True

from lib import node, sandbox, systemd, unit_mail  # noqa: E402
from lib.steps import BUILD, TOP, expect, must_be_built, read, sh  # noqa: E402

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


def ours():
    """Rules that danegate made, of either family and backend."""
    text = "".join(sh(tool).stdout for tool in ("iptables-save", "ip6tables-save"))
    text += sh("nft", "list", "ruleset", must=False).stdout
    return [line for line in text.splitlines() if "danegate" in line]


def install_into(run):
    """Sets the stage: freshly installed. The text that dpkg printed."""
    run("dpkg", "--purge", "danegate")
    run("userdel", "danegate")
    done = run("dpkg", "--no-triggers", "--install", "/package.deb")
    expect(done.returncode == 0, done.stdout + done.stderr)
    return done.stdout


def install():
    return install_into(lambda *command: inside(*command, must=False))


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


# with a systemd that runs the units; `booted` is it


def state():
    return booted.run("systemctl", "is-active", "danegate", "danegate-rules").stdout.split()


def becomes(wanted, seconds=15):
    end = time.monotonic() + seconds
    while state() != wanted:
        expect(time.monotonic() < end, f"{state()}, not {wanted}: " +
               booted.run("systemctl", "status", "--no-pager", "danegate", "danegate-rules").stdout)
        time.sleep(0.1)


def systemctl(*words, status=0):
    done = booted.run("systemctl", *words)
    if done.returncode != status:
        log = booted.run("journalctl", "--no-pager", "--lines=15", "--output=cat").stdout
        raise AssertionError(f"systemctl {' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}{log}")


def family():
    """The pids of daemon, supervisor and resolver process, once they are there: READY=1 does not wait for the last one."""
    return node.wait_for("three processes", lambda: len(pids := booted.pids("danegate")) == 3 and pids)


def main_pid():
    """The daemon's; none while there is none."""
    return next(iter(booted.pids("danegate")), None)


def is_started_anew(before):
    end = time.monotonic() + 30
    while main_pid() in (None, before):
        expect(time.monotonic() < end, "it is not started again")
        time.sleep(0.1)
    becomes(["active", "active"], 30)


def facts(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)


class Watch(threading.Thread):
    """Counts danegate's rules over and over; every count seen."""

    def __init__(self):
        super().__init__(daemon=True)
        self.counts = set()
        self._end = threading.Event()

    def run(self):
        while not self._end.is_set():
            self.counts.add(len(ours()))

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self.join()


def start_service():
    install_into(booted.run)
    systemctl("start", "danegate")
    becomes(["active", "active"])
    return len(ours())


def the_service_brings_its_rules_and_takes_them_away():
    expect(start_service() > 10, "no rules")
    found = facts(main_pid())
    expect("0" not in found["Uid"].split(), f"Uid {found['Uid']}")
    expect((found["NoNewPrivs"], found["Seccomp"], int(found["CapEff"], 16)) == ("1", "2", 0), f"{found}")
    family()
    control = booted.run("stat", "-c", "%a %U", "/run/danegate", "/run/danegate/control.sock").stdout.splitlines()
    expect(control == ["750 danegate", "660 danegate"], f"{control}")
    expect(booted.run("danegate", "status").returncode == 0, "no status")
    systemctl("stop", "danegate")
    becomes(["inactive", "inactive"])
    expect(not ours(), "left: " + " | ".join(ours()))


def has_reloaded(seconds=15):
    end = time.monotonic() + seconds
    while " reload state=" not in booted.run("journalctl", "--no-pager", "--output=cat", "--unit=danegate").stdout:
        expect(time.monotonic() < end, "it has not read its file again")
        time.sleep(0.1)


def restart_reload_and_crash_leave_the_rules():
    count = start_service()
    with Watch() as watch:
        before = main_pid()
        systemctl("restart", "danegate")
        expect(main_pid() != before, "not restarted")
        before = main_pid()
        systemctl("reload", "danegate", "danegate-rules")
        expect(main_pid() == before, "a reload restarted it")
        has_reloaded()
        os.kill(before, 9)
        is_started_anew(before)
    expect(watch.counts == {count}, f"rules seen: {watch.counts}, not always {count}")


@contextlib.contextmanager
def drop_in(text, unit="danegate.service"):
    """For a unit that is started inside."""
    folder = f"{ROOT}/etc/systemd/system/{unit}.d"
    os.makedirs(folder)
    with open(folder + "/lab.conf", "w", encoding="ascii") as file:
        file.write(text)
    try:
        systemctl("daemon-reload")
        yield
    finally:
        shutil.rmtree(folder)
        systemctl("daemon-reload")


def a_proxy_that_hangs_is_started_anew():
    count = start_service()
    systemctl("stop", "danegate")
    with drop_in("[Service]\nWatchdogSec=4\nTimeoutAbortSec=1\n"):
        systemctl("start", "danegate")
        time.sleep(5)  # healthy for longer than the period
        before = main_pid()
        with Watch() as watch:
            os.kill(before, 19)  # SIGSTOP
            is_started_anew(before)
        expect(watch.counts == {count}, f"rules seen: {watch.counts}, not always {count}")


def a_bad_configuration_fails_closed_and_heals_by_itself():
    count = start_service()
    name = ROOT + "/etc/danegate/danegate.toml"
    good = read(name)
    with Watch() as watch:
        with open(name, "w", encoding="utf-8") as file:
            file.write("absurd = 1\n")
        systemctl("restart", "danegate", status=1)
        becomes(["activating", "active"])
        with open(name, "w", encoding="utf-8") as file:
            file.write(good)
        becomes(["active", "active"])
    expect(watch.counts == {count}, f"rules seen: {watch.counts}, not always {count}")


def a_mark_keeps_one_capability_in_the_proxy_alone():
    install_into(booted.run)
    with open(ROOT + "/etc/danegate/danegate.toml", "a", encoding="utf-8") as file:
        file.seek(0)
        file.truncate()
        file.write("[intercept]\nmark = 7\n")
    systemctl("start", "danegate")
    becomes(["active", "active"])
    capabilities = [int(facts(pid)["CapEff"], 16) for pid in family()]
    expect(capabilities == [1 << 13, 0, 0], f"{capabilities}")


def an_upgrade_restarts_the_proxy_under_its_rules():
    count = start_service()
    before = main_pid()
    with Watch() as watch:
        expect(booted.run("dpkg", "--install", "/package.deb").returncode == 0, "dpkg")
        is_started_anew(before)
    expect(watch.counts == {count}, f"rules seen: {watch.counts}, not always {count}")


def removal_stops_it():
    start_service()
    done = booted.run("dpkg", "--remove", "danegate")
    expect(done.returncode == 0, done.stdout + done.stderr)
    becomes(["inactive", "inactive"])
    expect(not ours(), "left: " + " | ".join(ours()))


def comes_back(count, seconds=20):
    end = time.monotonic() + seconds
    while len(ours()) != count:
        expect(time.monotonic() < end, f"{len(ours())} rules, not {count}")
        time.sleep(0.1)


def flush():
    for command in (("nft", "flush", "ruleset"), ("iptables-legacy", "-t", "nat", "-F"), ("iptables-legacy", "-F")):
        booted.run(*command)


def journal_of_checks():
    return booted.run("journalctl", "--no-pager", "--output=cat", "_SYSTEMD_UNIT=danegate-rules-check.service", "+",
                      "UNIT=danegate-rules-check.service").stdout


def a_firewall_that_flushes_takes_nothing_away_for_long():
    firewall = ROOT + "/etc/systemd/system/nftables.service"
    with open(firewall, "w", encoding="ascii") as file:  # as Debian's, with an empty ruleset
        file.write("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/sbin/nft flush ruleset\n"
                   "ExecReload=/usr/sbin/nft flush ruleset\n")
    try:
        with drop_in("[Timer]\nOnCalendar=\nOnCalendar=yearly\n", "danegate-rules-check.timer"):
            systemctl("start", "nftables")
            count = start_service()
            systemctl("reload", "nftables")
            comes_back(count)
            systemctl("stop", "danegate")
            becomes(["inactive", "inactive"])
            systemctl("reload", "nftables")
            expect(state() == ["inactive", "inactive"] and not ours(), f"rules that nobody wants: {ours()}")
    finally:
        os.unlink(firewall)
        systemctl("stop", "nftables")
        systemctl("daemon-reload")


def rules_that_were_taken_away_are_put_back():
    often = "[Timer]\nOnCalendar=\nOnCalendar=*:*:*\nAccuracySec=100ms\n"
    with drop_in(often, "danegate-rules-check.timer"):
        before = journal_of_checks()
        count = start_service()
        time.sleep(2.5)
        expect(journal_of_checks() == before, f"a check without a finding is in the journal: {journal_of_checks()}")
        flush()
        comes_back(count)
        expect("no rules are in force" in journal_of_checks()[len(before):], f"the journal: {journal_of_checks()}")
        systemctl("stop", "danegate")
        becomes(["inactive", "inactive"])
        time.sleep(2.5)
        expect(not ours(), "after a stop the check has put them back")


BOOTED = (the_service_brings_its_rules_and_takes_them_away, restart_reload_and_crash_leave_the_rules,
          a_firewall_that_flushes_takes_nothing_away_for_long, rules_that_were_taken_away_are_put_back,
          a_proxy_that_hangs_is_started_anew, a_bad_configuration_fails_closed_and_heals_by_itself,
          a_mark_keeps_one_capability_in_the_proxy_alone,
          an_upgrade_restarts_the_proxy_under_its_rules, removal_stops_it)
booted = None


def with_mail(case):
    """A case of unit_mail.py; the first one that runs makes the stage."""
    @functools.wraps(case)
    def run_it():
        tools.booted = booted
        if not tools.stage:
            tools.stage = unit_mail.Stage(tools)
        case(tools)
    return run_it


tools = types.SimpleNamespace(root=ROOT, stage=None, systemctl=systemctl, becomes=becomes, main_pid=main_pid, facts=facts, ours=ours, sh=sh,
                              drop_in=drop_in, install=lambda: install_into(booted.run))
MAIL = tuple(with_mail(case) for case in unit_mail.CASES)

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


def run(case):
    begun = time.monotonic()
    try:
        case()
    except (AssertionError, RuntimeError, OSError, ValueError) as error:
        print(f"FAILED {case.__name__}: {error}", flush=True)
        return False
    finally:
        if booted:
            booted.run("systemctl", "stop", "danegate", "danegate-rules")
        if os.path.exists(ROOT + "/usr/sbin/danegate"):
            inside("danegate", "rules", "remove", must=False)
    print(f"ok     {case.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    return True


def run_booted(cases):
    """How many passed. Where no systemd can be had, they are left out, and that is said."""
    global booted  # pylint: disable=global-statement
    why = systemd.reason()
    if not why:
        try:
            booted = systemd.Systemd(ROOT, FOLDER)
        except RuntimeError as error:
            why = str(error)
    if why:
        print(f"       no systemd of our own ({why}): left out: {' '.join(case.__name__ for case in cases)}")
        return None
    try:
        return sum(run(case) for case in cases)
    finally:
        if tools.stage:
            tools.stage.stop()
        booted.stop()


def main():
    def chosen(cases):
        return [case for case in cases if len(sys.argv) < 2 or any(part in case.__name__ for part in sys.argv[1:])]

    must_be_built()
    sandbox.enter()
    furnish()
    total = len(chosen(CASES))
    passed = sum(run(case) for case in chosen(CASES))
    booted_cases = chosen(BOOTED + MAIL)
    if booted_cases:
        result = run_booted(booted_cases)
        if result is not None:
            passed += result
            total += len(booted_cases)
    print(f"{passed} passed, {total - passed} failed", flush=True)
    sys.exit(0 if passed == total and total else 1)


if __name__ == "__main__":
    main()
