# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates as octets: DER written here, because half of the vectors are ones that no tool would issue; keys and
signatures from the openssl command. Ed25519 and Ed448 keys come out of their labels and such signatures are
deterministic, so certificates without RSA and EC are the same after every run."""
import hashlib
import pathlib
import subprocess
import tempfile

OUT = pathlib.Path(__file__).resolve().parent / "certs"
WORK = tempfile.TemporaryDirectory()


# --- DER -----------------------------------------------------------------------------------------------------------------

def tlv(tag, *parts):
    body = b"".join(parts)
    size = len(body)
    if size < 128:
        return bytes([tag, size]) + body
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(octets)]) + octets + body


def seq(*parts):
    return tlv(0x30, *parts)


def oid(dotted):
    arcs = [int(arc) for arc in dotted.split(".")]
    body = bytearray()
    for arc in [40 * arcs[0] + arcs[1], *arcs[2:]]:
        group = [arc & 0x7F]
        while arc := arc >> 7:
            group.append(0x80 | arc & 0x7F)
        body += bytes(reversed(group))
    return tlv(6, bytes(body))


def integer(value):
    return tlv(2, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def bits(body):
    return tlv(3, b"\0", body)


def attribute(dotted, value, tag=0x0C):
    return tlv(0x31, seq(oid(dotted), tlv(tag, value)))


def name(cn):
    """CN=cn; or, given more than octets, the RDNs as they are."""
    if isinstance(cn, (list, tuple)):
        return seq(*cn)
    return seq(attribute("2.5.4.3", cn)) if cn else seq()


def utc(text):
    return tlv(0x17, text.encode())


def generalized(text):
    return tlv(0x18, text.encode())


# --- keys and signatures -------------------------------------------------------------------------------------------------

def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


EDWARDS = {"ed25519": ("1.3.101.112", 32), "ed448": ("1.3.101.113", 57)}
RSA_SIGNATURES = {"md2": 2, "md5": 4, "sha1": 5, "sha256": 11, "sha384": 12, "sha512": 13, "sha224": 14}
EC_SIGNATURES = {"sha1": "1", "sha224": "3.1", "sha256": "3.2", "sha384": "3.3", "sha512": "3.4"}


class Key:
    """`kind`: ed25519, ed448, rsaBITS, rsaBITS-eEXPONENT, pss2048, or the name of an elliptic curve."""

    def __init__(self, label, kind="ed25519"):
        self.kind = kind
        self.path = f"{WORK.name}/{label}.pem"
        if kind in EDWARDS:
            dotted, size = EDWARDS[kind]
            seed = hashlib.shake_256(b"danegate test key " + label.encode()).digest(size)
            if kind == "ed25519":
                seed = hashlib.sha256(b"danegate test key " + label.encode()).digest()
            pkcs8 = seq(integer(0), seq(oid(dotted)), tlv(4, tlv(4, seed)))
            openssl("pkey", "-inform", "DER", "-out", self.path, data=pkcs8)
        elif kind.startswith("rsa"):
            size, _, exponent = kind.removeprefix("rsa").partition("-e")
            openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{size}",
                    "-pkeyopt", f"rsa_keygen_pubexp:{exponent or 65537}", "-out", self.path)
        elif kind.startswith("pss"):
            openssl("genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", f"rsa_keygen_bits:{kind.removeprefix('pss')}",
                    "-out", self.path)
        else:
            openssl("ecparam", "-name", kind, "-genkey", "-noout", "-out", self.path)
        self.spki = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")

    def algorithm(self, digest):
        if self.kind in EDWARDS:
            return seq(oid(EDWARDS[self.kind][0]))
        if digest == "pss":
            sha256 = seq(oid("2.16.840.1.101.3.4.2.1"), tlv(5))
            return seq(oid("1.2.840.113549.1.1.10"),
                       seq(tlv(0xA0, sha256), tlv(0xA1, seq(oid("1.2.840.113549.1.1.8"), sha256)), tlv(0xA2, integer(32))))
        if self.kind.startswith("rsa"):
            return seq(oid(f"1.2.840.113549.1.1.{RSA_SIGNATURES[digest]}"), tlv(5))
        return seq(oid(f"1.2.840.10045.4.{EC_SIGNATURES[digest]}"))

    def sign(self, data, digest):
        if self.kind in EDWARDS:
            source = pathlib.Path(WORK.name) / "tbs"
            source.write_bytes(data)
            return openssl("pkeyutl", "-sign", "-rawin", "-inkey", self.path, "-in", str(source))
        if digest == "pss":
            return openssl("dgst", "-sha256", "-sign", self.path, "-sigopt", "rsa_padding_mode:pss", "-sigopt",
                           "rsa_pss_saltlen:32", data=data)
        if digest == "md2":  # refused by its name: no tool makes one any more
            return bytes(256)
        return openssl("dgst", f"-{digest}", "-sign", self.path, data=data)


class FixedKey:
    """A public key that is octets only. Nothing can be signed with it."""

    def __init__(self, spki):
        self.spki = spki


# --- extensions ----------------------------------------------------------------------------------------------------------

def extension(dotted, value, critical=False):
    return seq(oid(dotted), tlv(1, b"\xff") if critical else b"", tlv(4, value))


def basic(ca=True, path_length=None, critical=True):
    limit = b"" if path_length is None else integer(path_length)
    return extension("2.5.29.19", seq(tlv(1, b"\xff") if ca else b"", limit), critical)


def key_usage(octet, unused, critical=True):
    return extension("2.5.29.15", tlv(3, bytes([unused, octet])), critical)


def purposes(*dotted, critical=False):
    return extension("2.5.29.37", seq(*[oid(d) for d in dotted]), critical)


def dns(text):
    return tlv(0x82, text)


def general_names(*entries):
    return extension("2.5.29.17", seq(*entries))


def names(*texts):
    return general_names(*[dns(text) for text in texts])


def constraints(permitted=b"", excluded=b"", critical=True):
    """NameConstraints (RFC 5280 section 4.2.1.10) out of GeneralNames."""
    trees = (tlv(0xA0, seq(permitted)) if permitted else b"") + (tlv(0xA1, seq(excluded)) if excluded else b"")
    return extension("2.5.29.30", seq(trees), critical)


SIGN = key_usage(0x06, 1)  # keyCertSign, cRLSign
DIGITAL = key_usage(0x80, 7)
SERVER, CLIENT, EMAIL, ANY = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2", "1.3.6.1.5.5.7.3.4", "2.5.29.37.0"
UNKNOWN = extension("1.3.6.1.4.1.99999.1", tlv(5), True)
CONSTRAINED = constraints(permitted=dns(b"example.org"))
CA = [basic(), SIGN]


# --- certificates --------------------------------------------------------------------------------------------------------

FROM, UNTIL = utc("200101000000Z"), generalized("20991231235959Z")
PAST, FUTURE = utc("210101000000Z"), utc("400101000000Z")
serial_number = 0


def write(label, der):
    (OUT / f"{label}.der").write_bytes(der)
    return der


def certificate(label, subject, key, issuer, signer, extensions=(), *, since=FROM, until=UNTIL, v1=False, digest="sha256",
                inner=None, version=None, validity=None, break_signature=False, outer=None, subject_name=None,
                issuer_name=None):
    global serial_number
    serial_number += 1
    kind = signer.algorithm(digest)
    tbs = seq(
        b"" if v1 else version or tlv(0xA0, integer(2)), integer(serial_number), inner or kind,
        issuer_name or name(issuer), validity or seq(since, until), subject_name or name(subject), key.spki,
        tlv(0xA3, seq(*extensions)) if extensions else b"")
    signature = signer.sign(tbs, digest)
    if break_signature:
        signature = signature[:-8] + bytes([signature[-8] ^ 1]) + signature[-7:]
    return write(label, seq(tbs, outer or kind, bits(signature)))
