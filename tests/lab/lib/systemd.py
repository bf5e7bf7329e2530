# SPDX-License-Identifier: GPL-2.0-or-later
"""A systemd of its own, as PID 1 of a copy of the file system, with nothing of the machine's services.

It needs a systemd that is installed (it need not run) and a cgroup2 tree that can be mounted; reason() says what is missing.
"""

import os
import shutil
import subprocess
import time

SYSTEMD = "/lib/systemd/systemd"
_TARGET = "[Unit]\nDescription=the lab\nDefaultDependencies=no\nAllowIsolate=yes\n"
_DEVICES = {"null": "1 3", "zero": "1 5", "full": "1 7", "random": "1 8", "urandom": "1 9", "tty": "5 0"}


def _sh(*command, must=True):
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=must)


def reason():
    """Why there is none; empty if there is one."""
    for name in (SYSTEMD, "/usr/bin/nsenter", "/usr/bin/unshare"):
        if not os.path.exists(name):
            return f"{name} is not installed"
    with open("/proc/filesystems", encoding="ascii") as file:
        return "" if "\tcgroup2\n" in file.read() else "the kernel has no cgroup2"


def furnish_devices(directory):
    """A /dev whose changes are nobody else's."""
    _sh("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", directory)
    for name, numbers in _DEVICES.items():
        _sh("mknod", "-m", "666", f"{directory}/{name}", "c", *numbers.split())
    for name in ("pts", "shm", "mqueue"):
        os.mkdir(f"{directory}/{name}")
    _sh("mount", "-t", "devpts", "-o", "newinstance,ptmxmode=666", "devpts", directory + "/pts")
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        os.symlink(target, f"{directory}/{name}")


class Systemd:
    """root: the copy, with /proc, /dev and /run mounted; changed so that no service of the machine starts in it. Shares the
    caller's network namespace. init: its process, as this side numbers it. Raises RuntimeError if it cannot start."""

    def __init__(self, root, scratch):
        self.root = root
        self._tree = scratch + "/cgroup"
        self._group = f"{self._tree}/danegate-lab-{os.getpid()}-{int(time.monotonic() * 1000)}"
        self._prepare()
        os.makedirs(self._tree, exist_ok=True)
        try:
            if not os.path.ismount(self._tree):
                _sh("mount", "-t", "cgroup2", "cgroup2", self._tree)
            os.mkdir(self._group)
        except (subprocess.CalledProcessError, OSError) as error:
            raise RuntimeError(f"no cgroup: {error}") from error
        mounts = f"""
            echo $$ >{self._group}/cgroup.procs
            exec unshare --cgroup --mount --pid --uts --ipc --fork --kill-child sh -c '
              mount -t proc proc {root}/proc && mount -t sysfs sysfs {root}/sys &&
              mount -t cgroup2 cgroup2 {root}/sys/fs/cgroup &&
              exec chroot {root} env -i container=lab PATH=/usr/sbin:/usr/bin:/sbin:/bin {SYSTEMD} --unit=lab.target'"""
        self._log = scratch + "/systemd.log"
        with open(self._log, "w", encoding="utf-8") as log:
            # pylint: disable-next=consider-using-with
            self._process = subprocess.Popen(["sh", "-c", mounts], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        self.init = None
        self._wait_ready()

    def _prepare(self):
        etc, lib = self.root + "/etc/systemd/system", self.root + "/lib/systemd/system"
        for name in os.listdir(etc):
            path = f"{etc}/{name}"
            if os.path.isdir(path) and not os.path.islink(path):
                shutil.rmtree(path)
            else:
                os.unlink(path)
        # What a boot does to the kernel, to devices and to file systems is the machine's business.
        for target in ("sysinit", "local-fs", "basic", "sockets", "timers", "multi-user", "graphical"):
            shutil.rmtree(f"{lib}/{target}.target.wants", ignore_errors=True)
        os.makedirs(lib + "/sysinit.target.wants")
        os.symlink("../systemd-journald.service", lib + "/sysinit.target.wants/systemd-journald.service")
        with open(etc + "/lab.target", "w", encoding="ascii") as file:
            file.write(_TARGET)

    def _children(self):
        with open(f"/proc/{self._process.pid}/task/{self._process.pid}/children", encoding="ascii") as file:
            return file.read().split()

    def _wait_ready(self):
        end = time.monotonic() + 20
        while time.monotonic() < end and self._process.poll() is None:
            children = self._children()
            if children:
                self.init = children[0]
                if self.run("systemctl", "is-system-running").stdout.strip() in ("running", "degraded"):
                    return
            time.sleep(0.05)
        with open(self._log, encoding="utf-8") as file:
            said = file.read()[-500:]
        self.stop()
        raise RuntimeError(f"systemd does not start: {said}")

    def run(self, *command):
        """A command as root beside its services."""
        return _sh("nsenter", "-t", self.init, "-m", "-p", "-u", "-i", "-C", "-r", "-w", *command, must=False)

    def pids(self, unit):
        """Of the unit's processes, the oldest first, as this side numbers them."""
        try:
            with open(f"{self._group}/system.slice/{unit}.service/cgroup.procs", encoding="ascii") as file:
                pids = [int(line) for line in file]
        except OSError:  # the group ends with its last process
            return []

        def begun(pid):
            try:
                with open(f"/proc/{pid}/stat", encoding="ascii") as file:
                    return int(file.read().rsplit(")", 1)[1].split()[19])
            except OSError:
                return 0
        return sorted(pids, key=lambda pid: (begun(pid), pid))

    def stop(self):
        self._process.kill()  # PID 1 goes with it, and with PID 1 everything inside
        self._process.wait()
        end = time.monotonic() + 5
        while os.path.exists(self._group) and time.monotonic() < end:
            for where, _, _ in os.walk(self._group, topdown=False):
                try:
                    os.rmdir(where)
                except OSError:  # a process of it is still ending
                    time.sleep(0.02)
