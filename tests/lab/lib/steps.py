# SPDX-License-Identifier: GPL-2.0-or-later
"""What tests of the machine's own commands say again and again."""
import os
import subprocess
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
BUILD = TOP + "/build"


def must_be_built():
    if not os.access(BUILD + "/danegate", os.X_OK):
        sys.exit(f"{BUILD}/danegate: not there; build it: cmake --preset release && cmake --build build")


def sh(*command, text=None, must=True, seconds=300, env=None):
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=seconds, check=False, env=env)
    if must and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: {done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done


def expect(good, what):
    if not good:
        raise AssertionError(what)


def read(name):
    with open(name, encoding="utf-8") as file:
        return file.read()
