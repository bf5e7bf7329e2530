# SPDX-License-Identifier: GPL-2.0-or-later
"""Cases of package_test.py: the life of the installed units, with the rules that they bring and take away."""

import os
import time

from . import node
from .steps import expect, read
from .units import Watch, ours


def has_reloaded(it):
    node.wait_for("its file is read again", lambda: " reload state=" in it.journal("--unit=danegate"), 15)


def comes_back(count):
    node.wait_for(f"{count} rules", lambda: len(ours()) == count)


def flush(it):
    for command in (("nft", "flush", "ruleset"), ("iptables-legacy", "-t", "nat", "-F"), ("iptables-legacy", "-F")):
        it.booted.run(*command)


def journal_of_checks(it):
    return it.journal("_SYSTEMD_UNIT=danegate-rules-check.service", "+", "UNIT=danegate-rules-check.service")


def the_service_brings_its_rules_and_takes_them_away(it):
    expect(it.start() > 10, "no rules")
    found = it.facts(it.main_pid())
    expect("0" not in found["Uid"].split(), f"Uid {found['Uid']}")
    expect((found["NoNewPrivs"], found["Seccomp"], int(found["CapEff"], 16)) == ("1", "2", 0), f"{found}")
    it.family()
    control = it.booted.run("stat", "-c", "%a %U", "/run/danegate", "/run/danegate/control.sock").stdout.splitlines()
    expect(control == ["750 danegate", "660 danegate"], f"{control}")
    expect(it.booted.run("danegate", "status").returncode == 0, "no status")
    it.systemctl("stop", "danegate")
    it.becomes(["inactive", "inactive"])
    expect(not ours(), "left: " + " | ".join(ours()))


def restart_reload_and_crash_leave_the_rules(it):
    it.start()
    with Watch() as watch:
        before = it.main_pid()
        it.systemctl("restart", "danegate")
        expect(it.main_pid() != before, "not restarted")
        before = it.main_pid()
        it.systemctl("reload", "danegate", "danegate-rules")
        expect(it.main_pid() == before, "a reload restarted it")
        has_reloaded(it)
        os.kill(before, 9)
        it.is_started_anew(before)
    watch.expect_unchanged()


def a_firewall_that_flushes_takes_nothing_away_for_long(it):
    firewall = it.root + "/etc/systemd/system/nftables.service"
    with open(firewall, "w", encoding="ascii") as file:  # as Debian's, with an empty ruleset
        file.write("[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/usr/sbin/nft flush ruleset\n"
                   "ExecReload=/usr/sbin/nft flush ruleset\n")
    try:
        with it.drop_in("[Timer]\nOnCalendar=\nOnCalendar=yearly\n", "danegate-rules-check.timer"):
            it.systemctl("start", "nftables")
            count = it.start()
            it.systemctl("reload", "nftables")
            comes_back(count)
            it.systemctl("stop", "danegate")
            it.becomes(["inactive", "inactive"])
            it.systemctl("reload", "nftables")
            expect(it.state() == ["inactive", "inactive"] and not ours(), f"rules that nobody wants: {ours()}")
    finally:
        os.unlink(firewall)
        it.systemctl("stop", "nftables")
        it.systemctl("daemon-reload")


def rules_that_were_taken_away_are_put_back(it):
    often = "[Timer]\nOnCalendar=\nOnCalendar=*:*:*\nAccuracySec=100ms\n"
    with it.drop_in(often, "danegate-rules-check.timer"):
        before = journal_of_checks(it)
        count = it.start()
        time.sleep(2.5)
        expect(journal_of_checks(it) == before, f"a check without a finding is in the journal: {journal_of_checks(it)}")
        flush(it)
        comes_back(count)
        expect("no rules are in force" in journal_of_checks(it)[len(before):], f"the journal: {journal_of_checks(it)}")
        it.systemctl("stop", "danegate")
        it.becomes(["inactive", "inactive"])
        time.sleep(2.5)
        expect(not ours(), "after a stop the check has put them back")


def a_proxy_that_hangs_is_started_anew(it):
    it.start()
    it.systemctl("stop", "danegate")
    with it.drop_in("[Service]\nWatchdogSec=4\nTimeoutAbortSec=1\n"):
        it.systemctl("start", "danegate")
        time.sleep(5)  # healthy for longer than the period
        before = it.main_pid()
        with Watch() as watch:
            os.kill(before, 19)  # SIGSTOP
            it.is_started_anew(before)
        watch.expect_unchanged()


def a_bad_configuration_fails_closed_and_heals_by_itself(it):
    it.start()
    name = it.root + "/etc/danegate/danegate.toml"
    good = read(name)
    with Watch() as watch:
        with open(name, "w", encoding="utf-8") as file:
            file.write("absurd = 1\n")
        it.systemctl("restart", "danegate", status=1)
        it.becomes(["activating", "active"])
        with open(name, "w", encoding="utf-8") as file:
            file.write(good)
        it.becomes(["active", "active"])
    watch.expect_unchanged()


def a_mark_keeps_one_capability_in_the_proxy_alone(it):
    it.install()
    with open(it.root + "/etc/danegate/danegate.toml", "a", encoding="utf-8") as file:
        file.seek(0)
        file.truncate()
        file.write("[intercept]\nmark = 7\n")
    it.systemctl("start", "danegate")
    it.becomes(["active", "active"])
    capabilities = [int(it.facts(pid)["CapEff"], 16) for pid in it.family()]
    expect(capabilities == [1 << 13, 0, 0], f"{capabilities}")


def an_upgrade_restarts_the_proxy_under_its_rules(it):
    it.start()
    before = it.main_pid()
    with Watch() as watch:
        expect(it.booted.run("dpkg", "--install", "/package.deb").returncode == 0, "dpkg")
        it.is_started_anew(before)
    watch.expect_unchanged()


def removal_stops_it(it):
    it.start()
    done = it.booted.run("dpkg", "--remove", "danegate")
    expect(done.returncode == 0, done.stdout + done.stderr)
    it.becomes(["inactive", "inactive"])
    expect(not ours(), "left: " + " | ".join(ours()))


CASES = (the_service_brings_its_rules_and_takes_them_away, restart_reload_and_crash_leave_the_rules,
         a_firewall_that_flushes_takes_nothing_away_for_long, rules_that_were_taken_away_are_put_back,
         a_proxy_that_hangs_is_started_anew, a_bad_configuration_fails_closed_and_heals_by_itself,
         a_mark_keeps_one_capability_in_the_proxy_alone, an_upgrade_restarts_the_proxy_under_its_rules, removal_stops_it)
