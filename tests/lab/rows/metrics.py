# SPDX-License-Identifier: GPL-2.0-or-later
"""metrics.listen: what is counted, who may read it, and what a stranger's words become in it (security.md rule 18)."""

import json
import os
import re
import shutil
import signal
import subprocess
import time

from lib import web
from lib.node import wait_for
from lib.smtp import Smtp
from lib.table import Host, Profile, Row, expect

PEER = ("3 1 1",)
ROOT = os.path.realpath(f"{os.path.dirname(os.path.abspath(__file__))}/../../..")
PROFILES = {"metrics": Profile({"metrics": {"listen": "127.0.0.1:9125"}})}

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&amp;{{nonce}}"


def read(name):
    with open(f"{ROOT}/{name}", encoding="utf-8") as file:
        return file.read()


def counted(case):
    """A delivery moves the counters; the format is Prometheus'; dashboard and alert rules name what there is."""
    node = case.client.node
    before = web.metrics(node)
    case.mta.sendmail(case.sender, [case.address()], case.message())
    case.expect_attempt(case.mta.wait_attempt(case.address()), "sent")
    case.expect_event({"result": "verified", "outcome": "accepted"})
    after = web.metrics(node)

    def moved(name, **labels):
        return after.sum(name, **labels) - before.sum(name, **labels)
    expect(moved("danegate_deliveries_total", result="verified", reason="none", outcome="accepted") == 1, "deliveries")
    expect(moved("danegate_sessions_total") >= 1, "sessions")
    expect(moved("danegate_tls_handshakes_total", version="TLSv1.3") >= 1, "handshakes")
    expect(moved("danegate_dns_lookups_total", status="secure") >= 3, "look-ups")
    expect(moved("danegate_dns_lookup_seconds_count") >= 3, "the histogram")
    expect(moved("danegate_relayed_bytes_total") >= 100, "octets")
    expect(after.sum("danegate_healthy") == after.sum("danegate_dns_resolver_ready") == 1, "health")
    started = after.sum("process_start_time_seconds")
    expect(0 <= time.time() - started < 3600, f"started {started}")
    status = json.loads(case.proxy.command("status", "--json", "-c", case.proxy.config).stdout)
    expect(status["counters"]["deliveries"]["verified"] == after.sum("danegate_deliveries_total", result="verified"),
           f"status says {status['counters']}")
    expect(status["counters"]["sessions"]["total"] >= 1 and status["health"] == "ok", f"{status}")
    named_metrics_exist(after)
    promtool(case, web.get(node, "/metrics").text)


def named_metrics_exist(there):
    """conf/danegate-grafana.json, conf/danegate-alerts.yml: each name is one that the daemon has, with its labels."""
    json.loads(read("conf/danegate-grafana.json"))
    for name in ("conf/danegate-grafana.json", "conf/danegate-alerts.yml"):
        text = read(name).replace('\\"', '"')
        found = set(re.findall(r"\b((?:danegate|process)_[a-z_]+)\b", text))
        expect(len(found) >= 8, f"{name}: only {found}")
        for metric in found:
            family = re.sub(r"_(bucket|sum|count)$", "", metric)
            expect(metric in there.types or there.types.get(family) == "histogram", f"{name}: there is no {metric}")
        for metric, inside in re.findall(r"\b((?:danegate|process)_[a-z_]+)\{([^}]*)\}", text):
            used = set(re.findall(r"([a-z]+)(?==|!=|=~|!~)", inside)) - {"instance", "job"}
            known = {key for (sample, labels) in there.samples if sample == metric for key, _ in labels}
            expect(used <= known, f"{name}: {metric} has no label {used - known}")


def promtool(case, text):
    """The judge of the format itself, where it is installed (package prometheus, 330 MB)."""
    tool = shutil.which("promtool")
    if tool is None:
        print(f"      {case.row.name}: promtool is not installed; lib/web.py alone has judged the format")
        return
    for command, words in ((["check", "metrics"], text), (["check", "rules", f"{ROOT}/conf/danegate-alerts.yml"], "")):
        done = subprocess.run([tool, *command], input=words, capture_output=True, text=True, check=False)
        expect(done.returncode == 0, f"promtool {command}: {done.stdout}{done.stderr}")


