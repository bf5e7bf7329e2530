# SPDX-License-Identifier: GPL-2.0-or-later
"""The installed package under a systemd that runs its units (systemd.py), as package_test.py's cases see it."""

import contextlib
import functools
import os
import shutil
import threading
import time

from . import node
from .steps import expect, sh


def _naming_us(text):
    return [line for line in text.splitlines() if "danegate" in line]


def ours_of_iptables():
    """Rules that danegate made with iptables, of both families."""
    return _naming_us("".join(sh(tool).stdout for tool in ("iptables-save", "ip6tables-save")))


def ours():
    """Rules that danegate made, of either family and backend."""
    return ours_of_iptables() + _naming_us(sh("nft", "list", "ruleset", must=False).stdout)


def install_with(run):
    """Sets the stage: freshly installed. The text that dpkg printed."""
    run("dpkg", "--purge", "danegate")
    run("userdel", "danegate")
    done = run("dpkg", "--no-triggers", "--install", "/package.deb")
    expect(done.returncode == 0, done.stdout + done.stderr)
    return done.stdout


class Units:
    """root: of the file system that is theirs. booted: the systemd. make_stage: of these units, what the cases about mail need;
    has a stop()."""

    def __init__(self, root, booted, make_stage):
        self.root = root
        self.booted = booted
        self._make_stage = make_stage

    @functools.cached_property
    def stage(self):
        return self._make_stage(self)

    def stop(self):
        if "stage" in vars(self):
            self.stage.stop()
        self.booted.stop()

    def install(self):
        return install_with(self.booted.run)

    def start(self):
        """Installed anew and started. How many rules that makes."""
        self.install()
        self.systemctl("start", "danegate")
        self.becomes(["active", "active"])
        return len(ours())

    def state(self):
        return self.booted.run("systemctl", "is-active", "danegate", "danegate-rules").stdout.split()

    def becomes(self, wanted, seconds=15):
        end = time.monotonic() + seconds
        while self.state() != wanted:
            expect(time.monotonic() < end, f"{self.state()}, not {wanted}: " +
                   self.booted.run("systemctl", "status", "--no-pager", "danegate", "danegate-rules").stdout)
            time.sleep(0.1)

    def systemctl(self, *words, status=0):
        done = self.booted.run("systemctl", *words)
        if done.returncode != status:
            log = self.booted.run("journalctl", "--no-pager", "--lines=15", "--output=cat").stdout
            raise AssertionError(f"systemctl {' '.join(words)}: {done.returncode}: {done.stdout}{done.stderr}{log}")

    def journal(self, *which):
        return self.booted.run("journalctl", "--no-pager", "--output=cat", *which).stdout

    def family(self):
        """The pids of daemon, supervisor and resolver process, once they are there: READY=1 does not wait for the last one."""
        return node.wait_for("three processes", lambda: len(pids := self.booted.pids("danegate")) == 3 and pids)

    def main_pid(self):
        """The daemon's; none while there is none."""
        return next(iter(self.booted.pids("danegate")), None)

    def is_started_anew(self, before):
        node.wait_for("another daemon", lambda: self.main_pid() not in (None, before), 30)
        self.becomes(["active", "active"], 30)

    @staticmethod
    def facts(pid):
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            return dict(line.split(":\t", 1) for line in file.read().splitlines() if ":\t" in line)

    @contextlib.contextmanager
    def drop_in(self, text, unit="danegate.service"):
        """For a unit that is started inside."""
        folder = f"{self.root}/etc/systemd/system/{unit}.d"
        os.makedirs(folder)
        with open(folder + "/lab.conf", "w", encoding="ascii") as file:
            file.write(text)
        try:
            self.systemctl("daemon-reload")
            yield
        finally:
            shutil.rmtree(folder)
            self.systemctl("daemon-reload")


class Watch(threading.Thread):
    """Counts danegate's rules over and over; every count seen. `nft list ruleset` is not asked: while another program commits
    a change it may list a rule of before beside those of after; iptables-save reads again."""

    def __init__(self):
        super().__init__(daemon=True)
        self._wanted = len(ours_of_iptables())
        self.counts = set()
        self._end = threading.Event()

    def run(self):
        while not self._end.is_set():
            self.counts.add(len(ours_of_iptables()))

    def expect_unchanged(self):
        expect(self._wanted > 0 and self.counts == {self._wanted}, f"rules seen: {self.counts}, not always {self._wanted}")

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self.join()
