# SPDX-License-Identifier: GPL-2.0-or-later
"""In which ways a zone can be right or wrong, and what is done to a signed zone file to make it so."""

import base64
import hashlib
import random
from dataclasses import dataclass, field

from .node import write

DAY = 86400
UNASSIGNED = "200"  # as a DNSSEC algorithm and as a DS digest type: RFC 4035 section 5.2 makes the zone insecure

# RCODEs, for `answer` below
FORMERR, SERVFAIL, NOTIMP, REFUSED = 1, 2, 4, 5


@dataclass(frozen=True)
class State:
    """A zone below `lab`.

    denial   NSEC, NSEC3, or opt-out (NSEC3 with that flag, RFC 5155 section 6)
    ds       own: the delegation has the DS of the zone's key; none; other: of another key; unknown-algorithm; unknown-digest
    corrupt, missing  types whose signatures are wrong or left out
    dates    of the signatures, relative to now
    server   what the zone's own name server does (odd_dns.py); None: nsd
    keys, same_tag, signatures  so many surplus DNSKEYs, of any or of the signer's key tag, and RRSIGs over each TLSA RRset
    """
    signed: bool = True
    algorithm: str = "ECDSAP256SHA256"
    denial: str = "NSEC"
    ds: str = "own"
    corrupt: tuple = ()
    missing: tuple = ()
    dates: tuple = (-3600, 30 * DAY)
    server: dict | None = None
    keys: int = 0
    same_tag: int = 0
    signatures: int = 0


def answers(*kinds, rcode=None, **more):
    """A server that treats these types so: an RCODE, or silence. "*" is every type."""
    return {"answer": {kind: rcode for kind in kinds}, **more}


STATES = {
    "signed": State(),
    "nsec3": State(denial="NSEC3"),
    "optout": State(denial="opt-out"),
    "plain.optout": State(signed=False, ds="none"),  # a delegation that an opt-out span covers
    "alg8": State(algorithm="RSASHA256"),
    "alg10": State(algorithm="RSASHA512", denial="NSEC3"),
    "alg14": State(algorithm="ECDSAP384SHA384"),
    "alg15": State(algorithm="ED25519"),
    "unknownalg": State(ds="unknown-algorithm"),
    "unknowndigest": State(ds="unknown-digest"),
    "plain": State(signed=False, ds="none"),
    "island": State(ds="none"),
    "bogus": State(ds="other"),
    "expired": State(dates=(-9 * DAY, -DAY)),
    "future": State(dates=(DAY, 9 * DAY)),
    "expiring": State(dates=(-27 * DAY, 34 * 3600)),  # the signer has stopped
    "badmx": State(corrupt=("MX",)),
    "badtlsa": State(corrupt=("TLSA",)),
    "badcname": State(corrupt=("CNAME",)),
    "baddenial": State(corrupt=("NSEC",)),
    "baddenial3": State(denial="NSEC3", corrupt=("NSEC3",)),
    "baddress": State(corrupt=("A", "AAAA")),
    "unsignedtlsa": State(missing=("TLSA",)),
    "unsigneddenial": State(missing=("NSEC",)),
    # name servers with habits
    "tcponly": State(server={"truncate": True}),
    "udponly": State(server={"truncate": True, "no_tcp": True}),
    "servfail": State(server=answers("*", rcode=SERVFAIL)),
    "refused": State(server=answers("*", rcode=REFUSED)),
    "tlsaservfail": State(server=answers("TLSA", rcode=SERVFAIL)),
    "tlsarefused": State(server=answers("TLSA", rcode=REFUSED)),
    "tlsanotimp": State(server=answers("TLSA", rcode=NOTIMP)),
    "tlsaformerr": State(server=answers("TLSA", rcode=FORMERR)),
    "tlsasilent": State(server=answers("TLSA")),
    "plaintlsafail": State(signed=False, ds="none", server=answers("TLSA", rcode=SERVFAIL)),
    "afail": State(server=answers("A", "AAAA", rcode=SERVFAIL)),
    "aaaafail": State(server=answers("AAAA", rcode=SERVFAIL)),
    "dead": State(server=answers("*", no_tcp=True)),
    # work that an owner of a zone can make (KeyTrap, CVE-2023-50387)
    "manykeys": State(keys=20),
    "onetag": State(algorithm="ED25519", same_tag=4),
    "manysignatures": State(signatures=12),
    # (with a right signature among them the work would depend on the order of the keys)
    "keytrap": State(algorithm="ED25519", same_tag=400, signatures=400, corrupt=("TLSA",)),
}