def hostile_words(case):
    """What a server says in its refusal is shown as text, on the page, in /metrics not at all."""
    recipient = case.address()
    case.mta.sendmail(case.sender, [recipient], case.message())
    case.expect_attempt(case.mta.wait_attempt(recipient), "deferred")
    case.mta.delete(case.mta.attempts(recipient)[-1]["id"])
    case.expect_event({"result": "refused", "reason": "starttls-rejected"})
    page = web.get(case.client.node, "/")
    expect(page.status == 200 and page.fields["content-type"] == "text/html; charset=utf-8", f"{page}")
    shown = page.text
    expect("&lt;script&gt;alert(1)" in shown and "onerror=alert(2)&gt;" in shown, "the server's words are not shown")
    expect(case.domain in shown, "the domain is not shown")
    for raw in ("<script", "<img", "onerror=alert(2)>"):
        expect(raw not in shown, f"{raw} stands in the page")
    nonce = re.search(r"style-src 'nonce-([0-9a-f]{32})'", page.fields["content-security-policy"])
    expect(nonce and shown.count(nonce[1]) == 1, "the nonce is not in one place")
    expect("default-src 'none'" in page.fields["content-security-policy"], f"{page.fields}")
    figures = web.get(case.client.node, "/metrics").text
    expect("script" not in figures and case.domain not in figures and ".lab" not in figures, "a name in /metrics")


def guarded(case):
    """Read only, to its own names, bounded."""
    node = case.client.node
    for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE"):
        answer = web.get(node, "/metrics", method=method)
        expect(answer.status == 405 and answer.fields["allow"] == "GET, HEAD", f"{method}: {answer}")
    head = web.get(node, "/metrics", method="HEAD")
    expect(head.status == 200 and not head.body and int(head.fields["content-length"]) > 1000, f"HEAD: {head}")
    for host in ("evil.example", "evil.example:9125", f"127.0.0.1.{case.domain}", "192.0.2.77"):
        answer = web.get(node, "/", host=host)
        expect(answer.status == 421 and "danegate" not in answer.text, f"Host: {host}: {answer}")
    for host in ("localhost", "localhost:8080", "127.0.0.1", node.hostname):
        expect(web.get(node, "/healthz", host=host).text == "ok\n", f"Host: {host}")
    expect(web.ask(node, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 9000).status == 431, "oversize head")
    expect(web.ask(node, b"\x16\x03\x01\x02\x00\x01\r\n\r\n").status == 400, "garbage")
    expect(web.get(node, "/../../etc/passwd").status == 404, "another path")
    idle = []
    for _ in range(40):  # who holds connections shuts nobody out
        connection = node.socket()
        connection.connect((web.HOST, web.PORT))
        connection.sendall(b"GET / HTTP/1.1\r\n")
        idle.append(connection)
    expect(web.metrics(node).sum("danegate_healthy") == 1, "no answer beside idle connections")
    connections = node.run("ss", "-Htn", "state", "established", "sport = :9125").splitlines()
    expect(len(connections) <= 16, f"{len(connections)} connections are held")
    for connection in idle:
        connection.close()


def drains(case):
    """TERM: /healthz says 503 while the transaction in flight is finished."""
    node = case.client.node
    expect(web.get(node, "/healthz").text == "ok\n", "not well before")
    session = Smtp(node, case.row.hosts[0].v4)
    session.hello()
    codes = [code for code, _ in session.envelope(case.sender, case.address())]
    expect(codes == [250], f"RCPT: {codes}")
    case.proxy.process.send_signal(signal.SIGTERM)
    try:
        answer = wait_for("the drain", lambda: (lambda a: a if a.status != 200 else None)(web.get(node, "/healthz")), 5)
        expect(answer.status == 503 and "draining" in answer.text, f"{answer}")
        expect(web.metrics(node).sum("danegate_healthy") == 0, "danegate_healthy")
        expect("draining" in web.get(node, "/").text, "the page does not say it")
        code, lines = session.data(case.message().replace(b"\n", b"\r\n"))
        expect(code == 250, f"the message in flight: {lines}")
        expect(case.proxy.process.wait(20) == 0, "no clean end")
    finally:
        session.socket.close()
        case.proxy.stop()
        case.proxy.start()
    expect(web.get(node, "/healthz").text == "ok\n", "not well after the start")


