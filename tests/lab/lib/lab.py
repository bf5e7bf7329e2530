# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab of one run: certificates, zones, servers and clients for the rows that were selected."""

import glob
import os
from concurrent.futures import ThreadPoolExecutor

from . import contract, exim, judge, node, opensmtpd, packages, pki, postfix, sandbox, zones
from .all_clients import ALL, Postfix
from .evil import Evil
from .proxy import Proxy, merged
from .node import Node
from .table import Host

HERE = os.path.dirname(os.path.abspath(__file__))
ZONE = "signed.lab"
MX1 = ("203.0.113.11", "2001:db8:3::11")
MX2 = ("203.0.113.12", "2001:db8:3::12")
MX3 = ("203.0.113.13", "2001:db8:3::13")
MX4 = ("203.0.113.14", "2001:db8:3::14")
PATH = ("203.0.113.15", "2001:db8:3::15")  # bad_path.py, to mx1
NOBODY = ("203.0.113.50", "2001:db8:3::50")
EVIL = [f"203.0.113.{n}" for n in (*range(16, 50), *range(51, 63), *range(64, 255))] + \
       [f"{network}.{n}" for network in ("198.51.100", "192.0.2") for n in range(130, 255)]
OTHER_KEY = "5a" * 32, "a5" * 64


class Fields(dict):
    """What a row's records may name."""

    def __init__(self, lab, row):
        super().__init__(domain=row.domain, row=row.name, alias=f"{row.name}-alias.{row.alias}.lab",
                         client_v4=lab.client_addresses(row.profile)[0])
        self.lab = lab
        for index, host in enumerate(row.hosts):
            self.update({f"host{index}": host.name, f"host{index}_v4": host.v4, f"host{index}_v6": host.v6})
        for index, host in enumerate(row.forged or []):
            self.update({f"forged{index}": host.name, f"forged{index}_v4": host.v4, f"forged{index}_v6": host.v6})

    def __missing__(self, key):
        _, whose, digits = key.split("_")
        return getattr(self.lab.pki, whose).tlsa(*map(int, digits))


class Client:
    """One profile at work."""

    def __init__(self, name, machine, mta, proxy):
        self.name = name
        self.node = machine
        self.mta = mta
        self.proxy = proxy
        self.others = {"postfix": Postfix(machine, mta)}  # by name, each an all_clients.ALL


