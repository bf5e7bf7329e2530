# SPDX-License-Identifier: GPL-2.0-or-later
"""The room the whole lab lives in: private mount, network, PID, UTS and IPC namespaces.

Everything the lab makes (namespaces, mounts, /run with its files, processes) exists only in here, so that the end of the
runner, also by SIGKILL, is the end of all of it: PID 1 of the room is killed when the outer process dies, and the kernel
kills every process of a PID namespace whose PID 1 is gone. The machine's own mail, routes and rules are never touched.
"""

import ctypes
import os
import signal
import subprocess
import sys

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1

ROOM = "/run/lab"

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    """unshare(2). Raises OSError."""
    if _libc.unshare(flags) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, "unshare: " + os.strerror(errno))


def setns(descriptor, flags):
    """setns(2) for the calling thread. Raises OSError."""
    if _libc.setns(descriptor, flags) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, "setns: " + os.strerror(errno))


def die_with_parent(sig=signal.SIGKILL):
    _libc.prctl(PR_SET_PDEATHSIG, sig, 0, 0, 0)


def enter():
    """Returns in a child inside the room; the calling process stays outside and exits with the child's status."""
    if os.geteuid() != 0:
        sys.exit("the lab makes network namespaces: run it as root")
    outer = os.getpid()
    unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC)
    child = os.fork()
    if child:
        _wait_outside(child)
    die_with_parent()
    if os.getppid() not in (0, outer):  # in a new PID namespace the parent shows as 0
        os._exit(1)
    _furnish()
    runner = os.fork()
    if runner:
        _reap_as_init(runner)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))


def _furnish():
    def mount(*args):
        subprocess.run(["mount", *args], check=True)

    mount("--make-rprivate", "/")
    mount("-t", "proc", "proc", "/proc")
    mount("-t", "sysfs", "sysfs", "/sys")
    # A /run of our own: no resolver daemon, name-service cache or namespace name of the machine reaches in, and queue
    # files on it cost no disk writes.
    mount("-t", "tmpfs", "-o", "mode=755,size=60%", "tmpfs", "/run")
    os.makedirs(ROOM)
    os.makedirs("/run/lock")
    os.umask(0o022)


def _forward_signals(child):
    """Signals that ask for the end go on to the child, whose end is this process's own."""
    def forward(number, _frame):
        try:
            os.kill(child, number)
        except ProcessLookupError:
            pass

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, forward)


def _wait_outside(child):
    _forward_signals(child)
    _, status = os.waitpid(child, 0)
    os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _reap_as_init(runner):
    _forward_signals(runner)
    while True:
        pid, status = os.wait()
        if pid == runner:
            code = os.waitstatus_to_exitcode(status)
            os._exit(code if code >= 0 else 128 - code)
