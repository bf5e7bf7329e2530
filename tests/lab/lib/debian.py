# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian with nothing installed (debootstrap, variant minbase), of this machine's release, from the mirrors that this
machine's apt uses and in the way it reaches them: proxy, passwords, certificates.

What debootstrap made is kept as a tar file; a root made of it is brought up to date when apt installs into it.
"""

import os
import re
import shutil
import subprocess

from lib import systemd

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"


def _sh(*command, seconds=600, env=None):
    """Standard output. Raises RuntimeError with the end of what was said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False, env=env)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()[-15:]
        raise RuntimeError(f"{' '.join(command)}: {done.returncode}: " + "\n".join(said))
    return done.stdout


def codename():
    with open("/etc/os-release", encoding="utf-8") as file:
        return re.search(r'^VERSION_CODENAME="?(\w+)', file.read(), re.M)[1]


def mirrors():
    """[(suite, URI)] of this machine's apt: the release itself first, then its updates as far as they are configured."""
    release = codename()
    wanted = [release, f"{release}-updates", f"{release}-security"]
    found = {}
    fields = "$(CREATED_BY)|$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(ORIGIN)|$(REPO_URI)"
    for line in _sh("apt-get", "indextargets", "--format", fields).splitlines():
        kind, name, suite, component, origin, uri = line.split("|")
        # without package lists apt knows neither code name nor origin
        name = name if name in wanted else suite
        if (kind, component) == ("Packages", "main") and name in wanted and origin in ("Debian", ""):
            found.setdefault(name, uri)
    if release not in found:
        raise RuntimeError(f"apt of this machine has no mirror of {release} main")
    return [(name, found[name]) for name in wanted if name in found]


def _apt_settings():
    """Those that say how a mirror is reached; hooks and what else a machine has of its own are left out."""
    dump = _sh("apt-config", "dump", "Acquire")
    lines = [line for line in dump.splitlines() if not line.startswith("Acquire::IndexTargets")]
    if "CaInfo" not in dump and os.path.exists(CERTIFICATES):
        lines.append('Acquire::https::CaInfo "/etc/apt/ca.crt";')
    return "\n".join(lines) + "\nAcquire::Languages \"none\";\n"


def _environment(scratch):
    """For debootstrap's wget, which asks neither apt's proxy nor its passwords."""
    env = {**os.environ, "HOME": scratch, "DEBIAN_FRONTEND": "noninteractive"}
    for scheme in ("http", "https"):
        proxy = re.search(rf'^Acquire::{scheme}::Proxy "(.+)";', _sh("apt-config", "dump", "Acquire"), re.M)
        if proxy and proxy[1] != "DIRECT":
            env.setdefault(scheme + "_proxy", proxy[1])
    with open(scratch + "/.netrc", "w", encoding="utf-8", opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
        for name in _auth_files():
            with open(name, encoding="utf-8") as part:
                file.write(re.sub(r"\bmachine\s+(?:\w+://)?([^/:\s]+)\S*", r"machine \1", part.read()) + "\n")
    return env


def _auth_files():
    parts = "/etc/apt/auth.conf.d"
    found = [f"{parts}/{name}" for name in sorted(os.listdir(parts))] if os.path.isdir(parts) else []
    return [name for name in ["/etc/apt/auth.conf"] + found if os.path.isfile(name)]


def _write(name, text):
    with open(name, "w", encoding="utf-8") as file:
        file.write(text)


def make(root, cache, scratch, nameservers):
    """root: an absent directory. cache: of the tar file. scratch: a directory for passwords, nobody else's. nameservers: what
    /etc/resolv.conf says. Raises RuntimeError, also if the mirror cannot be reached."""
    suites = mirrors()
    architecture = _sh("dpkg", "--print-architecture").strip()
    tarball = f"{cache}/debian-{codename()}-{architecture}.tar"
    if os.path.exists(tarball):
        os.makedirs(root)
        _sh("tar", "--extract", "--numeric-owner", "--file", tarball, "--directory", root)
    else:
        _sh("debootstrap", "--variant=minbase", codename(), root, suites[0][1], env=_environment(scratch))
        _sh("chroot", root, "apt-get", "clean")
        _sh("tar", "--create", "--numeric-owner", "--one-file-system", "--file", tarball + ".new", "--directory", root, ".")
        os.rename(tarball + ".new", tarball)
    _write(root + "/etc/apt/sources.list", "".join(f"deb {uri} {suite} main\n" for suite, uri in suites))
    _write(root + "/etc/apt/apt.conf.d/90mirror", _apt_settings())
    _write(root + "/etc/resolv.conf", nameservers)
    if os.path.exists(CERTIFICATES):
        shutil.copy(CERTIFICATES, root + "/etc/apt/ca.crt")
    for name in _auth_files():
        shutil.copy(name, root + "/etc/apt/auth.conf.d/" + os.path.basename(name))
    _sh("mount", "-t", "proc", "proc", root + "/proc")
    systemd.furnish_devices(root + "/dev")
    for name in ("run", "tmp"):
        _sh("mount", "-t", "tmpfs", "tmpfs", f"{root}/{name}")
    os.makedirs(root + "/run/lock")
    _sh("chroot", root, "apt-get", "-q", "update", "--error-on=any")
