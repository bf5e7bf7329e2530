# SPDX-License-Identifier: GPL-2.0-or-later
"""The private tree: sound zones of every kind, broken ones, and hostile ones (security.md rule 7)."""

import base64
import os
import random
import struct
import subprocess
import time

AUTHORITY = "192.0.2.1"
ALGORITHM = "ECDSAP256SHA256"
DIGEST = "ab" * 32
HEAD = "$TTL 300\n@ IN SOA ns.lab. hostmaster.lab. 1 3600 600 86400 60\n@ IN NS ns.lab.\n"
MANY = 400  # addresses at many.secure.lab
HOPS = 100  # aliases from c0.secure.lab on
TRAP_KEYS = 60
TRAP_SIGNATURES = 60
ONE_TAG = {"onetagfive.lab.": 4, "onetagmany.lab.": 11}  # surplus keys of the signing key's tag
LIFE = 900  # seconds of the signatures in short.lab

SECURE = """@ IN MX 10 mx.secure.lab.
@ IN MX 20 mx2.insecure.lab.
mx IN A 192.0.2.80
mx IN AAAA 2001:db8::80
_25._tcp.mx IN TLSA 3 1 1 %s
alias IN CNAME mx.secure.lab.
toinsecure IN CNAME host.insecure.lab.
tobogus IN CNAME broken.bogus.lab.
tonothing IN CNAME nothing.secure.lab.
tooddalg IN CNAME host.oddalg.lab.
loop IN CNAME loop2.secure.lab.
loop2 IN CNAME loop.secure.lab.
self IN CNAME self.secure.lab.
*.wild IN A 192.0.2.81
*.wildalias IN CNAME mx.secure.lab.
tree IN DNAME below.secure.lab.
out IN DNAME insecure.lab.
host.below IN A 192.0.2.83
""" % DIGEST
SECURE += "".join("many IN A 10.1.%d.%d\n" % divmod(i, 256) for i in range(MANY))
SECURE += "".join("c%d IN CNAME c%d.secure.lab.\n" % (i, i + 1) for i in range(HOPS)) + "c%d IN A 192.0.2.84\n" % HOPS

HOST = "@ IN A 192.0.2.85\nhost IN A 192.0.2.85\n"
PLAIN = {
    "insecure.lab.": HEAD + "@ IN MX 10 host\nhost IN A 192.0.2.90\ntosecure IN CNAME mx.secure.lab.\n",
    "unsigned.optout.lab.": HEAD + "host IN A 192.0.2.91\n",
}
# zone: text, ldns-keygen's algorithm, options of ldns-signzone
SIGNED = {
    "secure.lab.": (SECURE, ALGORITHM, ()),
    "bogus.lab.": ("broken IN A 192.0.2.99\nfine IN A 192.0.2.98\n", ALGORITHM, ()),
    "expired.lab.": ("@ IN A 192.0.2.97\n", ALGORITHM, ("-i", "20200101", "-e", "20200201")),
    "alg8.lab.": (HOST, "RSASHA256", ()),
    "alg14.lab.": (HOST, "ECDSAP384SHA384", ()),
    "alg15.lab.": (HOST, "ED25519", ()),
    "nsec3.lab.": (HOST + "*.wild IN A 192.0.2.86\n", ALGORITHM, ("-n", "-t", "0")),
    "optout.lab.": (HOST + "unsigned IN NS ns.lab.\n*.wild IN A 192.0.2.86\n", ALGORITHM, ("-n", "-p", "-t", "0")),
    "rounds.lab.": (HOST, ALGORITHM, ("-n", "-t", "2500")),
    "oddalg.lab.": (HOST + "tosecure IN CNAME mx.secure.lab.\n", ALGORITHM, ()),
    "odddigest.lab.": (HOST, ALGORITHM, ()),
    "oddone.lab.": (HOST, ALGORITHM, ()),
    "wrongds.lab.": (HOST, ALGORITHM, ()),
    "stripped.lab.": (HOST, ALGORITHM, ()),
    "short.lab.": ("$TTL 3600\n" + HOST, ALGORITHM, ("-e", None)),
    "keytrap.lab.": (HOST + "trap IN A 192.0.2.87\n", ALGORITHM, ()),
    "keytrapten.lab.": (HOST + "trap IN A 192.0.2.87\n", ALGORITHM, ()),
    "manykeys.lab.": (HOST, ALGORITHM, ()),
    "onetagfive.lab.": (HOST, "RSASHA256", ()),
    "onetagmany.lab.": (HOST, "RSASHA256", ()),
    "manysigs.lab.": (HOST, ALGORITHM, ()),
}
LAB = ("ns IN A %s\ninsecure IN NS ns.lab.\ndead IN NS ns.dead\nns.dead IN A 192.0.2.250\n"
       "lame IN NS ns.lame\nns.lame IN A 192.0.2.55\n" % AUTHORITY)


def call(*words, cwd=None):
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit("%s: %s%s" % (" ".join(words), done.stdout, done.stderr))
    return done.stdout.strip()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o644)
    return path


# -- hostile keys and signatures (KeyTrap, CVE-2023-50387) ----------------------------------------------------------------
def key_sum(rdata):
    """RFC 4034 appendix B: the tag is this sum with its carry."""
    return sum(octet << 8 if at % 2 == 0 else octet for at, octet in enumerate(rdata))


