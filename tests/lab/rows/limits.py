# SPDX-License-Identifier: GPL-2.0-or-later
"""Keys timeouts.* and limits.*, each by its name; clients and peers that try to use up time, places or memory."""

import re
import select
import time

from lib import zones
from lib.body import content
from lib.node import wait_for
from lib.smtp import Smtp
from lib.table import Host, Profile, Row, expect

# no shorter: the sessions of rows that are about one key must not run into another one on a busy machine
HURRIED = {"setup": "30s", "connect": "2s", "greeting": "3s", "command": "3s", "data": "2s", "final": "2s", "idle": "3s"}

PROFILES = {
    "hurried": Profile({"timeouts": HURRIED}),
    "hurried-setup": Profile({"timeouts": {"setup": "2s"}}),
    "three-places": Profile({"limits": {"max_sessions": 3, "max_sessions_per_client": 10}}),
    "short-line": Profile({"limits": {"line": "4KiB"}}),
    "short-drain": Profile({"limits": {"drain_s": 1}}),
    "deaf-dns": Profile({"dns": {"servers": [zones.BLACK_HOLE], "timeout": "1m"}}),
    "many": Profile({"limits": {"max_sessions_per_client": 4000}}),
}
PEER = ("3 1 1",)
MIB = 1 << 20
IDLE_SESSIONS = 2000
IDLE_KIB = 16  # each
HEAP_KIB = 64 * 1024  # growth of the peak, whatever the message's size


def session(case, timeout=60):
    client = Smtp(case.client.node, case.row.hosts[0].v4, timeout=timeout)
    client.hello(case.client.node.hostname)
    return client


def rcpt(case):
    client = session(case)
    client.say(f"MAIL FROM:<{case.sender}>")
    client.send(f"RCPT TO:<{case.address()}>\r\n".encode())
    return client


def in_data(case):
    client = session(case)
    replies = client.envelope(case.sender, case.address())
    expect(replies[0][0] == 250, f"RCPT: {replies}")
    code, lines = client.say("DATA")
    expect(code == 354, f"DATA: {lines}")
    return client


def half_a_message(case):
    client = in_data(case)
    client.send(b"Subject: half\r\n\r\nhalf of it")
    return client


def whole_message(case):
    client = in_data(case)
    client.send(b"Subject: whole\r\n\r\nall of it\r\n.\r\n")
    return client


def timed(key, script, act, seconds, reply, reason=None, hosts=None, profile="hurried", name=None, late=4):
    """`act` leaves the client waiting for a reply, which must come when the time that the key gives is up."""
    def run(case):
        begun = time.monotonic()
        client = act(case)
        acted = time.monotonic()
        code, lines = client.reply()
        ended = time.monotonic()
        client.close()
        took = f"{acted - begun:.1f} s and then {ended - acted:.1f} s"
        expect(re.search(reply, f"{lines}"), f"{key}: after {took} {code} {lines}")
        expect(ended - begun >= seconds - 0.1 and ended - acted <= seconds + late, f"{key}: {seconds} s, and it took {took}")
        if reason:
            case.expect_event({"reason": reason, "outcome": "deferred"})
    return Row(name or f"timeouts-{key}", hosts or [Host("evil", PEER, script={"cert": "peer", **script}, families="4")], status=None,
               run=run, event=None, profile=profile)


def never_ends_its_line(case):
    """timeouts.idle is for a command, not for its next octet."""
    client = session(case)
    begun = time.monotonic()
    client.socket.settimeout(0.25)
    said = b""
    while time.monotonic() < begun + 12 and not said:
        try:
            client.send(b"N")
            said = client.socket.recv(1000)
        except TimeoutError:
            continue
        except OSError:
            break
    expect(said.startswith(b"421 4.4.2 "), f"{said!r} after {time.monotonic() - begun:.1f} s")
    expect(time.monotonic() - begun < 8, "too late")


def line(case):
    """limits.line, for a client's command and for a peer's reply."""
    client = session(case)
    code, lines = client.say("NOOP " + "x" * 3900)
    expect(code == 250, f"{lines}")
    code, lines = client.say("NOOP " + "x" * 4100)
    expect(code == 500, f"{lines}")
    replies = client.envelope(case.sender, case.address())
    expect(replies[0][0] == 451, f"{replies}")
    client.say("QUIT")
    client.close()
    case.expect_event({"reason": "peer-protocol", "outcome": "deferred"})


def places(case):
    """limits.max_sessions: of all clients together; limits.max_sessions_per_client is the row `limits`."""
    clients = [Smtp(case.client.node, case.row.hosts[0].v4) for _ in range(5)]
    codes = sorted(client.reply()[0] for client in clients)
    for client in clients:
        client.close()
    expect(codes == [220] * 3 + [421] * 2, f"{codes}")


