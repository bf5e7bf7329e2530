#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""conf/quickstart on a terminal of its own, with the tree's release build (which must be up to date: there is no network).

Runs in a room of its own (lib/sandbox.py) with a copy of /etc, so that users, rules and files of the machine stay as they
are. As root.

usage: quickstart_test.py [CASE...]      cases by a part of their name; last line: N passed, N failed
"""
import os
import pty
import re
import select
import signal
import socket
import sys
import threading
import time

sys.dont_write_bytecode = True

from lib import sandbox, steps  # noqa: E402
from lib.steps import BUILD, TOP, expect, must_be_built  # noqa: E402

QUICKSTART = TOP + "/conf/quickstart"
DANEGATE = BUILD + "/danegate"
IN_FORCE = "outgoing mail goes through danegate now"
PEERS = ("203.0.113.9", "2001:db8:9::9")
FOLDER = sandbox.ROOM + "/quickstart"
# The machine's own rules, which must survive: a chain and a rule in each table that danegate writes to.
FOREIGN = "*nat\n:mine - [0:0]\n-A OUTPUT -p tcp --dport 26 -j mine\nCOMMIT\n*filter\n:mine - [0:0]\n" \
          "-A OUTPUT -p tcp --dport 26 -j mine\n-A INPUT -p tcp --dport 26 -j REJECT\nCOMMIT\n"


def sh(command, **how):
    return steps.sh(*command.split(), **how)


def saved():
    """Both families' rules as they are; counters and dates aside."""
    text = sh("iptables-save").stdout + sh("ip6tables-save").stdout
    return [re.sub(r" ?\[\d+:\d+\]", "", line) for line in text.splitlines() if not line.startswith("#")]


def ours():
    return [line for line in saved() if "danegate" in line]


def wait_for(what, condition, seconds=30):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {seconds} s")


def processes():
    """Command lines of whatever danegate runs in the room."""
    found = {}
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            with open(f"/proc/{pid}/stat", "rb") as file:
                zombie = file.read().rsplit(b")", 1)[1].split()[0] == b"Z"
        except OSError:
            continue
        if not zombie and words[0].decode().endswith("/danegate"):
            found[int(pid)] = words[1].decode()
    return found


def dial(address, patience=5):
    client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    client.settimeout(patience)
    client.connect((address, 25))
    return client


def greeting(address):
    """What a mail server on this machine sees there: the first line, or the error's name."""
    try:
        with dial(address, 1) as client:
            return client.recv(200).decode().strip()
    except OSError as error:
        return type(error).__name__