def costly_key(tag, rng):
    """RSA key of that tag: any odd number is a modulus for who only wants signatures to be checked, and the exponent is
    as long as the modulus, so that a check costs as much as a signature."""
    size = 256
    modulus = bytearray(b"\xc1" + rng.randbytes(size - 2) + b"\x01")
    head = struct.pack("!HBB", 256, 3, 8) + b"\0" + struct.pack("!H", size) + b"\x7f" + rng.randbytes(size - 2) + b"\x01"
    # A 16-bit word of the modulus that sits at an even offset makes the checksum what it is to be.
    at = 100 + len(head) % 2
    modulus[at:at + 2] = b"\0\0"
    others = key_sum(head + modulus)
    word = next(word for word in range(65536) if (others + word + (others + word >> 16)) & 0xFFFF == tag)
    modulus[at:at + 2] = struct.pack("!H", word)
    return base64.b64encode(head[4:] + modulus).decode()


def trap_records(zone, keys, tag):
    rng = random.Random(4711)
    return "".join("%s IN DNSKEY 256 3 8 %s\n" % (zone, costly_key(tag, rng)) for _ in range(keys))


def false_signatures(owner, zone, count, tag):
    rng = random.Random(17)
    begun, ends = (time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + s)) for s in (-3600, 86400 * 20))
    return "".join("%s 300 IN RRSIG A 8 %d 300 %s %s %d %s %s\n"
                   % (owner, owner.count("."), ends, begun, tag, zone,
                      base64.b64encode(b"\x11" + rng.randbytes(255)).decode()) for _ in range(count))


# -- the tree ------------------------------------------------------------------------------------------------------------
class Tree:
    """Signs everything below `folder`; `files` maps a zone to its file."""

    def __init__(self, folder):
        self.folder = folder
        self.files, self.ds = {}, {}
        for zone, text in PLAIN.items():
            self.files[zone] = write(self.path("zone." + zone.strip(".")), "$ORIGIN %s\n%s" % (zone, text))
        for zone, (text, algorithm, options) in SIGNED.items():
            options = [time.strftime("%Y%m%d%H%M%S", time.gmtime(time.time() + LIFE)) if option is None else option
                       for option in options]
            if zone.startswith("keytrap."):
                text += trap_records(zone, TRAP_KEYS, 12345)
            if zone.startswith("keytrapten."):
                text += trap_records(zone, 10, 12345)
            if zone == "manykeys.lab.":
                text += "".join(trap_records(zone, 1, 2000 + i) for i in range(30))
            self.sign(zone, HEAD + text, algorithm, options)
        self.damage()
        cuts = "".join("%s IN NS ns.lab.\n%s\n" % (zone, self.ds[zone]) for zone in SIGNED)
        self.sign("lab.", HEAD + LAB + cuts)
        root = HEAD.replace("@ ", ". ") + "lab. IN NS ns.lab.\nns.lab. IN A %s\n%s\n" % (AUTHORITY, self.ds["lab."])
        self.root_key = self.sign(".", root)

    def path(self, name):
        return os.path.join(self.folder, name)

    def sign(self, zone, text, algorithm=ALGORITHM, options=()):
        key = call("ldns-keygen", "-a", algorithm, *(["-b", "2048"] if "RSA" in algorithm else []), "-k", zone,
                   cwd=self.folder)
        if zone in ONE_TAG:  # the right key too: ldns-signzone takes any of that tag for it
            text += open(self.path(key + ".key")).read() + trap_records(zone, ONE_TAG[zone], int(key.rsplit("+", 1)[1]))
        source = write(self.path("zone.%s" % (zone.strip(".") or "root")), "$ORIGIN %s\n%s" % (zone, text))
        call("ldns-signzone", "-o", zone, "-f", source + ".signed", *options, source, key, cwd=self.folder)
        self.files[zone] = source + ".signed"
        self.ds[zone] = call("ldns-key2ds", "-n", "-2", key + ".key", cwd=self.folder)
        return key

    def edit(self, zone, change):
        write(self.files[zone], change(open(self.files[zone]).read()))

    def damage(self):
        self.edit("bogus.lab.", lambda text: text.replace("192.0.2.99", "192.0.2.66"))
        self.edit("stripped.lab.", lambda text: "".join(
            line for line in text.splitlines(True) if not ("RRSIG\tA " in line and line.startswith("host."))))
        for zone, keys in (("keytrap.lab.", TRAP_KEYS), ("keytrapten.lab.", 10)):
            self.edit(zone, lambda text: self.trap(text, zone, TRAP_SIGNATURES if keys > 10 else 8))
        self.edit("manysigs.lab.", lambda text: text + self.more_signatures(text))
        for zone, field, value in (("oddalg.lab.", -3, "200"), ("odddigest.lab.", -2, "200"), ("wrongds.lab.", -1, DIGEST)):
            words = self.ds[zone].split()
            words[field] = value
            self.ds[zone] = " ".join(words)
        good = self.ds["oddone.lab."].split()
        self.ds["oddone.lab."] += "\n" + " ".join(good[:-3] + ["200"] + good[-2:])

    @staticmethod
    def trap(text, zone, signatures):
        owner = "trap." + zone
        kept = "".join(line for line in text.splitlines(True) if not ("RRSIG\tA " in line and line.startswith("trap.")))
        return kept + false_signatures(owner, zone, signatures, 12345)

    @staticmethod
    def more_signatures(text):
        """The true signature and twenty like it."""
        line = next(line for line in text.splitlines() if line.startswith("host.") and "RRSIG\tA " in line)
        head, signature = line.rsplit(None, 1) if " ;" not in line else (line, "")
        octets = bytearray(base64.b64decode(signature))
        out = ""
        for i in range(20):
            octets[5] = (octets[5] + 1 + i) & 0xFF
            out += "%s %s\n" % (head, base64.b64encode(octets).decode())
        return out
