# SPDX-License-Identifier: GPL-2.0-or-later
"""Chains in the shapes that large mail providers present: structured names, the extensions of public CAs, hundreds of
DNS-IDs, RSA-2048 and RSA-4096 and EC leaves, three or four certificates, roots cross-signed by older ones. All names and
keys are made up."""
import hashlib

from x509 import *  # the vocabulary of this file


def dn(organisation, common):
    return name([attribute("2.5.4.6", b"NL", 0x13), attribute("2.5.4.10", organisation, 0x13),
                 attribute("2.5.4.3", common, 0x13)])


def key_id(key):
    return hashlib.sha1(key.spki).digest()


def uri(text):
    return tlv(0x86, text)


def sct(label, issued):
    """A SignedCertificateTimestamp (RFC 6962 section 3.2) with an ECDSA signature's length of made-up octets."""
    log = hashlib.sha256(label).digest()
    signature = b"\x04\x03" + (71).to_bytes(2, "big") + hashlib.shake_256(b"sct " + label).digest(71)
    body = b"\0" + log + issued.to_bytes(8, "big") + b"\0\0" + signature
    return len(body).to_bytes(2, "big") + body


def issued_by(issuer, cps=True):
    """What a public CA writes into everything below it: where to ask, where to fetch, under which policy."""
    qualifier = seq(seq(oid("1.3.6.1.5.5.7.2.1"), tlv(0x16, b"http://cps.pki.example/repository")))
    policies = seq(seq(oid("2.23.140.1.2.1")), seq(oid("1.3.6.1.4.1.99999.5.1"), qualifier) if cps else b"")
    return [
        extension("2.5.29.35", seq(tlv(0x80, key_id(issuer)))),
        extension("1.3.6.1.5.5.7.1.1",
                  seq(seq(oid("1.3.6.1.5.5.7.48.1"), uri(b"http://ocsp.pki.example/s/wr2")),
                      seq(oid("1.3.6.1.5.5.7.48.2"), uri(b"http://cacerts.pki.example/wr2.crt")))),
        extension("2.5.29.32", policies),
        extension("2.5.29.31", seq(seq(tlv(0xA0, tlv(0xA0, uri(b"http://crl3.pki.example/wr2-5.crl")))))),
    ]


def leaf(label, common, key, issuer_dn, issuer, dns_ids, *, since="260501093000Z", until="260729093000Z", staple=False):
    stamps = sct(b"log one", 1777628700123) + sct(b"log two", 1777628700456)
    extensions = [
        DIGITAL if not key.kind.startswith("rsa") else key_usage(0xA0, 5),  # and keyEncipherment
        purposes(SERVER, CLIENT), basic(False), extension("2.5.29.14", tlv(4, key_id(key))), *issued_by(issuer),
        names(*dns_ids),
        extension("1.3.6.1.4.1.11129.2.4.2", tlv(4, len(stamps).to_bytes(2, "big") + stamps)),
        *([extension("1.3.6.1.5.5.7.1.24", seq(integer(5)))] if staple else [])]
    certificate(label, None, key, None, issuer, extensions, since=utc(since), until=utc(until), issuer_name=issuer_dn,
                subject_name=name([attribute("2.5.4.3", common, 0x13)]))


def authority(label, subject, key, issuer_dn, issuer, path_length=None, *, until="350131000000Z", digest="sha256"):
    extensions = [key_usage(0x86, 1), *([] if path_length is None else [purposes(SERVER, CLIENT)]),
                  basic(True, path_length), extension("2.5.29.14", tlv(4, key_id(key)))]
    if key is not issuer:
        extensions += issued_by(issuer, cps=False)
    certificate(label, None, key, None, issuer, extensions, since=utc("200813000042Z"), until=utc(until), digest=digest,
                issuer_name=issuer_dn, subject_name=subject)