class Lab:
    def __init__(self, rows, profiles, program, start_proxies=True, with_judge=True):
        self.rows = rows
        self.start_proxies = start_proxies
        self.with_judge = with_judge
        self.judge = None
        self.program = program
        self.profiles = {name: profiles[name] for name in sorted({row.profile for row in rows})}
        self.clients = {}
        self.nodes = []
        self._evil_used = 0
        self._named = set()  # servers that rows name
        self._evil_addresses = ["203.0.113.63", "2001:db8:3::3f"]
        node.make_router()
        self.pki = pki.Pki(f"{sandbox.ROOM}/pki", ZONE)
        os.chmod(sandbox.ROOM, 0o755)
        self.dns = zones.Dns(f"{sandbox.ROOM}/dns-data")
        self.dns.add("mx1.lab", "A", MX1[0])
        self._scripts = []
        for row in rows:
            self._publish(row)

    # zones

    def _publish(self, row):
        owner = row.domain
        if row.alias:
            owner = f"{row.name}-alias.{row.alias}.lab"
            self.dns.add(row.domain, "CNAME", f"{owner}.")
        self._publish_domain(owner, row.hosts, row.name)
        for label, hosts in row.more.items():
            self._publish_domain(row.domain_of(label), hosts, f"{label}-{row.name}")
        if row.forged is not None:
            for index, host in enumerate(row.forged):
                same = host.name
                self._place(host, f"{row.name}-f{index}")
                if same:
                    true_host = row.hosts[int(same[1:])]
                    host.name = true_host.name
                    if same[0] == "=":
                        host.v4, host.v6 = true_host.v4, true_host.v6
                self.dns.lie(row.domain, "MX", f"{host.preference} {host.name}.")
                for kind, address in (("A", host.v4), ("AAAA", host.v6)):
                    if address:
                        self.dns.lie(host.name, kind, address)
        fields = Fields(self, row)
        for owner, kind, data, *ttl in row.records:
            self.dns.add(owner.format_map(fields), kind, data.format_map(fields), *ttl)
        for owner, kind, data in row.lies:
            self.dns.lie(owner.format_map(fields), kind, data.format_map(fields))

    def _publish_domain(self, domain, hosts, label):
        for index, host in enumerate(hosts):
            implicit = host.name == "implicit"
            if implicit or not host.name:
                self._place(host, f"{label}-{index}" if index else label)
                host.name = domain if implicit else host.name
                self._publish_host(host)
            if not implicit:
                self.dns.add(domain, "MX", f"{host.preference} {host.name}.")

    def _place(self, host, label):
        host.name = f"{label}.{host.server}.{host.zone}.lab"
        if host.server == "evil":
            if self._evil_used == len(EVIL):
                raise RuntimeError("more hosts of the scripted MX than addresses for it: widen lab.EVIL")
            pair = (EVIL[self._evil_used], f"2001:db8:3::{0x1000 + self._evil_used:x}")
            self._evil_used += 1
            self._evil_addresses += pair
            self._scripts.append((host, self.script(host.script or {})))
        else:
            pair = {"mx1": MX1, "mx2": MX2, "mx3": MX3, "mx4": MX4, "path": PATH, "nobody": NOBODY}[host.server]
            self._named.add(host.server)
        host.v4 = pair[0] if "4" in host.families else ""
        host.v6 = pair[1] if "6" in host.families else ""

    def script(self, script):
        """A row's script with file names for its certificate."""
        certificate = getattr(self.pki, script.get("cert", "evil"))
        return {**script, "cert": certificate.chain, "key": certificate.key, "raw": certificate.raw}

    def _publish_host(self, host):
        for kind, address in (("A", host.v4), ("AAAA", host.v6)):
            if address:
                self.dns.add(host.name, kind, address)
        for record in host.tlsa:
            self.dns.add(f"_25._tcp.{host.name}", "TLSA", self.tlsa(host, record))

    def tlsa(self, host, record):
        words = record.split()
        if len(words) == 3:
            words.append({"evil": (host.script or {}).get("cert", "evil"), "nobody": "other"}.get(host.server, host.server))
        whose = words[3].removeprefix("leaf_of_")
        if len(words) > 4 or not (hasattr(self.pki, whose) or whose == "other"):
            return record
        usage, selector, mtype = map(int, words[:3])
        if whose == "other":
            return f"{usage} {selector} {mtype} {OTHER_KEY[mtype == 2]}"
        return getattr(self.pki, whose).tlsa(usage, selector, mtype, leaf=whose != words[3])

    # machines

    def client_addresses(self, profile):
        index = 10 + list(self.profiles).index(profile)
        return f"192.0.2.{index}", f"2001:db8:1::{index:x}"

    def start(self):
        names = [zones.NSD, zones.NSD6, zones.HONEST, zones.HONEST6, zones.LYING, zones.LYING6, zones.NSD_ODD,
                 *zones.ODD.values()]
        # fork()s of holders first, one after the other, before there are threads
        dns_node = self._node("dns", "dns", names, [zones.HONEST])
        mx1 = self._node("mx1", "mx", MX1, [zones.HONEST], "mx1.lab", [postfix.unpacked()])
        mx2 = self._node("mx2", "mx", MX2, [zones.HONEST], "mx2.lab", [exim.tree()])
        evil = self._node("evil", "mx", self._evil_addresses, [zones.HONEST], "evil.lab")
        machines = {}
        for name, profile in self.profiles.items():
            resolver = {"lying": zones.LYING, "honest": zones.HONEST}[profile.resolver]
            machines[name] = self._node(f"c-{name}", "clients", self.client_addresses(name),
                                        [resolver], profile.hostname or f"{name}.sender.lab",
                                        [postfix.unpacked(), *filter(None, (ALL[other].tree() for other in profile.clients))])
        bench = None
        if self.with_judge and any(judge.takes(row) for row in self.rows):
            bench = self._node("judge", "clients", ("192.0.2.100", "2001:db8:1::64"), [zones.HONEST], "judge.sender.lab",
                               [postfix.unpacked()])
        self.servers = {"mx1": mx1, "mx2": mx2, "evil": evil}
        if "mx3" in self._named:
            self.servers["mx3"] = self._node("mx3", "mx", MX3, [zones.HONEST], "mx3.lab", [opensmtpd.tree()])
        if "mx4" in self._named:
            self.servers["mx4"] = self._node("mx4", "mx", MX4, [zones.HONEST], "mx4.lab", [packages.unpack("aiosmtpd")])
        if "path" in self._named:
            self.servers["path"] = self._node("path", "mx", PATH, [zones.HONEST], "path.lab")
        with ThreadPoolExecutor(32) as pool:
            jobs = [pool.submit(self.dns.start, dns_node), pool.submit(self._start_mx1, mx1),
                    pool.submit(self._start_mx2, mx2), pool.submit(self._start_evil, evil)]
            if "mx3" in self.servers:
                jobs.append(pool.submit(opensmtpd.OpenSmtpd, self.servers["mx3"], self.pki.mx3))
            if "mx4" in self.servers:
                jobs.append(pool.submit(self._start_mx4, self.servers["mx4"]))
            if "path" in self.servers:
                jobs.append(pool.submit(self._start_path, self.servers["path"]))
            jobs += [pool.submit(self._start_client, name, machines[name]) for name in self.profiles]
            if bench:
                jobs.append(pool.submit(self._start_judge, bench))
            for job in jobs:
                job.result()
            with_proxy = [client for client in self.clients.values() if client.proxy and self.start_proxies]
            for job in [pool.submit(self._start_proxy, client) for client in with_proxy]:
                job.result()

    def _node(self, *args):
        machine = Node(*args)
        self.nodes.append(machine)
        return machine

    def _start_mx1(self, machine):
        self.mx1 = postfix.Postfix(machine, postfix.SERVER, {
            "smtpd_tls_cert_file": self.pki.mx1.chain, "smtpd_tls_key_file": self.pki.mx1.key}, smtpd=True)

    def _start_mx2(self, machine):
        self.mx2 = exim.Exim(machine, self.pki.mx2)

    def _start_mx4(self, machine):
        machine.start("aiosmtpd", "/usr/bin/python3", f"{HERE}/aio_mx.py", machine.hostname, self.pki.mx4.chain, self.pki.mx4.key,
                      "/var/mail/all", *machine.addresses)
        node.wait_for_port(machine, "aiosmtpd")

    @staticmethod
    def _start_path(machine):
        machine.start("path", "/usr/bin/python3", f"{HERE}/bad_path.py", f"{machine.dir}/path.json", MX1[0], *PATH)
        node.wait_for_port(machine, "path")

    def _start_judge(self, machine):
        self.judge = judge.Judge(machine, self.rows)

    def _start_evil(self, machine):
        self.evil = Evil(machine)
        for host, script in self._scripts:
            self.evil.set(host.addresses, script)

    def _start_client(self, name, machine):
        profile = self.profiles[name]
        mta = postfix.Postfix(machine, postfix.LEGACY, profile.postfix)
        proxy = None
        if profile.proxy:
            mine = [row for row in self.rows if row.profile == name]
            settings = merged(profile.settings, {
                "policy.domain": [{"domain": row.domain, **row.policy} for row in mine if row.policy],
                "relay": [self._relay(row) for row in mine if row.relay]})
            proxy = Proxy(machine, self.program, self.pki, self.dns,
                          {section: content for section, content in settings.items() if content})
        client = Client(name, machine, mta, proxy)
        client.others.update({other: ALL[other](machine) for other in profile.clients})
        self.clients[name] = client

    @staticmethod
    def _relay(row):
        """v4, v6, name: of the row's first host; d4, d6, dname: of what the client believes to be the MX host."""
        first = row.hosts[0] if row.hosts else Host("nobody")
        dialled = row.forged[0] if row.forged else first
        fields = {"v4": first.v4, "v6": first.v6, "name": first.name, "d4": dialled.v4, "d6": dialled.v6,
                  "dname": dialled.name}
        return {key: value.format_map(fields) if isinstance(value, str) else
                [v.format_map(fields) for v in value] if isinstance(value, list) else value
                for key, value in row.relay.items()}

    def _start_proxy(self, client):
        client.proxy.start()
        client.proxy.rules("apply")
        client.proxy.idle_descriptors = client.proxy.descriptors()

    def last_words(self, lines=8):
        """What every daemon said last: for when the lab does not come up."""
        found = []
        for machine in self.nodes:
            for path in sorted(glob.glob(f"{machine.dir}/*.log") + glob.glob(f"{machine.var}/log/**/*log", recursive=True)):
                with open(path, encoding="utf-8", errors="replace") as file:
                    found += [f"{path}:", *(f"  {line}" for line in file.read().splitlines()[-lines:])]
        return "\n".join(found)

    def stop(self, keep=None):
        """Returns complaints: daemons that did not end as they should."""
        wrong = []
        for client in self.clients.values():
            if client.proxy:
                wrong += [f"profile {client.name}: {text}" for text in contract.complaints(client.proxy.events())]
            if client.proxy and client.proxy.running():
                status = client.proxy.stop()
                if status != 0:
                    wrong.append(f"danegate of profile {client.name}: ended with {status}")
        if keep:
            for machine in self.nodes:
                machine.keep(keep)
        for machine in self.nodes:
            machine.remove()
        return wrong
