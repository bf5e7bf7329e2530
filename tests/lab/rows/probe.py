# SPDX-License-Identifier: GPL-2.0-or-later
"""`danegate probe` against the same servers as mail, with the rules in force: as root it must not be caught by them.

Every row also holds that no envelope was sent, in TLS or outside it.
"""

import json
import re
import subprocess

from lib.node import wait_for
from lib.table import Host, Row, expect

PEER = ("3 1 1",)
KEYS = {"domain", "mx_secure", "hosts", "verdict"}
HOST_KEYS = {"mx", "addresses", "tlsa_base", "tlsa", "result", "reason", "tls", "advice"}
VERDICTS = {0: "delivered", 1: "refused", 3: "lookup-failed"}


def matches(value, wanted):
    if isinstance(wanted, re.Pattern):
        return wanted.search(value if isinstance(value, str) else json.dumps(value)) is not None
    return value == wanted


def probe(case, expected, *options, target=None, user=None):
    """The report of `probe --json`, its form and exit status checked."""
    words = ["probe", "--json", "-c", case.proxy.config, target or case.domain, *options]
    if user:
        switch = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups", case.proxy.program]
        done = subprocess.run(case.client.node.enter(*switch, *words), capture_output=True, text=True, check=False, timeout=180)
    else:
        done = case.proxy.command(*words)
    expect(done.returncode == expected, f"probe: {done}")
    report = json.loads(done.stdout)
    expect(KEYS <= set(report) and all(HOST_KEYS <= set(host) for host in report["hosts"]), done.stdout)
    expect(report["domain"] == case.domain and report["verdict"] == VERDICTS[expected], done.stdout)
    for host in report["hosts"]:
        bad = host["result"] in ("refused", "failed")
        expect(bad == bool(host["reason"]) == bool(host["advice"]), f"{host}")
        expect(host["tls"] is not None or host["result"] in ("plaintext", "refused", "failed"), f"{host}")
        if host["peers"]:
            expect({key: host[key] for key in ("result", "reason")} == host["levels"][report["level"]], f"{host}")
    return report


def no_envelope(case):
    for entry in case.all_records():
        expect(not any(re.match("(?i)MAIL|RCPT|DATA|BDAT", command) for command in entry["commands"]), f"sent: {entry['commands']}")
        expect(not entry["messages"], "a message")


def look(report, host=0, **fields):
    for key, value in fields.items():
        found = report["hosts"][host][key]
        expect(matches(found, value), f"{key} of host {host} is {found!r}, expected {value}: {report}")


def probed(name, hosts, expected, *options, target=None, domain=None, row=None, **fields):
    """One probe; fields of its first host."""
    def run(case):
        report = probe(case, expected, *options, target=target and target.format(domain=case.domain))
        if fields:
            look(report, **fields)
        for key, value in (domain or {}).items():
            expect(matches(report[key], value), f"{key} is {report[key]!r}, expected {value}: {report}")
    return Row(name, hosts, status=None, run=run, check=no_envelope, **(row or {}))


def text(pattern):
    return re.compile(pattern)


def every_level(bad):
    """What one probe says of each level is what a probe at that level finds; `bad`: levels at which the host is refused."""
    def run(case):
        said = probe(case, int("dane" in bad))["hosts"][0]["levels"]
        expect(list(said) == ["none", "may", "encrypt", "dane", "dane-only", "verify"], f"{said}")
        for level, verdict in said.items():
            look(probe(case, int(level in bad), "--level", level), **verdict)
    return run


def one_of_two(case):
    """Two MX hosts, one of which is refused: 1 for both, what --mx names alone otherwise."""
    report = probe(case, 1)
    look(report, 0, mx=case.row.hosts[0].name, result="refused", reason="tlsa-mismatch")
    look(report, 1, mx=case.row.hosts[1].name, result="verified", tlsa="3 1 1")
    good = probe(case, 0, "--mx", case.row.hosts[1].name)
    expect([host["mx"] for host in good["hosts"]] == [case.row.hosts[1].name], f"{good}")
    probe(case, 1, "--mx", case.row.hosts[0].name.upper())
    done = case.proxy.command("probe", "-c", case.proxy.config, case.domain, "--mx", "elsewhere.example")
    expect(done.returncode == 2 and not done.stdout and "not among the MX hosts" in done.stderr, f"{done}")


def levels(case):
    """The same host under each level: the level decides, not the host."""
    look(probe(case, 0), result="encrypted", reason=None)
    look(probe(case, 0, "--level", "none"), result="plaintext", tls=None)
    look(probe(case, 0, "--level", "may"), result="encrypted")
    look(probe(case, 0, "--level", "encrypt"), result="encrypted")
    look(probe(case, 1, "--level", "dane-only"), result="refused", reason="no-usable-tlsa", advice=text("usable TLSA records"))
    look(probe(case, 1, "--level", "verify"), result="refused", reason="cert-untrusted", advice=text("tls.ca_file"))


def not_root(case):
    """Another user is caught by the rules, and is told so; intercept.user is not."""
    look(probe(case, 1, user="story"), result="refused", reason="no-starttls", advice=text("run it as root"))
    look(probe(case, 0, user="danegate"), result="verified", tlsa="3 1 1")