def resolver_gone(case):
    """Without a resolver nothing can be decided: /healthz says so, and says ok when it is back; restarts are counted."""
    node = case.client.node
    before = web.metrics(node).sum("danegate_dns_resolver_restarts_total")
    supervisor, resolver = case.proxy.settled_family()[1:]
    os.kill(resolver, signal.SIGKILL)
    wait_for("the restart is counted",
             lambda: web.metrics(node).sum("danegate_dns_resolver_restarts_total") == before + 1, 10, 0.1)
    expect(wait_for("health after a restart", lambda: web.get(node, "/healthz").status == 200, 10, 0.1), "health")
    os.kill(supervisor, signal.SIGKILL)
    try:
        answer = wait_for("503", lambda: (lambda a: a if a.status == 503 else None)(web.get(node, "/healthz")), 10, 0.1)
        expect("resolver" in answer.text and "restart danegate" in answer.text, f"{answer}")
        expect(web.metrics(node).sum("danegate_dns_resolver_ready") == 0, "danegate_dns_resolver_ready")
    finally:
        case.proxy.stop()
        case.proxy.start()


def taken_port(case):
    """A second danegate with the same metrics.listen ends with 1 and says what to do."""
    other = f"{case.client.node.dir}/second.toml"
    with open(other, "w", encoding="utf-8") as file:
        file.write(read_config(case)
                   .replace("[listen]", '[listen]\naddresses = ["127.0.0.1:10990"]').replace("control.sock", "second.sock"))
    done = case.proxy.command("run", "-c", other)
    expect(done.returncode == 1 and "metrics.listen" in done.stderr and "127.0.0.1:9125: the port is in use" in done.stderr,
           f"{done}")
    checked = case.proxy.command("check-config", "-c", other)
    expect(checked.returncode == 0 and re.search(r"metrics\.listen: .*127\.0\.0\.1:9125 cannot be listened on", checked.stderr),
           f"{checked}")


def read_config(case):
    with open(case.proxy.config, encoding="utf-8") as file:
        return file.read()


def in_a_browser(case):
    """Chromium draws it, without a complaint about the page or its policy; the screenshot is kept with the logs (--keep)."""
    browser = shutil.which("chromium")
    if browser is None:
        print(f"      {case.row.name}: chromium is not installed; the page was not drawn")
        return
    node = case.client.node
    picture = f"{node.dir}/page.png"
    command = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--window-size=390,1600", "--enable-logging=stderr",
               f"--user-data-dir={node.dir}/chromium", f"--screenshot={picture}", f"http://{web.HOST}:{web.PORT}/"]
    done = subprocess.run(node.enter(*command), capture_output=True, text=True, check=False, timeout=90)
    expect(os.path.exists(picture) and os.path.getsize(picture) > 10000, f"no picture: {done.stderr[-2000:]}")
    said = [line for line in done.stderr.splitlines() if "CONSOLE" in line and "favicon" not in line]
    expect(not said, f"the browser complains: {said}")


def row(name, run, hosts=None, **fields):
    return Row(name, hosts or [], run=run, status=None, profile="metrics", **fields)


ROWS = [
    row("metrics-counted", counted, [Host("mx1", PEER)], alone=True),
    row("rule-18-hostile-words", hostile_words,
        [Host("evil", PEER, script={"cert": "peer", "starttls": f"454 4.7.0 {MARKUP}"})]),
    row("rule-18-guarded", guarded, alone=True),
    row("metrics-drain", drains, [Host("mx1", PEER)], alone=True),
    row("metrics-resolver-gone", resolver_gone, alone=True),
    row("metrics-port-taken", taken_port),
    row("metrics-browser", in_a_browser, slow=True),
]
