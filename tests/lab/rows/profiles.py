# SPDX-License-Identifier: GPL-2.0-or-later
"""The client machines and configurations that rows name."""

from lib import zones
from lib.table import Profile

QUICK = {"connect": "5s", "greeting": "5s", "command": "3s", "data": "5s", "final": "5s", "setup": "15s"}

PROFILES = {
    "default": Profile(),
    "workers2": Profile({"listen": {"workers": 2}}),
    "encrypt": Profile({"policy": {"no_tlsa": "encrypt"}}),
    "reroute": Profile({"policy": {"mx_mismatch": "reroute"}}),
    "one-host": Profile({"policy": {"mx_failover": False}}),
    "impatient": Profile({"timeouts": QUICK, "dns": {"timeout": "3s"}}),
    "recursive": Profile({"dns": {"mode": "recursive", "servers": []}}),
    "no-dns": Profile({"dns": {"servers": [zones.BLACK_HOLE], "timeout": "2s"}}),
    "bare-lf-reject": Profile({"smtp": {"bare_lf": "reject"}}),
    "pool": Profile({"pool": {"max_idle": 64, "idle_timeout": "5s"}}),
    "pool-brief": Profile({"pool": {"max_idle": 4, "idle_timeout": "3s", "max_deliveries": 2}}),
    "pool-workers2": Profile({"listen": {"workers": 2}, "pool": {"max_idle": 4, "idle_timeout": "5s"}}),
    "pool-reload": Profile({"pool": {"max_idle": 4, "idle_timeout": "5s"}}),  # rows that reload it
    "no-resumption": Profile({"tls": {"resumption": False}}),
    "nftables": Profile({"intercept": {"backend": "nftables"}}),
    "small-limits": Profile({"limits": {"max_sessions": 8, "max_sessions_per_client": 4}}),
    "bulk1": Profile({"listen": {"workers": 1}}),
    "bulk2": Profile({"listen": {"workers": 2}}),
    "service": Profile(),  # rows that stop, kill and reload it
}