def unprivileged(case):
    """security.md rule 16: started as root, and before it hears from a peer, no process of it is root or has a capability."""
    running = case.client.node.popen(case.proxy.program, "probe", "-c", case.proxy.config, case.domain, stdout=subprocess.DEVNULL)

    def states():
        with open(f"/proc/{running.pid}/task/{running.pid}/children", encoding="ascii") as file:
            pids = [running.pid, *file.read().split()]
        found = []
        for pid in pids:
            with open(f"/proc/{pid}/status", encoding="ascii") as file:
                found.append(dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line))
        return found if len(found) == 2 and all(one["NoNewPrivs"] == "1" for one in found) else None  # its last step

    try:
        for found in wait_for("the probe and its resolver process are who they will be", states, 20, 0.02):
            for key in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"):
                expect(int(found[key], 16) == 0, f"{found['Name']}: {key} {found[key]}")
            expect("0" not in found["Uid"].split(), f"{found['Name']}: Uid {found['Uid']}")
    finally:
        running.kill()
        running.wait()


def for_people(case):
    """The text form: the same facts, no colours into a pipe, nothing on standard error."""
    done = case.proxy.command("probe", "-c", case.proxy.config, case.domain)
    expect(done.returncode == 1 and not done.stderr and "\x1b" not in done.stdout, f"{done}")
    for line in (rf"(?m)^{re.escape(case.domain)}: level dane, port 25$", r"(?m)^  MX records: secure$", r"address \S+: secure",
                 r"(?m)^    TLSA _25\._tcp\.", r"3 1 1 [0-9a-f]{64}  matches no certificate", r"refused, TLSv1\.\d",
                 r"CN=evil, names .*valid .*EC P-256", r"advice: TLSA 3 1 1 does not match", r"(?m)^refused: "):
        expect(re.search(line, done.stdout), f"no {line} in:\n{done.stdout}")


def expiring(case):
    """Signatures that end in 34 hours: what is mail today is none then. The keys' too, but not the DS, which the parent signs."""
    report = probe(case, 0)
    look(report, result="verified")
    found = [warning for warning in report["warnings"] if "RRSIG" in warning]
    expect(len(found) == 1 and re.search(r"^RRSIG of \S+ \S+ expires 20\S+Z, in 33 h \(and \d+ more of that zone soon\): the "
                                         r"signer of the zone expiring\.lab has probably stopped$", found[0]), f"{report}")
    soon = {entry["type"]: entry["expires_soon"] for entry in report["signatures"] if not entry["denial"]}
    expect(soon == {"MX": True, "A": True, "AAAA": True, "TLSA": True, "DNSKEY": True, "DS": False}, f"{soon}")
    done = case.proxy.command("probe", "-c", case.proxy.config, case.domain)
    expect(re.search(r"(?m)^  warning: RRSIG of ", done.stdout), done.stdout)


def usage(case):
    for words in ([], ["--level", "best", case.domain], ["--port", "0", case.domain], ["user@[192.0.2.1]"], ["a..b"],
                  ["<>"], [case.domain, "other.example"]):
        done = case.proxy.command("probe", "-c", case.proxy.config, *words)
        expect(done.returncode == 2 and not done.stdout and done.stderr, f"probe {words}: {done}")