@dataclass
class Zone:
    name: str
    state: State
    records: list = field(default_factory=list)


def surplus_keys(state, key):
    """DNSKEY data of keys that sign nothing, the zone's own before them. `key`: that one's data ("257 3 13 BASE64")."""
    if not state.keys and not state.same_tag:
        return []
    flags, protocol, algorithm, text = key.split(maxsplit=3)
    octets = base64.b64decode(text)
    found = [key] + [f"256 {protocol} {algorithm} " + base64.b64encode(octets[n + 1:] + octets[:n + 1]).decode()
             for n in range(state.keys)]
    # the key tag is a sum of 16-bit words (RFC 4034 appendix B): their order does not matter
    words, chance = [octets[n:n + 2] for n in range(0, len(octets), 2)], random.Random(50387)
    for _ in range(state.same_tag):
        chance.shuffle(words)
        found.append(f"{flags} {protocol} {algorithm} " + base64.b64encode(b"".join(words)).decode())
    return found


def damage(path, state):
    """Rewrites a signed zone file as `state` wants it."""
    with open(path, encoding="ascii") as file:
        lines = [_damaged(line, state) for line in file.read().splitlines()]
    write(path, "\n".join(part for line in lines for part in line) + "\n")


def _damaged(line, state):
    words = line.split()  # owner, TTL, class, type, data
    kind = words[3] if len(words) > 4 else ""
    if kind == "DNSKEY" and state.ds == "unknown-algorithm":
        return [" ".join([*words[:6], UNASSIGNED, words[7]])]
    if kind != "RRSIG":
        return [line]
    covered = words[4]
    if covered in state.missing:
        return []
    signature = words[-1]
    if covered in state.corrupt:
        words[-1] = _flipped(signature, 0)
    if state.ds == "unknown-algorithm":
        words[5], words[10] = UNASSIGNED, str(int(words[10]) + int(UNASSIGNED) - 13)
    result = [" ".join(words)]
    if covered == "TLSA":
        result = [" ".join([*words[:-1], _flipped(signature, n + 1)]) for n in range(state.signatures)] + result
    return result


def _flipped(signature, n):
    """The base64 text, wrong in another way for every n, and never what it was."""
    digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    old = digits.index(signature[8])
    return signature[:8] + digits[(old + 1 + n % 63) % 64] + signature[9] + digits[n // 63] + signature[11:]


def ds_of(state, name, key, ds):
    """DS data ("TAG ALGORITHM DIGESTTYPE DIGEST") as the parent gives it, for the zone's key ("257 3 13 BASE64")."""
    words = ds.split()
    if state.ds == "unknown-algorithm":
        octets = bytes([1, 1, 3, int(UNASSIGNED)]) + base64.b64decode(key.split()[3])
        owner = b"".join(bytes([len(part)]) + part.encode() for part in name.split(".")) + b"\0"
        words = [str(key_tag(octets)), UNASSIGNED, "2", hashlib.sha256(owner + octets).hexdigest()]
    if state.ds == "unknown-digest":
        words[2] = UNASSIGNED
    return " ".join(words)


def key_tag(octets):
    """RFC 4034 appendix B."""
    total = sum(octet << 8 if n % 2 == 0 else octet for n, octet in enumerate(octets))
    return (total + (total >> 16)) & 0xffff
