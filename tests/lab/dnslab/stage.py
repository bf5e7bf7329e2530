# SPDX-License-Identifier: GPL-2.0-or-later
"""The servers of tests/lab/dns_test.py, and the ways to ask danegate."""

import json
import os
import shutil
import subprocess
import tempfile
import threading
import time

from dnslab.forgers import Forwarder, another_question, exchange, exchange_tcp, empty, forge, garbage, rcode, silent, strip
from dnslab.process import ResolverProcess
from dnslab.zones import AUTHORITY, Tree, call, write

FORWARDER, FORWARDER6, LOOPBACK, PORT = "192.0.2.53", "2001:db8::53", "127.0.0.153", 5353
STRIPPING, REFUSING, FAILING, SILENT, LYING = "192.0.2.54", "192.0.2.55", "192.0.2.56", "192.0.2.57", "192.0.2.58"
TRUNCATING, STRANGE, GARBAGE, DEAD = "192.0.2.59", "192.0.2.60", "192.0.2.61", "192.0.2.62"
ADDRESSES = [AUTHORITY, FORWARDER, STRIPPING, REFUSING, FAILING, SILENT, LYING, TRUNCATING, STRANGE, GARBAGE]
EXIT = {"secure": 0, "insecure": 0, "bogus": 1, "failure": 3}

counts = {True: 0, False: 0}
printing = threading.Lock()


def row(name, ok, said=""):
    with printing:
        counts[bool(ok)] += 1
        print("%s %s%s" % ("ok  " if ok else "FAIL", name, "" if ok else ": %s" % (said,)), flush=True)