ROWS = [
    probed("probe-verified", [Host("mx1", PEER)], 0, result="verified", tlsa="3 1 1", reason=None, tls=text(r"^TLSv1\.3 TLS_"),
           tlsa_base="probe-verified.mx1.signed.lab", addresses=["203.0.113.11", "2001:db8:3::11"], advice=None,
           warnings=text("one usable record only"), domain={"mx_secure": True, "warnings": [], "signatures": text("DNSKEY")}),
    probed("probe-address", [Host("mx2", ("2 1 1", "3 1 1 other"))], 0, target="Some.Body@{domain}.", result="verified",
           tlsa="2 1 1", peers=text('"depth": 1')),
    *[Row(f"probe-by-level-{name}", [host], status=None, check=no_envelope, run=every_level(bad), zone=zone)
      for name, host, zone, bad in (
          ("verified", Host("mx1", PEER), "signed", {"verify"}),
          ("no-tlsa", Host("mx1", ()), "signed", {"dane-only", "verify"}),
          ("unsigned", Host("mx1", ()), "plain", {"dane-only", "verify"}),
          ("refused", Host("evil", ("3 1 1 mx1",)), "signed", {"dane", "dane-only", "verify"}),
          ("stripped", Host("evil", PEER, script={"extensions": []}), "signed", {"encrypt", "dane", "dane-only", "verify"}))],
    probed("probe-refused", [Host("evil", ("3 1 1 mx1",))], 1, result="refused", reason="tlsa-mismatch", tlsa=None,
           advice=text(r"TLSA 3 1 1 does not match .*replaced without a new record.*"
                       r"_25\._tcp\.probe-refused\S+ IN TLSA 3 1 1 [0-9a-f]{64}")),
    probed("probe-anchor-missing", [Host("evil", ("2 1 1 mx2",))], 1, result="refused", reason="tlsa-mismatch",
           advice=text("TLSA 2 1 1 names a trust anchor that is not in the chain")),
    probed("probe-wrong-name", [Host("evil", ("2 1 1",), script={"cert": "nameless"})], 1, result="refused", reason="cert-name",
           advice=text(r"must name the TLSA base domain probe-wrong-name\.evil\.signed\.lab"), peers=text("somebody-else.example")),
    probed("probe-expired", [Host("evil", ("2 0 1",), script={"cert": "expired"})], 1, result="refused", reason="cert-expired",
           advice=text("renew it"), peers=text("2025-02-01T00:00:00Z")),
    probed("probe-no-starttls", [Host("evil", PEER, script={"extensions": []})], 1, result="refused", reason="no-starttls",
           tls=None, advice=text("publishes TLSA records and so promises TLS")),
    probed("probe-starttls-refused", [Host("evil", PEER, script={"starttls": "454 4.7.0 not today"})], 1, result="refused",
           reason="starttls-rejected"),
    probed("probe-handshake", [Host("evil", PEER, script={"handshake": "alert"})], 1, result="refused", reason="tls-handshake"),
    probed("probe-plaintext", [Host("evil", script={"extensions": []})], 0, result="plaintext", tls=None, tlsa_base=None,
           tlsa=None),
    probed("probe-unusable-only", [Host("mx1", ("1 1 1", "0 0 1 other"))], 0, result="encrypted", tlsa=None,
           warnings=text(r"PKIX-TA\(0\).*no TLSA record is usable"), records=text('"usable": false')),
    probed("probe-insecure-mx", [Host("mx1", PEER)], 0, result="encrypted", tlsa="3 1 1",
           warnings=text("MX records .* are not signed"), domain={"mx_secure": False}, row={"zone": "plain"}),
    probed("probe-insecure-mx-only", [Host("mx1", PEER)], 1, "--level", "dane-only", result="refused", reason="policy",
           advice=text("needs signed MX records"), row={"zone": "plain"}),
    probed("probe-unsigned", [Host("mx1", PEER, zone="plain")], 0, result="encrypted", tlsa_base=None,
           warnings=text(r"zone of \S+ is not signed.*_25\._tcp\.\S+ do not count: the zone is not signed")),
    probed("probe-stray-domain", [Host("mx1")], 0, result="encrypted",
           domain={"warnings": text(r"TLSA records at _25\._tcp\.probe-stray-domain")},
           row={"records": [("_25._tcp.{domain}", "TLSA", "{tlsa_mx1_311}")]}),
    probed("probe-stray-port", [Host("mx1")], 0, result="encrypted",
           warnings=text(r"TLSA records at _465\._tcp\.\S+ are not where"),
           row={"records": [("_465._tcp.{host0}", "TLSA", "{tlsa_mx1_311}")]}),
    probed("probe-bogus", [Host("mx1", zone="badtlsa", tlsa=PEER)], 3, result=text("refused|failed"),
           reason=text("dns-(bogus|failure)"), tls=None, advice=text("DNSSEC validation fails|was not answered")),
    probed("probe-mx-bogus", [Host("mx1", PEER, zone="bogus")], 3, domain={"hosts": [], "advice": text("probe-mx-bogus")},
           row={"zone": "bogus"}),
    probed("probe-second-bogus", [Host("mx1", PEER), Host("mx1", PEER, zone="badtlsa", preference=20)], 3, result="verified"),
    probed("probe-dns-dead", [Host("nobody", zone="dead")], 3, domain={"hosts": [], "advice": text("was not answered")},
           row={"zone": "dead", "profile": "impatient"}),
    probed("probe-nxdomain", [], 1, domain={"hosts": [], "advice": text("takes no mail")}),
    probed("probe-unreachable", [Host("nobody", PEER)], 1, result="failed", reason="peer-unreachable",
           row={"profile": "impatient"}),
    probed("probe-silent", [Host("evil", PEER, script={"cert": "peer", "delay": {"connect": 12}})], 1, result="failed",
           reason="peer-timeout", row={"profile": "impatient"}),
    Row("probe-mx-option", [Host("evil", ("3 1 1 mx1",)), Host("mx1", PEER, preference=20)], status=None, run=one_of_two,
        check=no_envelope),
    Row("probe-level", [Host("evil")], status=None, run=levels, check=no_envelope),
    Row("probe-unprivileged", [Host("evil", PEER, script={"cert": "peer", "delay": {"connect": 5}})], status=None, run=unprivileged),
    Row("probe-not-root", [Host("mx1", PEER)], status=None, run=not_root),
    Row("probe-text", [Host("evil", ("3 1 1 mx1",))], status=None, run=for_people, check=no_envelope),
    *[Row(f"probe-expiring-{profile}", [Host("mx1", PEER, zone="expiring")], zone="expiring", status=None, run=expiring,
          check=no_envelope, profile=profile) for profile in ("default", "auto", "recursive")],
    Row("probe-usage", [Host("mx1")], status=None, run=usage),
]