def leaves_for(address):
    """Whether a connection attempt there sends anything out of this machine."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3)) as wire:
        wire.bind(("nowhere", 0))
        greeting(address)
        wire.setblocking(False)
        found = False
        packed = socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)
        while True:
            try:
                found = packed in wire.recv(2000) or found
            except BlockingIOError:
                return found


class Quickstart:
    """Running on a terminal; everything it prints is kept."""

    def __init__(self, *arguments):
        self.output = ""
        self.status = None
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            # A terminal's shell does so too; whoever started the tests in the background had them ignored.
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
                signal.signal(number, signal.SIG_DFL)
            os.execv(QUICKSTART, [QUICKSTART, *arguments])
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        while True:
            try:
                ready, _, _ = select.select([self.terminal], [], [], 0.2)
                data = os.read(self.terminal, 65536) if ready else None
            except (OSError, ValueError):  # EIO: nobody has the terminal open any more
                return
            if data == b"":
                return
            if data:
                self.output += data.decode(errors="replace").replace("\r\n", "\n")

    def says(self, text, seconds=90):
        def look():
            if text in self.output:
                return True
            expect(not self.ended(), f"ended with {self.status} before it said {text!r}")
            return False
        wait_for(f"quickstart says {text!r}", look, seconds)
        return self

    def ended(self):
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def ends(self, status, seconds=30):
        wait_for("quickstart ends", self.ended, seconds)
        self.reader.join(2)
        expect(self.status == status, f"exit status {self.status}, not {status}")
        return self.output

    def press_ctrl_c(self):
        os.write(self.terminal, b"\x03")

    def hang_up(self):
        os.close(self.terminal)

    def proxy(self):
        return min(pid for pid, verb in processes().items() if verb == "run")


running = []


def start(*arguments):
    quickstart = Quickstart(*arguments)
    running.append(quickstart)
    return quickstart


def write(name, text):
    with open(f"{FOLDER}/{name}", "w", encoding="ascii") as file:
        file.write(text)
    return f"{FOLDER}/{name}"


def nothing_is_left(before, seconds=5):
    wait_for("every process ends", lambda: not processes(), seconds)
    expect(saved() == before, "the rules are not as before: " + " | ".join(set(saved()) ^ set(before)))
    expect(not os.path.exists("/run/danegate"), "/run/danegate is still there")


# the cases


def from_nothing_to_rules_in_force_and_back_by_ctrl_c():
    sh("userdel danegate", must=False)
    before = saved()
    it = start().says(IN_FORCE)
    expect("creating the system user danegate" in it.output, "no word of the user")
    expect(re.search(r"info ready .*listen=\"127\.0\.0\.1:10025 \[::1\]:10025\"", it.output), "no event ready")
    expect(it.output.index(" ready ") < it.output.index(IN_FORCE), "intercepted before it was ready")
    done = sh(f"{DANEGATE} rules check", must=False)
    expect(done.returncode == 0 and "in force as configured" in done.stdout, done.stdout + done.stderr)
    for address, literal in zip(PEERS, ("[203.0.113.9]", "[IPv6:2001:db8:9::9]")):
        expect(greeting(address).startswith(f"220 {literal} "), f"{address}: {greeting(address)}")
    expect(sh(f"{DANEGATE} status").stdout.startswith("sessions"), "no status")
    with open(f"/proc/{it.proxy()}/status", encoding="ascii") as file:
        uid = sh("id -u danegate").stdout.strip()
        expect(re.search(rf"^Uid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}$", file.read(), re.M), "the proxy is not danegate")
    it.press_ctrl_c()
    output = it.ends(0)
    expect("the rules are removed: outgoing mail is as it was before" in output, "no word of the end")
    nothing_is_left(before)
    for address in PEERS:
        expect(greeting(address) == "TimeoutError", f"{address} answers")  # the room's link leads nowhere
        expect(leaves_for(address), f"{address} is not dialled")


def tables_that_were_empty_have_no_rules_afterwards():
    for program in ("iptables", "ip6tables"):
        sh(f"{program}-restore", text="*nat\nCOMMIT\n*filter\nCOMMIT\n")
    expect(not [line for line in saved() if line.startswith("-A")], "the stage is not empty")
    try:
        it = start().says(IN_FORCE)
        it.press_ctrl_c()
        it.ends(0)
        left = [line for line in saved() if line.startswith("-A") or line.startswith(":") and " - " in line]
        expect(not left, " | ".join(left))
    finally:
        foreign_rules()


def mail_in_flight_is_waited_for_and_a_second_ctrl_c_ends_at_once():
    before = saved()
    it = start().says(IN_FORCE)
    with dial(PEERS[0]) as client:
        for line in ("EHLO mta.example", "MAIL FROM:<a@mta.example>"):
            client.recv(2000)
            client.sendall(line.encode() + b"\r\n")
        client.recv(2000)
        client.sendall(b"RCPT TO:<b@peer.example>\r\n")  # waits for DNS, which says nothing here
        time.sleep(0.3)
        it.press_ctrl_c()
        it.says("stopping: mail in flight is finished first")
        it.says("state=draining")
        time.sleep(0.5)
        expect(not it.ended(), "it did not wait")
        expect(ours(), "the rules went before the mail")
        expect(greeting(PEERS[0]) == "ConnectionRefusedError", f"new connections: {greeting(PEERS[0])}")
        begun = time.monotonic()
        it.press_ctrl_c()
        it.ends(0)
        expect(time.monotonic() - begun < 3, "the second Ctrl-C was not at once")
    nothing_is_left(before)


def term_and_a_closed_terminal_end_it_as_well():
    before = saved()
    it = start().says(IN_FORCE)
    os.kill(it.pid, signal.SIGTERM)
    it.ends(0)
    nothing_is_left(before)
    it = start().says(IN_FORCE)
    it.hang_up()
    it.ends(0)
    nothing_is_left(before)


def when_the_proxy_dies_the_rules_go():
    before = saved()
    it = start().says(IN_FORCE)
    os.kill(it.proxy(), signal.SIGKILL)
    output = it.ends(137)
    expect("the proxy ended by itself (status 137)" in output, "no word of it")
    nothing_is_left(before)


def bad_configuration_is_78_and_changes_nothing():
    before = saved()
    for text, problem in (("[dns]\nmode = \"recursiv\"\n", "bad.toml:2: dns.mode: "),
                          ("[metrics]\nlisten = \"9125\"\n", "bad.toml:2: metrics.listen: \"9125\" is not")):
        for how in (("-c", "{}"), ("--config={}",), ("-c{}",)):
            name = write("bad.toml", text)
            output = start(*(word.format(name) for word in how)).ends(78, 90)
            expect(problem in output, f"{how}: no {problem!r}")
            nothing_is_left(before)
    output = start("-c", FOLDER + "/absent.toml").ends(1)
    expect("absent.toml cannot be read" in output, "absent file")
    nothing_is_left(before)


def the_file_that_run_reads_is_the_one_that_the_rules_are_made_from():
    before = saved()
    name = write("good.toml", '[listen]\naddresses = ["127.0.0.1:10026", "[::1]:10027"]\n[intercept]\nports = [25, 26]\n')
    for how in (("-c", name), (f"--config={name}",), (f"-c{name}",)):
        it = start(*how).says(IN_FORCE)
        text = "\n".join(ours())
        expect("--to-ports 10026" in text and "--to-ports 10027" in text, f"{how}: other ports")
        it.press_ctrl_c()
        it.ends(0)
        nothing_is_left(before)


def a_taken_port_is_an_error_and_no_rules():
    before = saved()
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", 10025))
        squatter.listen()
        output = start().ends(1, 90)
    expect(IN_FORCE not in output and "127.0.0.1:10025" in output, "no word of the port")
    nothing_is_left(before)


def a_second_one_leaves_the_first_alone():
    before = saved()
    first = start().says(IN_FORCE)
    during = saved()
    start().ends(1, 90)
    expect(saved() == during, "the first one's rules were changed")
    expect(greeting(PEERS[0]).startswith("220 "), "the first one does not serve")
    first.press_ctrl_c()
    first.ends(0)
    nothing_is_left(before)


def without_a_control_socket_it_serves_and_ctrl_c_at_any_time_is_no_failure():
    """It cannot ask whether the proxy is ready then, and waits a little; Ctrl-C does not wait for that."""
    before = saved()
    with open("/run/danegate", "w", encoding="ascii"):  # in the place of the socket's directory
        pass
    try:
        it = start().says(" ready ")
        time.sleep(0.6)  # it has seen the listening sockets, and asks for five seconds
        it.press_ctrl_c()
        output = it.ends(0)
        expect("the proxy ended" not in output and IN_FORCE not in output, "it went on, or took it for a failure")
        it = start().says(IN_FORCE)
        expect("control.socket" in it.output, "no word of the control socket")
        expect(greeting(PEERS[0]).startswith("220 "), "not served")
        it.press_ctrl_c()
        it.ends(0)
    finally:
        os.unlink("/run/danegate")
    nothing_is_left(before)


def rules_that_were_in_force_stay():
    sh("useradd --system --user-group danegate", must=False)  # alone, this case is the first to need it
    sh(f"{DANEGATE} rules apply")
    try:
        before = saved()
        it = start().says("the rules were in force already")
        it.press_ctrl_c()
        it.ends(0)
        expect(saved() == before, "they were changed")
        name = write("other.toml", "[intercept]\nports = [25, 26]\n")
        output = start("-c", name).ends(1, 90)
        expect("in force, but not as configured" in output, "other rules were not noticed")
        expect(saved() == before, "they were changed")
    finally:
        sh(f"{DANEGATE} rules remove")


def a_machine_without_ipv6_loopback():
    before = saved()
    sh("sysctl -qw net.ipv6.conf.lo.disable_ipv6=1")
    try:
        begun = time.monotonic()
        it = start().says(IN_FORCE)
        expect(time.monotonic() - begun < 45, "it waited for ::1")
        expect(greeting(PEERS[0]).startswith("220 "), "IPv4 is not served")
        expect(not leaves_for(PEERS[1]), "IPv6 mail leaks")
        expect('listen=127.0.0.1:10025 ' in it.output, "ready names what is not there")
        it.press_ctrl_c()
        it.ends(0)
        expect(saved() == before, "the rules are not as before")
    finally:
        sh("sysctl -qw net.ipv6.conf.lo.disable_ipv6=0")


CASES = (from_nothing_to_rules_in_force_and_back_by_ctrl_c, tables_that_were_empty_have_no_rules_afterwards,
         mail_in_flight_is_waited_for_and_a_second_ctrl_c_ends_at_once, term_and_a_closed_terminal_end_it_as_well,
         when_the_proxy_dies_the_rules_go, bad_configuration_is_78_and_changes_nothing,
         the_file_that_run_reads_is_the_one_that_the_rules_are_made_from, a_taken_port_is_an_error_and_no_rules,
         a_second_one_leaves_the_first_alone,
         without_a_control_socket_it_serves_and_ctrl_c_at_any_time_is_no_failure, rules_that_were_in_force_stay,
         a_machine_without_ipv6_loopback)


def foreign_rules():
    for program in ("iptables", "ip6tables"):
        sh(f"{program}-restore", text=FOREIGN)


def furnish():
    os.makedirs(FOLDER)
    os.makedirs(sandbox.ROOM + "/etc/upper")
    os.makedirs(sandbox.ROOM + "/etc/work")
    sh(f"mount -t overlay overlay -o lowerdir=/etc,upperdir={sandbox.ROOM}/etc/upper,workdir={sandbox.ROOM}/etc/work /etc")
    for name, text in (("resolv.conf", "nameserver 192.0.2.53\n"), ("resolv.new", "")):
        if os.path.islink("/etc/" + name):
            os.unlink("/etc/" + name)
        with open("/etc/" + name, "w", encoding="ascii") as file:
            file.write(text)
    # A link that swallows everything: an answer can only come from this machine.
    sh("ip link set lo up")
    sh("ip link add up0 arp off type veth peer name nowhere")
    sh("ip link set nowhere up")
    sh("ip link set up0 up")
    sh("ip address add 192.0.2.1/24 dev up0")
    sh("ip -6 address add 2001:db8::1/64 dev up0 nodad")
    sh("ip route add default via 192.0.2.2 dev up0")
    sh("ip -6 route add default dev up0")
    foreign_rules()


def run(case):
    """Whether it passed; what goes wrong is told with the output of the quickstarts."""
    running.clear()
    try:
        case()
        return True
    except (AssertionError, RuntimeError, OSError, ValueError) as error:
        print(f"FAILED {case.__name__}: {error}")
        for it in running:
            print("  | " + it.output.replace("\n", "\n  | "))
        return False
    finally:
        for it in running:
            if not it.ended():
                os.kill(it.pid, signal.SIGKILL)
        for pid in processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        sh(f"{DANEGATE} rules remove", must=False)


def main():
    must_be_built()
    cases = [case for case in CASES if len(sys.argv) < 2 or any(part in case.__name__ for part in sys.argv[1:])]
    sandbox.enter()
    furnish()
    passed = 0
    for case in cases:
        begun = time.monotonic()
        if run(case):
            passed += 1
            print(f"ok     {case.__name__} ({time.monotonic() - begun:.1f} s)", flush=True)
    print(f"{passed} passed, {len(cases) - passed} failed", flush=True)
    sys.exit(0 if passed == len(cases) and cases else 1)


if __name__ == "__main__":
    main()
