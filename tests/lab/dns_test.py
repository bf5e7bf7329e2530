#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""danegate's look-ups against a private signed DNS tree: NSD as the authority of root, TLD and domains, unbound as the
forwarder (plain and over TLS), forwarders that strip, refuse, fail, forge or say nothing, and hostile zones.

As root: dns_test.py [PROGRAM [STAGE...]]; stages: table servers hostile resolve restart. Runs in network and process
namespaces that vanish with it. Needs nsd, unbound, ldnsutils, openssl, iproute2.
"""

import os
import signal
import socket
import subprocess
import sys
import time

from dnslab.stage import (DEAD, FAILING, FORWARDER, FORWARDER6, GARBAGE, LOOPBACK, LYING, PORT, REFUSING, SILENT,
                          STRANGE, STRIPPING, TRUNCATING, Lab, counts, row)
from dnslab.zones import DIGEST, LIFE, MANY, write

STUB, DOT, ROOT, AUTO, AUTODOT = "getdns over TCP", "getdns over TLS", "recursive", "auto", "auto over TLS"
ENGINES = {
    STUB: ("stub", [FORWARDER + "#53"]),
    DOT: ("stub", [FORWARDER + "#853#dns.lab"]),
    ROOT: ("recursive", []),
    AUTO: ("auto", [FORWARDER + "#53"]),
    AUTODOT: ("auto", [FORWARDER + "#853#dns.lab"]),
}

# name, type, status, rcode (None: not looked at), records (a number: so many)
ANSWERS = [
    ("mx.secure.lab", "A", "secure", 0, ["192.0.2.80"]),
    ("mx.secure.lab", "AAAA", "secure", 0, ["2001:db8::80"]),
    ("secure.lab", "MX", "secure", 0, ["10 mx.secure.lab", "20 mx2.insecure.lab"]),
    ("_25._tcp.mx.secure.lab", "TLSA", "secure", 0, ["3 1 1 " + DIGEST]),
    ("alias.secure.lab", "A", "secure", 0, ["192.0.2.80"]),
    ("alias.secure.lab", "CNAME", "secure", 0, ["mx.secure.lab"]),
    ("some.wild.secure.lab", "A", "secure", 0, ["192.0.2.81"]),
    ("some.wildalias.secure.lab", "A", "secure", 0, ["192.0.2.80"]),
    ("some.wild.secure.lab", "TLSA", "secure", 0, []),
    ("host.tree.secure.lab", "A", "secure", 0, ["192.0.2.83"]),
    ("nothing.secure.lab", "A", "secure", 3, []),
    ("mx.secure.lab", "TLSA", "secure", 0, []),
    ("tonothing.secure.lab", "A", "secure", 3, []),
    ("host.insecure.lab", "A", "insecure", 0, ["192.0.2.90"]),
    ("insecure.lab", "MX", "insecure", 0, ["10 host.insecure.lab"]),
    ("nothing.insecure.lab", "A", "insecure", 3, []),
    ("host.insecure.lab", "TLSA", "insecure", 0, []),
    ("toinsecure.secure.lab", "A", "insecure", 0, ["192.0.2.90"]),
    ("host.out.secure.lab", "A", "insecure", 0, ["192.0.2.90"]),
    ("tosecure.insecure.lab", "A", "insecure", 0, ["192.0.2.80"]),
    ("broken.bogus.lab", "A", "bogus", None, []),
    ("tobogus.secure.lab", "A", "bogus", None, []),
    ("expired.lab", "A", "bogus", None, []),
    ("host.stripped.lab", "A", "bogus", None, []),
    ("host.wrongds.lab", "A", "bogus", None, []),
    ("host.dead.lab", "A", "failure", None, []),
    ("host.lame.lab", "A", "failure", None, []),
    # algorithms: RSA/SHA-256, ECDSA P-384, Ed25519; P-256 is everywhere else
    ("host.alg8.lab", "A", "secure", 0, ["192.0.2.85"]),
    ("nothing.alg8.lab", "A", "secure", 3, []),
    ("host.alg14.lab", "A", "secure", 0, ["192.0.2.85"]),
    ("host.alg15.lab", "A", "secure", 0, ["192.0.2.85"]),
    ("host.alg15.lab", "TLSA", "secure", 0, []),
    # RFC 4035 section 5.2: DS of unknown algorithms or digests only
    ("host.oddalg.lab", "A", "insecure", 0, ["192.0.2.85"]),
    ("nothing.oddalg.lab", "A", "insecure", 3, []),
    ("host.oddalg.lab", "TLSA", "insecure", 0, []),
    ("host.odddigest.lab", "A", "insecure", 0, ["192.0.2.85"]),
    ("tooddalg.secure.lab", "A", "insecure", 0, ["192.0.2.85"]),
    ("tosecure.oddalg.lab", "A", "insecure", 0, ["192.0.2.80"]),
    ("host.oddone.lab", "A", "secure", 0, ["192.0.2.85"]),
    # NSEC3, opt-out (RFC 5155)
    ("host.nsec3.lab", "A", "secure", 0, ["192.0.2.85"]),
    ("host.nsec3.lab", "TLSA", "secure", 0, []),
    ("nothing.nsec3.lab", "A", "secure", 3, []),
    ("some.wild.nsec3.lab", "A", "secure", 0, ["192.0.2.86"]),
    ("host.optout.lab", "A", "secure", 0, ["192.0.2.85"]),
    ("host.optout.lab", "TLSA", "secure", 0, []),
    ("host.unsigned.optout.lab", "A", "insecure", 0, ["192.0.2.91"]),
    ("nothing.optout.lab", "A", "insecure", 3, []),
    ("some.wild.optout.lab", "A", "insecure", 0, ["192.0.2.86"]),
    # absurd, but answerable or refused with bounded work
    ("many.secure.lab", "A", "secure", 0, MANY),
    ("c92.secure.lab", "A", "secure", 0, ["192.0.2.84"]),
    ("c0.secure.lab", "A", "failure", None, []),
    ("loop.secure.lab", "A", "failure", None, []),
    ("self.secure.lab", "A", "failure", None, []),
]


def text(kind, rdata):
    def name(wire):
        labels, at = [], 0
        while wire[at]:
            labels.append(wire[at + 1:at + 1 + wire[at]].decode())
            at += wire[at] + 1
        return ".".join(labels)
    if kind in ("A", "AAAA"):
        return socket.inet_ntop(socket.AF_INET if kind == "A" else socket.AF_INET6, rdata)
    if kind == "MX":
        return "%d %s" % (rdata[0] << 8 | rdata[1], name(rdata[2:]))
    if kind == "TLSA":
        return "%d %d %d %s" % (rdata[0], rdata[1], rdata[2], rdata[3:].hex())
    return name(rdata) if kind == "CNAME" else rdata.hex()


def judge(label, got, name, kind, status, code=None, records=None):
    said = [text(kind, rdata) for rdata in got["records"]]
    # An answer that may not be believed may be called by another name, as long as nothing comes with it.
    ok = got["status"] == status or (status == "failure" and got["status"] in ("bogus", "timeout"))
    ok = ok and (code is None or got["rcode"] == code)
    if isinstance(records, int):
        ok = ok and len(said) == records
    else:
        ok = ok and (records is None or sorted(said) == sorted(records))
    ok = ok and (got["status"] not in ("secure", "insecure") or 0 <= got["ttl"] <= 86400)
    row("%s: %s %s is %s" % (label, name, kind, status), ok, dict(got, records=said[:4]))
    return ok


def table(lab):
    """Every row with every engine, sixteen at a time."""
    for label, (mode, servers) in ENGINES.items():
        process = lab.process(mode, servers, timeout_ms=20000)
        for at in range(0, len(ANSWERS), 16):
            asked = [(process.ask(answer[0], answer[1]), answer) for answer in ANSWERS[at:at + 16]]
            for number, answer in asked:
                judge(label, process.wait(number, 30), *answer)
        got = process.resolve("host.short.lab", "A")
        wanted = {ROOT: "from the root", AUTO: "(libunbound)", AUTODOT: "(getdns"}.get(label, "stub through")
        row("%s: the engine that was meant" % label, any(wanted in notice for notice in process.notices), process.notices)
        row("%s: the expiry of the signature ends the TTL" % label,
            got["status"] == "secure" and 0 < got["ttl"] <= LIFE, got)
        row("%s: and is told" % label, got["signed"] and 0 < got["signed"][1] - time.time() <= LIFE
            and got["signed"][0] < time.time(), got)
        unsigned = process.resolve("host.insecure.lab", "A")
        row("%s: no signature, no expiry" % label, unsigned["signed"] is None, unsigned)
        got = process.resolve("nothing.short.lab", "A")
        row("%s: the expiry of a denial's signature" % label, got["rcode"] == 3 and got["signed"]
            and 0 < got["signed"][1] - time.time() <= LIFE, got)
        got = process.resolve("nothing.secure.lab", "TLSA")
        row("%s: a denial lives as long as the SOA's minimum, RFC 2308 section 5" % label, 0 < got["ttl"] <= 60, got)
        row("%s: the same process answered everything" % label, not process.gone and process.process.poll() is None)
        row("%s: it ends with its channel" % label, process.stop() == 0)


def servers(lab):
    """Servers that fail, and where servers may be."""
    dead, silence = DEAD + "#53", SILENT + "#53"
    good, tls = FORWARDER + "#53", FORWARDER + "#853#dns.lab"
    rows = [
        ("first of two is dead", ("stub", "auto"), [dead, good], "secure"),
        ("first of two is silent", ("stub", "auto"), [silence, good], "secure"),
        ("first of two refuses", ("stub", "auto"), [REFUSING + "#53", good], "secure"),
        ("first of two over TLS is dead", ("stub", "auto"), [DEAD + "#853#dns.lab", tls], "secure"),
        ("IPv6", ("stub", "auto"), [FORWARDER6 + "#53"], "secure"),
        ("127.0.0.0/8", ("stub", "auto"), [LOOPBACK + "#53"], "secure"),
        ("another port", ("stub", "auto"), ["%s#%d" % (FORWARDER, PORT)], "secure"),
        ("TCP only: every datagram comes truncated", ("stub", "auto"), [TRUNCATING + "#53"], "secure"),
        ("answers to another question", ("stub", "auto"), [STRANGE + "#53"], "failure"),
        ("garbage", ("stub",), [GARBAGE + "#53"], "failure"),
        ("garbage: the root serves", ("auto",), [GARBAGE + "#53"], "secure"),
        ("REFUSED", ("stub",), [REFUSING + "#53"], "failure"),
        ("SERVFAIL", ("stub",), [FAILING + "#53"], "failure"),
        ("silence", ("stub",), [silence], "failure"),
        ("REFUSED: the root serves", ("auto",), [REFUSING + "#53"], "secure"),
        ("SERVFAIL: the root serves", ("auto",), [FAILING + "#53"], "secure"),
        ("silence: the root serves", ("auto",), [silence], "secure"),
        ("stripped: the root serves", ("auto",), [STRIPPING + "#53"], "secure"),
        ("stripped", ("stub",), [STRIPPING + "#53"], "bogus"),
        ("forged address", ("stub", "auto"), [LYING + "#53"], "bogus"),
        ("another TLS name", ("stub",), [FORWARDER + "#853#other.lab"], "failure"),
        ("another TLS name: the root serves", ("auto",), [FORWARDER + "#853#other.lab"], "secure"),
        ("another TLS name and a plain server: no way back", ("stub",), [FORWARDER + "#853#other.lab", good], "failure"),
    ]
    running = []
    for name, modes, addresses, status in rows:
        for mode in modes:
            process = lab.process(mode, addresses, timeout_ms=12000)
            running.append((name, mode, process, process.ask("mx.secure.lab", "A"), status))
    for mode in ("stub", "auto"):
        process = lab.process(mode, resolv_conf=lab.resolv_conf)
        running.append(("the servers of resolv.conf", mode, process, process.ask("mx.secure.lab", "A"), "secure"))
    for name, mode, process, number, status in running:
        judge("%s, %s" % (mode, name), process.wait(number, 20), "mx.secure.lab", "A", status, None,
              ["192.0.2.80"] if status == "secure" else [])
        process.stop()


# name, what it is, status and CPU seconds at most: with getdns, with libunbound
HOSTILE = [
    # the CPU budget ends the process / 8 checks without success
    ("trap.keytrap.lab", "60 keys of one tag, 60 signatures", ("gone", 1.3), ("bogus", 0.5)),
    # 80 checks / 8 checks
    ("trap.keytrapten.lab", "10 keys of one tag, 8 signatures", ("bogus", 0.6), ("bogus", 0.5)),
    # a key is tried only where algorithm and tag are a signature's: surplus keys of other tags cost nothing
    ("host.manykeys.lab", "31 keys", ("secure", 0.2), ("secure", 0.2)),
    ("host.onetagfive.lab", "5 keys of one tag", ("secure", 0.3), ("secure", 0.3)),
    # 12 checks for every RRset / 8 checks: the forwarder, which shuffles them, decides whether the right key is tried
    ("host.onetagmany.lab", "12 keys of one tag", ("secure", 0.5), ("bogus or secure", 0.5)),
    # message.cc, and libunbound's 8 checks
    ("host.manysigs.lab", "20 false signatures and a true one", ("failure", 0.3), ("failure", 0.3)),
    # RFC 9276 section 3.2
    ("nothing.rounds.lab", "2500 rounds of NSEC3", ("insecure", 0.3), ("insecure", 0.3)),
]


def hostile(lab):
    """Security.md rule 7: what a zone may cost, and that the look-ups of others go on."""
    for label, (mode, addresses) in ENGINES.items():
        for name, what, with_getdns, with_libunbound in HOSTILE:
            status, most = with_getdns if label in (STUB, DOT, AUTODOT) else with_libunbound
            process = lab.process(mode, addresses, timeout_ms=8000)
            process.resolve("mx.secure.lab", "A")
            before, begun = process.cpu(), time.monotonic()
            trap = process.ask(name, "A")
            beside = process.ask("host.alg15.lab", "A")
            got, other = process.wait(trap), process.wait(beside)
            spent, took = process.cpu() - before, time.monotonic() - begun
            row("%s: %s: %s" % (label, what, status), got["status"] in status.split(), dict(got, records=[]))
            row("%s: %s: %.2f s CPU, at most %.1f" % (label, what, spent, most), spent <= most and took < 20, (spent, took))
            if status == "gone":  # what was in flight is lost; a worker asks it again (row rule-7-keytrap)
                row("%s: %s: beside it %s" % (label, what, other["status"]), other["status"] in ("secure", "gone"), other)
            else:
                row("%s: %s: another look-up goes on" % (label, what), other["status"] == "secure", other)
                row("%s: %s: the process lives" % (label, what), not process.gone)
            process.stop()


def command_line(lab):
    config = lab.config("auto", [FORWARDER])
    lab.expect("resolve", config, "mx.secure.lab", "A", "secure", "NOERROR", ["192.0.2.80"])
    lab.expect("resolve", config, "secure.lab", "MX", "secure", "NOERROR", ["10 mx.secure.lab", "20 mx2.insecure.lab"])
    lab.expect("resolve", config, "nothing.insecure.lab", "A", "insecure", "NXDOMAIN", [])
    lab.expect("resolve", config, "broken.bogus.lab", "A", "bogus", None, [])
    lab.expect("resolve", config, "host.lame.lab", "A", "failure", None, [])
    lab.expect("resolve, DNS over TLS", lab.config("auto", [FORWARDER + "#dns.lab"]), "mx.secure.lab", "A", "secure")
    row("the canonical name is the end of the alias",
        lab.resolve(lab.config("auto", [FORWARDER]), "alias.secure.lab", "A")["canonical"] == "mx.secure.lab")
    for mode in ("stub", "recursive", "auto"):
        lab.expect("%s, DS as anchor" % mode, lab.config(mode, [FORWARDER], lab.ds_anchor), "mx.secure.lab", "A", "secure")
        lab.expect("%s, wrong anchor" % mode, lab.config(mode, [FORWARDER], lab.wrong_anchor), "mx.secure.lab", "A", "bogus")
        for anchor in (lab.empty_anchor, lab.path("missing.key")):
            lab.expect("%s, no anchor" % mode, lab.config(mode, [FORWARDER], anchor), "mx.secure.lab", "A", "failure")
    got = lab.expect("stub, silence", lab.config("stub", [SILENT], timeout="2s"), "mx.secure.lab", "A", "failure")
    row("silence ends with dns.timeout", 1.5 < got["seconds"] < 8, got)
    for words, status in ((["resolve"], 2), (["resolve", "secure.lab", "XYZ"], 2), (["resolve", "a..b", "MX"], 2)):
        done = subprocess.run([lab.program, *words], capture_output=True, text=True)
        row("%s: exit status %d" % (" ".join(words), status), done.returncode == status and not done.stdout, done)


def resolver_of(pid):
    """Pid of the resolver process: the only grandchild of `danegate run`."""
    for child in children(pid):
        for grandchild in children(child):
            try:
                if "resolver-process" in open("/proc/%d/cmdline" % grandchild).read():
                    return grandchild
            except OSError:
                pass  # it has ended since
    return None


def children(pid):
    try:
        return [int(word) for word in open("/proc/%d/task/%d/children" % (pid, pid)).read().split()]
    except OSError:
        return []


def has_ended(pid):
    try:
        return open("/proc/%d/stat" % pid).read().rsplit(")", 1)[1].split()[0] == "Z"  # nobody reaps it in here
    except OSError:
        return True


def wait_for(what, seconds=10):
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := what():
            return found
        time.sleep(0.02)
    return None


def restart(lab):
    """The resolver process of `danegate run` dies; the next one serves."""
    config = open(lab.config("auto", [FORWARDER])).read()
    path = write(lab.path("run.toml"), '[listen]\naddresses = ["127.0.0.1:10025"]\n[control]\nsocket = "%s"\n[intercept]\n'
                 'user = "nobody"\n%s' % (lab.path("control.sock"), config))
    log = open(lab.path("run.log"), "w+")
    daemon = subprocess.Popen([lab.program, "run", "-c", path], stderr=log, stdout=log)
    first = wait_for(lambda: resolver_of(daemon.pid))
    row("run: it has a resolver process", first, open(log.name).read())
    if first:
        wait_for(lambda: "self-test" in open(log.name).read())
        os.kill(first, signal.SIGKILL)
        second = wait_for(lambda: (pid := resolver_of(daemon.pid)) != first and pid)
        row("run: killed, it is replaced", second, open(log.name).read())
        row("run: the replacement is said", wait_for(lambda: "restarted" in open(log.name).read()), open(log.name).read())
        row("run: the new one has chosen its engine", wait_for(lambda: open(log.name).read().count("self-test") > 1),
            open(log.name).read())
    daemon.send_signal(signal.SIGTERM)
    row("run: TERM ends it, and its processes", wait_for(lambda: daemon.poll() is not None) and daemon.returncode == 0
        and (not first or wait_for(lambda: has_ended(second or first))), daemon.returncode)


STAGES = {"table": table, "servers": servers, "hostile": hostile, "resolve": command_line, "restart": restart}


def main():
    program = sys.argv[1] if len(sys.argv) > 1 else "build/danegate"
    if os.environ.get("DANEGATE_LAB_INSIDE") != "1":
        if os.geteuid() != 0:
            raise SystemExit("dns_test.py: must be run by root")
        os.environ.update(DANEGATE_LAB_INSIDE="1")
        os.execvp("unshare", ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
                              sys.executable, os.path.abspath(__file__), os.path.abspath(program), *sys.argv[2:]])
    wanted = sys.argv[2:] or list(STAGES)
    lab = Lab(program)
    try:
        for stage in wanted:
            STAGES[stage](lab)
    finally:
        lab.stop()
    print("%d passed, %d failed" % (counts[True], counts[False]), flush=True)
    os._exit(1 if counts[False] else 0)


if __name__ == "__main__":
    main()