def drain(case):
    """limits.drain_s: then the client hears 421 in the middle of its message, and the daemon ends with 0."""
    client = half_a_message(case)
    begun = time.monotonic()
    status = case.proxy.stop(30)
    took = time.monotonic() - begun
    code, lines = client.reply()
    client.close()
    case.proxy.start()
    expect(status == 0 and 0.8 <= took < 8, f"ended with {status} after {took:.1f} s")
    expect(code == 421 and "4.3.2" in lines[0], f"{lines}")
    expect(case.all_records() and not case.evil_messages(case.address()), "the peer took half a message")


def drain_awaits_final(case):
    """A message handed over in full is waited for longer than limits.drain_s: it might arrive twice."""
    client = whole_message(case)
    wait_for("the end of data at the peer", lambda: case.lab.evil.unfinished(case.row.hosts[0].addresses) > 0, 10)
    status = case.proxy.stop(30)
    code, lines = client.reply()
    client.close()
    case.proxy.start()
    expect(status == 0 and code == 250, f"ended with {status}, and the client heard {code} {lines}")
    case.expect_event({"outcome": "accepted", "reply": 250})


def discoveries(case):
    """security.md rule 10: a client has so many look-ups of MX hosts under way (256) and no more; one over that is told 451, and
    never that there was nothing to find."""
    sockets = case.client.node.sockets(256 + 9, (case.row.hosts[0].v4, 25))
    clients = [Smtp(None, "", connected=socket) for socket in sockets]
    for client in clients:
        client.hello(case.client.node.hostname)
        client.say(f"MAIL FROM:<{case.sender}>")
    for number, client in enumerate(clients):
        client.send(f"RCPT TO:<rcpt@d{number}.{case.domain}>\r\n".encode())
    events = case.proxy.wait_event("delivery", reason="limit", count=9, timeout=60)
    answered = select.poll()
    for connection in sockets:
        answered.register(connection, select.POLLIN)
    wait_for("their replies", lambda: len(answered.poll(0)) >= 9, 20)
    ready = {descriptor for descriptor, _ in answered.poll(0)}
    replies = [client.reply()[1][0] for client in clients if client.socket.fileno() in ready]
    for client in clients:
        client.close()
    expect(len(replies) == 9 and all(reply.startswith("451 4.3.2 danegate: ") for reply in replies), f"{replies[:12]}")
    expect(all(event["result"] == "failed" and event["outcome"] == "deferred" for event in events), f"{events[:2]}")


def idle_sessions(case):
    """Sessions that wait for a command have no large buffers."""
    proxy, host = case.proxy, case.row.hosts[0]

    def opened(number):
        found = [Smtp(None, host.v4, connected=socket) for socket in case.client.node.sockets(number, (host.v4, 25))]
        for client in found:
            client.hello(case.client.node.hostname)
        return found
    few = opened(50)  # what the first ones cost everybody
    before = proxy.resident_kib()
    many = opened(IDLE_SESSIONS)
    each = (proxy.resident_kib() - before) / IDLE_SESSIONS
    descriptors = proxy.descriptors()
    for client in few + many:
        client.close()
    print(f"      {IDLE_SESSIONS} idle sessions: {each:.1f} KiB each", flush=True)
    expect(descriptors >= IDLE_SESSIONS, f"only {descriptors} descriptors")
    if "asan" not in case.lab.program:
        expect(each <= IDLE_KIB, f"{each:.1f} KiB for each idle session")
    wait_for("the end of the sessions", lambda: proxy.descriptors() <= proxy.idle_descriptors + 8, 30, 0.2)


def push(client, block, seconds):
    """Octets that the other side takes of a client that sends without end."""
    client.socket.setblocking(False)
    sent, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            sent += client.socket.send(block)
        except BlockingIOError:
            time.sleep(0.02)
    return sent


def slow_reader(case):
    """A peer that takes little: the client is not read either. What is accepted fits into the kernel's buffers and
    limits.buffer."""
    client = in_data(case)
    case.proxy.reset_peak()
    before = case.proxy.resident_kib()
    sent = push(client, b"x" * 70 + b"\r\n" + b"y" * 4094, 4)
    grown = case.proxy.peak_kib() - before
    client.close()
    expect(sent < 40 * MIB, f"{sent / MIB:.0f} MiB were taken")
    if "asan" not in case.lab.program:
        expect(grown < 4 * 1024, f"{grown} KiB for one message")


def client_reads_nothing(case):
    """Replies wait for the client: it is not read when too many do."""
    client = session(case)
    case.proxy.reset_peak()
    before = case.proxy.resident_kib()
    sent = push(client, b"NOOP\r\n" * 1000, 3)
    grown = case.proxy.peak_kib() - before
    client.close()
    expect(sent < 40 * MIB, f"{sent / MIB:.0f} MiB were taken")
    if "asan" not in case.lab.program:
        expect(grown < 4 * 1024, f"{grown} KiB for one client")