class Lab:
    def __init__(self, program):
        self.program = program
        self.dir = tempfile.mkdtemp(prefix="danegate-dns-")
        os.chmod(self.dir, 0o755)
        self.processes = []
        self.tree = Tree(self.dir)
        self.anchors()
        self.certificates()
        self.start_servers()

    def path(self, name):
        return os.path.join(self.dir, name)

    def anchors(self):
        key = self.tree.root_key
        self.anchor = write(self.path("root.key"), open(self.path(key + ".key")).read())
        self.ds_anchor = write(self.path("root.ds"), call("ldns-key2ds", "-n", "-2", key + ".key", cwd=self.dir) + "\n")
        other = call("ldns-keygen", "-a", "ED25519", "-k", ".", cwd=self.dir)
        self.wrong_anchor = write(self.path("wrong.key"), open(self.path(other + ".key")).read())
        self.empty_anchor = write(self.path("empty.key"), "; nothing here\n")
        self.hints = write(self.path("root.hints"), ". 3600000 NS ns.lab.\nns.lab. 3600000 A %s\n" % AUTHORITY)
        self.resolv_conf = write(self.path("resolv.conf"), "search lab\nnameserver %s\n" % FORWARDER)

    def certificates(self):
        call("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "30",
             "-subj", "/CN=dns.lab", "-addext", "subjectAltName=DNS:dns.lab", "-keyout", self.path("dot.key"),
             "-out", self.path("dot.pem"))
        os.chmod(self.path("dot.key"), 0o644)

    # -- servers -------------------------------------------------------------------------------------------------------
    def start(self, *words):
        log = open(self.path(os.path.basename(words[0]) + ".log"), "a")
        self.processes.append(subprocess.Popen(words, stdout=log, stderr=log, cwd=self.dir))

    def start_servers(self):
        call("ip", "link", "set", "lo", "up")
        for address in ADDRESSES:
            call("ip", "address", "add", address + "/32", "dev", "lo")
        call("ip", "address", "add", FORWARDER6 + "/128", "dev", "lo", "nodad")
        zones = "".join('zone:\n  name: "%s"\n  zonefile: "%s"\n' % item for item in self.tree.files.items())
        write(self.path("nsd.conf"), 'server:\n  ip-address: %s\n  username: ""\n  zonesdir: "%s"\n  database: ""\n'
              '  pidfile: "%s"\n  xfrdfile: "%s"\n  xfrdir: "%s"\n  zonelistfile: "%s"\n  rrl-ratelimit: 0\n'
              'remote-control:\n  control-enable: no\n%s'
              % (AUTHORITY, self.dir, self.path("nsd.pid"), self.path("xfrd"), self.dir, self.path("zone.list"), zones))
        self.start("nsd", "-d", "-c", self.path("nsd.conf"))
        self.await_answer(AUTHORITY)  # else the forwarder remembers failures for seconds
        write(self.path("unbound.conf"), 'server:\n  interface: %s\n  interface: %s\n  interface: %s\n  interface: %s@%d\n'
              '  interface: %s@853\n  tls-service-key: "%s"\n  tls-service-pem: "%s"\n  tls-port: 853\n'
              '  access-control: 0.0.0.0/0 allow\n  access-control: ::/0 allow\n  username: ""\n  chroot: ""\n'
              '  directory: "%s"\n  pidfile: ""\n  use-syslog: no\n  do-daemonize: no\n  root-hints: "%s"\n'
              '  trust-anchor-file: "%s"\nremote-control:\n  control-enable: no\n'
              % (FORWARDER, FORWARDER6, LOOPBACK, FORWARDER, PORT, FORWARDER, self.path("dot.key"), self.path("dot.pem"),
                 self.dir, self.hints, self.anchor))
        self.start("unbound", "-d", "-c", self.path("unbound.conf"))
        for address, treat in ((STRIPPING, strip(FORWARDER)), (REFUSING, rcode(5)), (FAILING, rcode(2)),
                               (LYING, forge(FORWARDER)), (STRANGE, another_question(FORWARDER)), (GARBAGE, garbage)):
            Forwarder(address, treat)
        Forwarder(TRUNCATING, lambda query: exchange_tcp(query, FORWARDER), datagram=lambda query: empty(query, 0x83))
        self.silence = silent(SILENT)
        self.await_answer(FORWARDER)

    @staticmethod
    def await_answer(address):
        for _ in range(300):
            if exchange(b"\0\1\1\0\0\1\0\0\0\0\0\0\6secure\3lab\0\0\x0f\0\1", address)[3:4] in (b"\0", b"\x80"):
                return
            time.sleep(0.1)
        raise SystemExit("%s does not answer" % address)

    def stop(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.dir, ignore_errors=True)

    # -- the program ---------------------------------------------------------------------------------------------------
    def config(self, mode, servers=(), anchor=None, timeout="8s"):
        return write(self.path("danegate.toml"), '[dns]\nmode = "%s"\nservers = %s\ntrust_anchor = "%s"\nroot_hints = "%s"\n'
                     'timeout = "%s"\n[tls]\nca_file = "%s"\n'
                     % (mode, json.dumps(list(servers)), anchor or self.anchor, self.hints, timeout, self.path("dot.pem")))

    def process(self, mode, servers=(), **others):
        return ResolverProcess(self.program, self, mode, servers, **others)

    def resolve(self, config, name, kind):
        begun = time.monotonic()
        done = subprocess.run([self.program, "resolve", "-c", config, "--json", name, kind], capture_output=True, text=True)
        try:
            answer = json.loads(done.stdout)
        except ValueError:
            answer = {"status": "no JSON: " + done.stdout + done.stderr}
        answer["exit"] = done.returncode
        answer["stderr"] = done.stderr
        answer["seconds"] = time.monotonic() - begun
        return answer

    def expect(self, label, config, name, kind, status, code=None, records=None):
        got = self.resolve(config, name, kind)
        ok = got["status"] == status and got["exit"] == EXIT[status] and not got["stderr"]
        ok = ok and (code is None or got["rcode"] == code)
        ok = ok and (records is None or sorted(got["records"]) == sorted(records))
        ok = ok and (status not in ("secure", "insecure") or 0 <= got["ttl"] <= 86400)
        row("%s: %s %s is %s" % (label, name, kind, status), ok, got)
        return got
