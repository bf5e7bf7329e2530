# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates of the lab, made by openssl(1), and the TLSA data that fits them."""

import copy
import functools
import hashlib
import os
import subprocess

from .node import write

DIGESTS = {1: hashlib.sha256, 2: hashlib.sha512}
PAST, FUTURE = ("20250101000000Z", "20250201000000Z"), ("20980101000000Z", "20990101000000Z")
KEYS = {
    "EC": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    "P384": ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    "RSA": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    "RSA4096": ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:4096"],
    "ED25519": ["-algorithm", "ED25519"],
}
CA = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n"
SERVER = "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\nextendedKeyUsage=serverAuth\n"
VECTORS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../vectors/certs")


def openssl(*args, stdin=None):
    done = subprocess.run(["openssl", *args], input=stdin, capture_output=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"openssl {' '.join(args)}: {done.stderr.decode()}")
    return done.stdout


def record(usage, selector, mtype, data):
    return f"{usage} {selector} {mtype} {(DIGESTS[mtype](data).digest() if mtype else data).hex()}"


class Certificate:
    """key, cert: PEM files; chain: what a server presents, its issuer (the anchor) included unless it is self-signed.

    names: DNS-IDs; cn: default the label; extensions: instead of those of a server or a CA; dates: (from, until)"""

    raw = False  # see Vector

    def __init__(self, directory, label, names=(), issuer=None, is_ca=False, key_type="EC", dates=None, digest="sha256",
                 cn=None, extensions=None):
        self.directory = directory
        self.key = f"{directory}/{label}.key"
        self.cert = f"{directory}/{label}.pem"
        self.chain = f"{directory}/{label}.chain.pem"
        self.issuer = issuer
        self.key_type = key_type
        openssl("genpkey", *KEYS[key_type], "-out", self.key)
        # A subject alone when there are no names: the issuer's name must differ from the leaf's.
        request = openssl("req", "-new", "-key", self.key, "-subj", f"/CN={cn or label}")
        text = extensions or (CA if is_ca else SERVER)
        if names:
            text += "subjectAltName=" + ",".join(f"DNS:{name}" for name in names) + "\n"
        write(f"{directory}/{label}.ext", text)
        md = [] if (issuer or self).key_type == "ED25519" else [f"-{digest}"]
        if dates:
            self._sign_for(dates, directory, label, request)
        else:
            signer = ["-signkey", self.key] if issuer is None else ["-CA", issuer.cert, "-CAkey", issuer.key,
                                                                    "-CAcreateserial"]
            openssl("x509", "-req", *md, "-days", "30", *signer, "-extfile", f"{directory}/{label}.ext", "-out", self.cert,
                    stdin=request)
        self._write_chain(self.issuers())

    def issuers(self):
        found, link = [], self.issuer
        while link is not None:
            found.append(link)
            link = link.issuer
        return found

    def _write_chain(self, others):
        with open(self.chain, "wb") as out:
            for link in [self, *others]:
                with open(link.cert, "rb") as part:
                    out.write(part.read())

    def presented(self, label, others):
        """The same certificate and key, with these certificates behind it."""
        other = copy.copy(self)
        other.chain = f"{self.directory}/{label}.chain.pem"
        other._write_chain(others)
        return other

    def _sign_for(self, dates, directory, label, request):
        """openssl x509 dates from today; only openssl ca takes dates as they come."""
        base = f"{directory}/{label}"
        write(f"{base}.db", "")
        write(f"{base}.serial", "4242\n")
        write(f"{base}.req", request.decode())
        write(f"{base}.cnf", f"[ca]\ndefault_ca = this\n[this]\ndatabase = {base}.db\nserial = {base}.serial\n"
              f"new_certs_dir = {directory}\ndefault_md = sha256\npolicy = any\n[any]\ncommonName = supplied\n")
        signer = ["-selfsign", "-keyfile", self.key]
        if self.issuer:
            signer = ["-cert", self.issuer.cert, "-keyfile", self.issuer.key]
        openssl("ca", "-batch", "-notext", "-config", f"{base}.cnf", *signer, "-startdate", dates[0], "-enddate", dates[1],
                "-extfile", f"{base}.ext", "-in", f"{base}.req", "-out", self.cert)

    @functools.cache
    def tlsa(self, usage, selector, mtype, leaf=False):
        """Record data as in a zone file. For usages 0 and 2 the record of the topmost issuer, unless `leaf`."""
        subject = self
        if usage in (0, 2) and not leaf and self.issuer:
            subject = self.issuers()[-1]
        if selector == 0:
            data = openssl("x509", "-in", subject.cert, "-outform", "DER")
        else:
            public = openssl("x509", "-in", subject.cert, "-noout", "-pubkey")
            data = openssl("pkey", "-pubin", "-outform", "DER", stdin=public)
        return record(usage, selector, mtype, data)


