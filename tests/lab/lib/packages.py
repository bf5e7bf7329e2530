# SPDX-License-Identifier: GPL-2.0-or-later
"""The MTAs (and ufw): Debian's packages, fetched and unpacked beside the machine, never installed (they conflict with each other
and with the MTA a machine may have). Libraries that only they need come with them."""

import glob
import os
import subprocess

from . import sandbox

WANTED = {
    "postfix": ["postfix"],
    "exim4": ["exim4-base", "exim4-daemon-light"],
    "sendmail": ["sendmail-bin", "sendmail-cf", "m4", "libldap-2.5-0", "liblockfile1", "libwrap0"],
    "opensmtpd": ["opensmtpd"],
    "courier": ["courier-mta", "courier-base", "courier-authlib", "libcourier-unicode4"],
    "msmtp": ["msmtp", "libgsasl18", "libgssglue1", "libntlm0", "libsecret-1-0"],
    "ssmtp": ["ssmtp", "libgnutls-openssl27"],
    "nullmailer": ["nullmailer"],
    "dma": ["dma"],
    "swaks": ["swaks"],
    "aiosmtpd": ["python3-aiosmtpd", "python3-attr", "python3-public"],
    "ufw": ["ufw"],
}


def cache_dir():
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
    return f"{root}/.cache/lab/debs"


def fetch(wanted=tuple(WANTED)):
    """Outside the room, where there is a network: what is missing of the .debs. Raises RuntimeError."""
    where = cache_dir()
    os.makedirs(where, exist_ok=True)
    missing = [name for what in wanted for name in WANTED[what] if not glob.glob(f"{where}/{name}_*.deb")]
    if not missing:
        return
    for attempt in ("with the lists as they are", "with new lists"):
        if attempt == "with new lists":
            subprocess.run(["apt-get", "-q", "update"], stdout=subprocess.DEVNULL, check=False)
        done = subprocess.run(["apt-get", "-q", "download", *missing], cwd=where, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode == 0:
            return
    raise RuntimeError(f"apt-get download {' '.join(missing)}: {done.stdout}")


def unpack(name, target=None):
    """Directory with the package's tree, inside the room unless said otherwise."""
    target = target or f"{sandbox.ROOM}/packages/{name}"
    if not os.path.isdir(target):
        os.makedirs(target)
        for package in WANTED[name]:
            newest = max(glob.glob(f"{cache_dir()}/{package}_*.deb"), key=os.path.getmtime)
            subprocess.run(["dpkg-deb", "-x", newest, target], check=True)
    return target
