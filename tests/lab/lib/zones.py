# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's DNS: a private signed root, the TLD `lab`, and below it zones in every state that DANE has to tell apart.

Served by nsd; asked through two unbounds: an honest validating one, and the one the legacy MTA uses, which does not
validate and lies where a row says so (a spoofed or poisoned resolver).
"""

import json
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from .node import run, wait_for, write
from .zone_states import STATES, State, Zone, damage, ds_of, surplus_keys

NSD = "198.51.100.53"
NSD6 = "2001:db8:2::53"
HONEST = "198.51.100.54"
HONEST6 = "2001:db8:2::54"
LYING = "198.51.100.55"
LYING6 = "2001:db8:2::55"
NSD_ODD = "198.51.100.56"  # what the odd servers hand on to: nsd's own address would answer for them
BLACK_HOLE = "198.51.100.99"  # routed to the LAN, where nobody is

TTL = 60
HERE = os.path.dirname(os.path.abspath(__file__))
ODD = {state: f"198.51.100.{60 + n}" for n, state in enumerate(s for s in STATES if STATES[s].server is not None)}


class Dns:
    """Collects records, then serves them. add() must come before start(). states: of STATES, the zones that are wanted. ahead: the
    signer's clock is so many seconds before this machine's."""

    def __init__(self, directory, states=tuple(STATES), ahead=0):
        self.dir = directory
        self.ahead = ahead
        os.makedirs(directory, exist_ok=True)
        self.zones = {name: Zone(f"{name}.lab", STATES[name]) for name in states}
        self.odd = {state: address for state, address in ODD.items() if state in self.zones}
        self.lab = Zone("lab", State())
        self.root = Zone("", State())
        self.lies = []
        self._keys = {}  # of signed zones: base name of the key's files
        self._changing = threading.Lock()
        self.trust_anchor = f"{directory}/root.key"
        self.root_hints = f"{directory}/root.hints"

    def zone_of(self, name):
        """The zone that holds `name`."""
        labels = name.lower().split(".")
        for at in range(len(labels) - 1):
            zone = self.zones.get(".".join(labels[at:-1])) if labels[-1] == "lab" else None
            if zone:
                return zone
        return self.lab

    def add(self, owner, kind, data, ttl=TTL):
        self.zone_of(owner).records.append(f"{owner}. {ttl} IN {kind} {data}")

    def lie(self, owner, kind, data):
        """What the client's own resolver says instead of the truth (all types of `owner` are then the liar's)."""
        self.lies.append((owner, kind, data))

    # zone files

    def _write_zone(self, zone, glue=()):
        lines = [f"{zone.name}. {TTL} IN SOA ns.lab. hostmaster.lab. 1 3600 600 86400 {TTL}",
                 f"{zone.name}. {TTL} IN NS {self._server(zone)}."]
        path = f"{self.dir}/{zone.name or 'root'}.zone"
        write(path, "\n".join([*lines, *zone.records, *glue]) + "\n")
        return path

    def _server(self, zone):
        state = zone.name.removesuffix(".lab")
        return f"ns-{state}.lab" if state in self.odd else "ns.lab"

    def _sign(self, zone, glue=()):
        """Returns (signed file, DS record data, base name of the key's files)."""
        origin = zone.name or "."
        size = ["-b", "2048"] if zone.state.algorithm.startswith("RSA") else []
        base = run("ldns-keygen", "-a", zone.state.algorithm, *size, "-k", origin, cwd=self.dir).strip().splitlines()[-1]
        with open(f"{self.dir}/{base}.key", encoding="ascii") as file:
            key = file.read().split(";")[0].split(maxsplit=3)[3].strip()
        surplus = [f"{zone.name}. {TTL} IN DNSKEY {data}" for data in surplus_keys(zone.state, key)]
        path = self._write_zone(zone, [*glue, *surplus])
        self._keys[zone.name] = base
        self._sign_file(zone, path, base)
        damage(f"{path}.signed", zone.state)
        with open(f"{self.dir}/{base}.ds", encoding="ascii") as file:
            ds = " ".join(file.read().split()[3:])  # owner, class and type are written anew
        return f"{path}.signed", ds_of(zone.state, zone.name, key, ds), base

    def _sign_file(self, zone, path, base):
        now = int(time.time()) + self.ahead
        denial = {"NSEC": [], "NSEC3": ["-n", "-t", "0"], "opt-out": ["-n", "-t", "0", "-p"]}[zone.state.denial]
        inception, expiration = zone.state.dates
        run("ldns-signzone", "-i", now + inception, "-e", now + expiration, *denial, "-o", zone.name or ".", "-f",
            f"{path}.new", path, f"{self.dir}/{base}")
        os.replace(f"{path}.new", f"{path}.signed")

    def _build(self):
        """Files of all zones: children first, because their parents hold the DS."""
        for state, address in self.odd.items():
            self.lab.records.append(f"ns-{state}.lab. {TTL} IN A {address}")
        for kind, address in (("A", NSD), ("AAAA", NSD6)):
            self.lab.records.append(f"ns.lab. {TTL} IN {kind} {address}")
        names = sorted(self.zones, key=lambda name: -name.count("."))
        served = []
        for depth in sorted({name.count(".") for name in names}, reverse=True):
            with ThreadPoolExecutor(4) as pool:
                served += pool.map(self._build_child, [name for name in names if name.count(".") == depth])
        path, ds, _ = self._sign(self.lab)
        glue = [f"ns.lab. {TTL} IN A {NSD}", f"ns.lab. {TTL} IN AAAA {NSD6}"]
        root, _, base = self._sign(self.root, [f"lab. {TTL} IN NS ns.lab.", f"lab. {TTL} IN DS {ds}", *glue])
        os.replace(f"{self.dir}/{base}.key", self.trust_anchor)
        return [*served, ("lab", path), (".", root)]

    def _build_child(self, name):
        zone = self.zones[name]
        parent = self.zone_of(zone.name.split(".", 1)[1])
        parent.records.append(f"{zone.name}. {TTL} IN NS {self._server(zone)}.")
        if not zone.state.signed:
            return zone.name, self._write_zone(zone)
        path, ds, _ = self._sign(zone)
        if zone.state.ds == "other":
            path = self._sign(zone)[0]
        if zone.state.ds != "none":
            parent.records.append(f"{zone.name}. {TTL} IN DS {ds}")
        return zone.name, path

    # servers

    def start(self, node):
        self._node = node
        served = self._build()
        write(self.root_hints, f". 3600000 NS ns.lab.\nns.lab. 3600000 A {NSD}\nns.lab. 3600000 AAAA {NSD6}\n")
        os.chmod(self.trust_anchor, 0o644)
        odd = {f"{state}.lab" for state in self.odd}
        self._start_nsd(node, "nsd", [NSD, NSD6], [zone for zone in served if zone[0] not in odd])
        if odd:
            self._start_nsd(node, "nsd-odd", [NSD_ODD], [zone for zone in served if zone[0] in odd])
            table = {address: STATES[state].server for state, address in self.odd.items()}
            node.start("odd-dns", "/usr/bin/python3", f"{HERE}/odd_dns.py", NSD_ODD, json.dumps(table))
        # ahead: this one's clock would be right, but it is this machine's
        self._start_unbound(node, "honest", [HONEST, HONEST6], validating=not self.ahead)
        self._start_unbound(node, "lying", [LYING, LYING6], validating=False)
        for label, address in (("nsd", NSD), ("honest", HONEST), ("lying", LYING)):
            self._wait_answer(node, label, address)

    def change(self, owner, kind, data, ttl=1):
        """These records of a signed zone's owner in the place of what it had, from now on; caches know the old ones for their
        TTL."""
        zone = self.zone_of(owner)
        with self._changing:
            zone.records = [line for line in zone.records if line.split()[0] != f"{owner}." or line.split()[3] != kind]
            zone.records.append(f"{owner}. {ttl} IN {kind} {data}")
            self._sign_file(zone, self._write_zone(zone), self._keys[zone.name])
            self._node.processes["nsd"].send_signal(signal.SIGHUP)

    def stop_lying(self):
        """The client's resolver tells the truth from now on."""
        self.lies = []
        self._node.stop("unbound-lying")
        self._start_unbound(self._node, "lying", [LYING, LYING6], validating=False)
        self._wait_answer(self._node, "lying", LYING)

    def stop_honest(self):
        """Nobody answers danegate (and the servers) until start_honest()."""
        self._node.kill("unbound-honest")

    def start_honest(self):
        self._start_unbound(self._node, "honest", [HONEST, HONEST6], validating=True)
        self._wait_answer(self._node, "honest", HONEST)

    @staticmethod
    def _wait_answer(node, label, address):
        wait_for(f"{label} answers", lambda: "status: NOERROR" in node_dig(node, address, "lab.", "SOA"))

    def _start_nsd(self, node, label, addresses, served):
        lines = ["server:", *[f"  ip-address: {a}" for a in addresses], "  username: \"\"", "  server-count: 1",
                 f"  zonelistfile: \"{self.dir}/{label}.list\"", f"  pidfile: \"{self.dir}/{label}.pid\"", "  database: \"\"",
                 f"  xfrdfile: \"{self.dir}/{label}.state\"", f"  xfrdir: \"{self.dir}\"", f"  zonesdir: \"{self.dir}\"",
                 "  rrl-ratelimit: 0", "remote-control:", "  control-enable: no"]
        for name, path in served:
            lines += ["zone:", f"  name: \"{name}\"", f"  zonefile: \"{path}\""]
        write(f"{self.dir}/{label}.conf", "\n".join(lines) + "\n")
        node.start(label, "nsd", "-d", "-c", f"{self.dir}/{label}.conf")

    def _start_unbound(self, node, label, addresses, validating):
        # every danegate keeps a TCP connection to it; beyond its ten of old, unbound lets connections wait
        lines = ["server:", *[f"  interface: {a}" for a in addresses], "  incoming-num-tcp: 200", "  access-control: 0.0.0.0/0 allow",
                 "  access-control: ::/0 allow", "  username: \"\"", "  chroot: \"\"", f"  directory: \"{self.dir}\"",
                 f"  pidfile: \"{self.dir}/{label}.pid\"", "  use-syslog: no", "  logfile: \"\"", "  verbosity: 1",
                 "  num-threads: 1", "  do-daemonize: no", f"  root-hints: \"{self.root_hints}\"",
                 f"  module-config: \"{'validator iterator' if validating else 'iterator'}\"",
                 "  target-fetch-policy: \"0 0 0 0 0\"", "  val-log-level: 2", "  edns-buffer-size: 1232"]
        if validating:
            lines.append(f"  trust-anchor-file: \"{self.trust_anchor}\"")
        else:
            for owner in sorted({owner for owner, _, _ in self.lies}):
                lines.append(f"  local-zone: \"{owner}.\" static")
            for owner, kind, data in self.lies:
                lines.append(f"  local-data: '{owner}. {TTL} IN {kind} {data}'")
        lines += ["remote-control:", "  control-enable: no"]
        write(f"{self.dir}/{label}.conf", "\n".join(lines) + "\n")
        node.start(f"unbound-{label}", "unbound", "-d", "-p", "-c", f"{self.dir}/{label}.conf")


def node_dig(node, server, name, kind, *options):
    try:
        return node.run("dig", f"@{server}", "+tries=1", "+time=2", "+dnssec", *options, name, kind)
    except RuntimeError as error:
        return str(error)
