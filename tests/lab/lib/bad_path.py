#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A bad path to a good MX. Usage: bad_path.py CONTROL TARGET ADDRESS...

Listens on port 25 of every ADDRESS and carries octets to and from TARGET's. What it does to them is told by the JSON object in
the file CONTROL, read anew for each connection; all keys optional: `delay` and `stall` (seconds at most, before each piece and,
one time in twenty, in addition), `piece` (octets at most that are carried at once), `cut` (probability that the connection is
reset, somewhere on its way).
"""

import asyncio
import json
import random
import socket
import struct
import sys


def settings(control):
    try:
        with open(control, encoding="ascii") as file:
            return json.load(file)
    except (FileNotFoundError, ValueError):
        return {}


def reset(writer):
    sock = writer.get_extra_info("socket")
    if sock is not None:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


class Path:
    """One connection. `left`: octets, of both directions together, until it is cut."""

    def __init__(self, chosen):
        self.chosen = chosen
        self.left = random.choice([1, 100, 3000, 6000, 20000]) * random.random() if random.random() < chosen.get("cut", 0) else None

    async def carry(self, reader, writer):
        while data := await reader.read(self.chosen.get("piece", 65536)):
            await asyncio.sleep(random.random() * self.chosen.get("delay", 0))
            if random.random() < 0.05:
                await asyncio.sleep(random.random() * self.chosen.get("stall", 0))
            if self.left is not None:
                self.left -= len(data)
                if self.left < 0:
                    raise ConnectionResetError("cut")
            writer.write(data)
            await writer.drain()
        if writer.can_write_eof():
            writer.write_eof()


async def serve(control, target, reader, writer):
    path, out = Path(settings(control)), None
    try:
        come, out = await asyncio.open_connection(target, 25)
        await asyncio.gather(path.carry(reader, out), path.carry(come, writer))
        out.close()
        writer.close()
    except OSError:
        for end in (out, writer):
            if end is not None:
                reset(end)


async def main():
    control, target, *addresses = sys.argv[1:]
    servers = [await asyncio.start_server(lambda r, w: serve(control, target, r, w), address, 25) for address in addresses]
    await asyncio.gather(*(server.serve_forever() for server in servers))


if __name__ == "__main__":
    asyncio.run(main())