def shapes():
    # 250 names in an RSA-2048 leaf: a mail host that serves its customers' domains under their own names
    root, cloud, mail = (Key(f"field-many-{part}", "rsa2048") for part in ("root", "cloud", "mail"))
    root_dn, cloud_dn = dn(b"Many Names Inc", b"Many Global Root G2"), dn(b"Many Names Inc", b"Many Cloud Services CA-1")
    authority("field-many-root", root_dn, root, root_dn, root)
    authority("field-many-cloud", cloud_dn, cloud, root_dn, root, 0)
    customers = [b"customer%03d.mail.protection.example" % i for i in range(249)]
    leaf("field-many", b"mail.protection.example", mail, cloud_dn, cloud, [*customers, b"mx.example.org"])

    # an EC leaf below RSA, below a root that an older root has cross-signed: four certificates
    old, root = Key("field-cross-old", "rsa2048"), Key("field-cross-root", "rsa4096")
    services, mail = Key("field-cross-services", "rsa2048"), Key("field-cross-mail", "prime256v1")
    old_dn, root_dn = dn(b"Older Trust nv-sa", b"Older Root CA"), dn(b"Cross Trust LLC", b"Cross Root R1")
    services_dn = dn(b"Cross Trust LLC", b"WR2")
    authority("field-cross-old", old_dn, old, old_dn, old, digest="sha1")
    authority("field-cross-root", root_dn, root, root_dn, root, digest="sha384")
    authority("field-cross-bridge", root_dn, root, old_dn, old, until="280128000042Z")
    authority("field-cross-services", services_dn, services, root_dn, root, 0)
    leaf("field-cross", b"mx.example.org", mail, services_dn, services,
         [b"mx.example.org", b"*.example.org", *[b"alt%d.mx.example.org" % i for i in range(60)]])

    # EC all the way, its root cross-signed by RSA-4096
    rsa_root, root = Key("field-ec-rsa", "rsa4096"), Key("field-ec-root", "secp384r1")
    issuing, mail = Key("field-ec-issuing", "secp384r1"), Key("field-ec-mail", "prime256v1")
    rsa_dn, root_dn = dn(b"Free Certificates Group", b"Free Root X1"), dn(b"Free Certificates Group", b"Free Root X2")
    issuing_dn = dn(b"Free Certificates", b"E7")
    authority("field-ec-rsa", rsa_dn, rsa_root, rsa_dn, rsa_root)
    authority("field-ec-root", root_dn, root, root_dn, root, digest="sha384")
    authority("field-ec-bridge", root_dn, root, rsa_dn, rsa_root)
    authority("field-ec-issuing", issuing_dn, issuing, root_dn, root, 0, digest="sha384")
    leaf("field-ec", b"mx.example.org", mail, issuing_dn, issuing, [b"mx.example.org"], staple=True)

    # RSA-4096 everywhere; the leaf is renewed with its key, and once more without
    root, issuing, mail = (Key(f"field-rsa4096-{part}", "rsa4096") for part in ("root", "issuing", "mail"))
    root_dn, issuing_dn = dn(b"Sturdy Hosting B.V.", b"Sturdy Root"), dn(b"Sturdy Hosting B.V.", b"Sturdy R10")
    authority("field-rsa4096-root", root_dn, root, root_dn, root, digest="sha512")
    authority("field-rsa4096-issuing", issuing_dn, issuing, root_dn, root, 0)
    sturdy = [b"mx1.example.org", b"mx.example.org", b"mx2.example.org"]
    leaf("field-rsa4096", b"mx1.example.org", mail, issuing_dn, issuing, sturdy)
    leaf("field-rsa4096-renewed", b"mx1.example.org", mail, issuing_dn, issuing, sturdy, since="260529093000Z",
         until="260827093000Z")
    leaf("field-rsa4096-ended", b"mx1.example.org", mail, issuing_dn, issuing, sturdy, since="260201093000Z",
         until="260502093000Z")
    leaf("field-rsa4096-rekeyed", b"mx1.example.org", Key("field-rsa4096-next", "rsa4096"), issuing_dn, issuing, sturdy)