class Vector:
    """A certificate of tests/vectors that no TLS server would load by itself: two readers see two keys in it. `key` is the
    one that the TLS library sees; records are of the victim's certificate, or of `spki`."""

    raw = True

    def __init__(self, directory, label, spki=None):
        self.chain = f"{VECTORS}/{label}.der"
        self.key = f"{directory}/{label}.key.der"
        self.spki = spki
        seed = hashlib.sha256(b"danegate test key other").digest()  # as in tests/vectors/generate
        with open(self.key, "wb") as out:
            out.write(bytes.fromhex("302e020100300506032b657004220420") + seed)

    @functools.cache
    def tlsa(self, usage, selector, mtype, leaf=False):
        del leaf
        if self.spki:
            with open(f"{VECTORS}/{self.spki}.der", "rb") as file:
                return record(usage, selector, mtype, file.read())
        public = openssl("x509", "-inform", "DER", "-in", f"{VECTORS}/leaf.der", "-noout", "-pubkey")
        return record(usage, selector, mtype, openssl("pkey", "-pubin", "-outform", "DER", stdin=public))


def recipes(zone):
    """label → function(pki, make) that gives the certificate; make(…) is Certificate(…) under that label."""
    scripted = [f"*.evil.{zone}"]
    surplus = [f"host{n}.many-names.example" for n in range(400)]

    def below(issuer, **fields):
        return lambda pki, make: make(scripted, issuer=getattr(pki, issuer), **fields)

    def again(leaf, *others):
        return lambda pki, make: getattr(pki, leaf).presented(make.label, [getattr(pki, other) for other in others])

    def authority(issuer=None, **fields):
        return lambda pki, make: make(issuer=issuer and getattr(pki, issuer), is_ca=True, **fields)

    return {
        "ca": authority(),
        "other_ca": authority(),
        "mx1": lambda pki, make: make(["mx1.lab", f"*.mx1.{zone}"], key_type="RSA"),
        "mx2": lambda pki, make: make(["mx2.lab", f"*.mx2.{zone}"], issuer=pki.ca),
        "mx3": lambda pki, make: make(["mx3.lab", f"*.mx3.{zone}"]),
        "mx4": lambda pki, make: make(["mx4.lab", f"*.mx4.{zone}"]),
        # The attacker's: right names, wrong key and an issuer that nobody published.
        "evil": lambda pki, make: make(["evil.lab", *scripted, f"*.mx1.{zone}"], issuer=pki.other_ca),
        # A peer that is scripted but not hostile.
        "peer": lambda pki, make: make(["peer.lab", *scripted], issuer=pki.ca),
        "nameless": lambda pki, make: make(["somebody-else.example"], issuer=pki.ca),
        "expired": below("ca", dates=PAST),
        "not_yet": below("ca", dates=FUTURE),
        "self_signed": lambda pki, make: make(scripted),
        # The true CA behind a leaf that it did not sign.
        "pasted": lambda pki, make: make(scripted, issuer=pki.other_ca).presented(make.label, [pki.other_ca, pki.ca]),
        # chains
        "alone": again("peer"),
        "sub_ca": authority("ca"),
        "deep": below("sub_ca"),
        "deep_reversed": again("deep", "ca", "sub_ca"),
        "deep_without_root": again("deep", "sub_ca"),
        "deep_alone": again("deep"),
        "deep_surplus": again("deep", "other_ca", "ca", "mx1", "sub_ca", "sub_ca"),
        "sub_expired": authority("ca", dates=PAST),
        "below_expired": below("sub_expired"),
        "sub_not_ca": authority("ca", extensions="basicConstraints=critical,CA:FALSE\nkeyUsage=critical,keyCertSign\n"),
        "below_not_ca": below("sub_not_ca"),
        "sub_no_sign": authority("ca", extensions="basicConstraints=critical,CA:TRUE\nkeyUsage=critical,digitalSignature\n"),
        "below_no_sign": below("sub_no_sign"),
        "sub_constrained": authority("ca", extensions=CA + "nameConstraints=critical,permitted;DNS:example.org\n"),
        "below_constrained": below("sub_constrained"),
        "sub_fitting": authority("ca", extensions=CA + f"nameConstraints=critical,permitted;DNS:{zone}\n"),
        "below_fitting": below("sub_fitting"),
        "short_ca": authority(extensions=CA.replace("CA:TRUE", "CA:TRUE,pathlen:0")),
        "sub_too_deep": authority("short_ca"),
        "below_too_deep": below("sub_too_deep"),
        "old_ca": authority(dates=PAST),
        "below_old_ca": below("old_ca"),
        "sub_sha1": authority("ca", digest="sha1"),
        "below_sha1": below("sub_sha1"),
        # names
        "cn_wildcard": lambda pki, make: make(issuer=pki.ca, cn=scripted[0]),
        "cn_host": lambda pki, make: make(issuer=pki.ca, cn=f"ta-cn-only.evil.{zone}"),
        "cn_beside": lambda pki, make: make(["somebody-else.example"], issuer=pki.ca, cn=f"ta-cn-beside-dns.evil.{zone}"),
        "wildcard_above": lambda pki, make: make([f"*.{zone}"], issuer=pki.ca),
        "wildcard_partial": lambda pki, make: make([f"ta-*.evil.{zone}"], issuer=pki.ca),
        "next_hop": lambda pki, make: make([f"ta-next-hop.{zone}", "ta-next-hop-insecure.plain.lab"], issuer=pki.ca),
        "alias_target": lambda pki, make: make([f"ta-alias-{n}-alias.{zone}" for n in ("target", "broken")], issuer=pki.ca),
        "alias_source": lambda pki, make: make([f"ta-alias-source.{zone}"], issuer=pki.ca),
        # algorithms and sizes
        "rsa_ca": authority(key_type="RSA"),
        "md5": below("rsa_ca", digest="md5"),
        "sha1": below("rsa_ca", digest="sha1"),
        "rsa4096": below("ca", key_type="RSA4096"),
        "many_names": lambda pki, make: make(surplus + scripted, issuer=pki.ca, key_type="RSA"),
        "p384": below("ca", key_type="P384"),
        "ed25519": below("ca", key_type="ED25519"),
        "ed25519_ca": authority(key_type="ED25519"),
        "below_ed25519": below("ed25519_ca", key_type="ED25519"),
        "client_only": below("ca", extensions=SERVER.replace("serverAuth", "clientAuth")),
        # security.md rule 1
        "differential_version": lambda pki, make: Vector(pki.directory, "differential-version"),
        "differential_validity": lambda pki, make: Vector(pki.directory, "differential-validity"),
        "differential_own": lambda pki, make: Vector(pki.directory, "differential-validity", "attacker.spki"),
    }


class Pki:
    """The certificates of a run, each made when it is first asked for."""

    def __init__(self, directory, zone):
        os.makedirs(directory, exist_ok=True)
        os.chmod(directory, 0o755)
        self.directory = directory
        self._recipes = recipes(zone)
        for label in ("ca", "mx1", "mx2"):  # before there are threads
            getattr(self, label)

    def __getattr__(self, label):
        if label.startswith("_") or label not in self._recipes:
            raise AttributeError(label)
        make = functools.partial(Certificate, self.directory, label)
        make.label = label
        certificate = self._recipes[label](self, make)
        setattr(self, label, certificate)
        return certificate
