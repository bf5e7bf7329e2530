# SPDX-License-Identifier: GPL-2.0-or-later
"""Scope output: somebody else on the proxy's port while it is down (security.md rule 11)."""
import os
import socket
import time

from .host import HOST, NET4, NET6, Proxy
from .kernel import MALLORY, MTA, Server, check, dial, inside


def simultaneous_open():
    """Mallory's half of a connection in which both sides send a SYN: finds the client's port, dials it from the proxy's."""
    for _ in range(300):
        with open("/proc/net/tcp") as table:
            rows = [line.split() for line in table.readlines()[1:]]
        waiting = [row[1].split(":") for row in rows if row[3] == "02" and row[2].endswith(":0019")]  # SYN-SENT, port 25
        if not waiting:
            time.sleep(0.01)
            continue
        with socket.socket() as thief:
            thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            thief.settimeout(4)
            try:
                thief.bind(("127.0.0.1", 10025))
                thief.connect((socket.inet_ntoa(bytes.fromhex(waiting[0][0])[::-1]), int(waiting[0][1], 16)))
                thief.sendall(b"MALLORY\r\n")
                return "connected"
            except OSError as error:
                last = "%r" % error
        time.sleep(0.01)
        if "in use" not in last:
            return last
    return "no client seen"


def squat_by_simultaneous_open():
    """A listener, whose answers are dropped, keeps the client sending SYN; then it makes room for the dialling socket."""
    listener = Server(HOST, MALLORY, "127.0.0.1", 10025, "MALLORY")
    read, write = os.pipe()
    if os.fork() == 0:
        os.write(write, inside(HOST, MTA, dial(NET4, patience=5)).encode())
        os._exit(0)
    time.sleep(0.3)
    if os.fork() == 0:
        inside(HOST, MALLORY, simultaneous_open)
        os._exit(0)
    time.sleep(0.2)
    listener.stop()
    got = os.read(read, 100).decode()
    os.wait()
    os.wait()
    return got


def run(lab):
    lab.rules("apply")
    for address, own in ((NET4, "127.0.0.1"), (NET6, "::1")):
        thief = Server(HOST, MALLORY, own, 10025, "MALLORY")
        check("squatter gets nothing " + address, (got := inside(HOST, MTA, dial(address))) == "timeout", got)
        said = lab.rules("check", must=1)
        check("check names the squatter", "port 10025 is held by user %d" % MALLORY in said, said)
        thief.stop()
        proxy = Proxy(own)
        check("the proxy does " + address, (got := inside(HOST, MTA, dial(address))) == address + " 25", got)
        lab.rules("check")
        proxy.stop()
    got = squat_by_simultaneous_open()
    check("squatter gets nothing by a simultaneous open", got in ("timeout", "refused"), got)
    lab.rules("remove")
    thief = Server(HOST, MALLORY, "127.0.0.1", 10025, "MALLORY")
    check("remove: direct again, and the port is anybody's", inside(HOST, MTA, dial(NET4)) == "SINK" and
          inside(HOST, MTA, dial("127.0.0.1", 10025)) == "MALLORY")
    thief.stop()