def huge_message(case):
    """256 MiB, in long soaks 1 GiB, octet for octet, and the daemon's peak."""
    blocks = (1024 if case.lab.soak_minutes >= 5 else 256)
    import hashlib
    block = content(1, MIB).replace(b"\r", b"").replace(b"\n", b"\r\n")
    stuffed = b"\r\n".join(b"." + one if one.startswith(b".") else one for one in block.split(b"\r\n"))
    client = in_data(case)
    client.socket.settimeout(240)
    case.proxy.reset_peak()
    before, begun = case.proxy.resident_kib(), time.monotonic()
    digest = hashlib.sha256()
    for _ in range(blocks):
        client.send(stuffed)
        digest.update(stuffed)
    client.send(b".\r\n")
    code, lines = client.reply()
    took, grown = time.monotonic() - begun, case.proxy.peak_kib() - before
    client.say("QUIT")
    client.close()
    print(f"      {blocks} MiB in {took:.0f} s, peak +{grown} KiB", flush=True)
    expect(code == 250, f"{lines}")
    message = wait_for("the message at the peer", lambda: case.evil_messages(case.address()), 20, 0.1)[0]
    expect(message["sha256"] == digest.hexdigest(), "content changed on the way")
    if "asan" not in case.lab.program:
        expect(grown < HEAP_KIB, f"the peak has grown by {grown} KiB")


def early_refusal(case):
    """The peer says 552 in the middle: the rest is read and dropped, then that is the answer."""
    client = in_data(case)
    code, lines = 0, []
    for _ in range(200):
        client.send(b"x" * 70 + b"\r\n")
        time.sleep(0.002)
    client.send(b".\r\n")
    code, lines = client.reply()
    expect(code == 552 and "5.3.4" in lines[0], f"{lines}")
    code, lines = client.say("NOOP")
    expect(code == 250, f"{lines}")
    client.close()
    case.expect_event({"outcome": "rejected", "reply": 552})


def evil(name, script, run, **fields):
    return Row(name, [Host("evil", PEER, script={"cert": "peer", **script}, families="4")], status=None, run=run, event=None,
               **fields)


ROWS = [
    timed("connect", {}, rcpt, 2, r"451 4\.4\.1 ", "peer-unreachable", hosts=[Host("nobody", PEER, families="4")]),
    timed("greeting", {"delay": {"connect": 6}}, rcpt, 3, r"451 4\.4\.1 ", "peer-timeout"),
    timed("command", {"delay": {"RCPT": 5}}, rcpt, 3, r"451 4\.4\.2 ", "peer-timeout"),
    timed("command", {"handshake": "hang"}, rcpt, 3, r"451 4\.7\.5 |451 4\.4\.1 ", None, name="timeouts-command-handshake"),
    timed("data", {}, half_a_message, 2, r"421 4\.4\.2 "),
    timed("final", {"delay": {"EOD": 4}}, whole_message, 2, r"451 4\.4\.2 "),
    timed("idle", {}, session, 3, r"421 4\.4\.2 "),
    timed("setup", {"delay": {"connect": 4}}, rcpt, 2, r"451 4\.4\.1 ", "peer-timeout", profile="hurried-setup"),
    # octet by octet
    evil("slow-client", {}, never_ends_its_line, profile="hurried"),
    timed("greeting", {"chunk": 1, "pause": 0.2, "greeting": "220 " + "x" * 70}, rcpt, 3, r"451 4\.4\.1 ", "peer-timeout",
          name="slow-peer-greeting"),
    timed("command", {"chunk": 40, "pause": 0.2, "replies": {"RCPT": "250-more\r\n" * 200 + "250 end"}}, rcpt, 3, r"451 4\.4\.2 ",
          "peer-timeout", name="slow-peer-reply", late=12),
    # limits
    evil("limits-line", {"replies": {"RCPT": "250 " + "x" * 4100}}, line, profile="short-line"),
    evil("limits-max-sessions", {}, places, profile="three-places", alone=True),
    evil("limits-drain", {}, drain, profile="short-drain", alone=True),
    Row("rule-10-discoveries", [Host("nobody", families="4")], status=None, run=discoveries, event=None, profile="deaf-dns", alone=True),
    evil("drain-awaits-final", {"delay": {"EOD": 3}}, drain_awaits_final, profile="short-drain", alone=True),
    evil("limits-buffer", {"slow": 0.2, "slow_for": 5, "window": 65536}, slow_reader, profile="many", alone=True),
    evil("limits-buffer-client", {}, client_reads_nothing, profile="many", alone=True),
    evil("idle-sessions", {}, idle_sessions, profile="many", alone=True, slow=True),
    evil("huge-message", {}, huge_message, profile="many", alone=True, slow=True, timeout=240),
    evil("early-refusal", {"early": [2000, "552 5.3.4 too big"]}, early_refusal),
]
