# SPDX-License-Identifier: GPL-2.0-or-later
"""No usable DANE: what `policy.no_tlsa` and the levels allow, and not more."""

from lib.table import Host, Row

STRIPPED = {"extensions": ["PIPELINING", "8BITMIME", "SIZE 0"]}


def encrypted(name, hosts, **fields):
    event = {"result": "encrypted", "outcome": "accepted", **fields.pop("event", {})}
    return Row(name, hosts, event=event, **fields)


def plaintext(name, script, **fields):
    event = {"result": "plaintext", "outcome": "accepted", **fields.pop("event", {})}
    return Row(name, [Host("evil", script=script)], event=event, plaintext=True, **fields)


def refused(name, hosts, reply, reason, result="refused", **fields):
    return Row(name, hosts, status="deferred", reply=reply, event={"result": result, "reason": reason}, **fields)


JUDGED = True

ROWS = [
    encrypted("no-tlsa-postfix", [Host("mx1")], event={"mx_secure": True}),
    encrypted("no-tlsa-exim", [Host("mx2")]),
    encrypted("unsigned-domain", [Host("mx1", zone="plain")], zone="plain", event={"mx_secure": False}),
    # insecure TLSA is no TLSA (RFC 7672 section 2.2)
    encrypted("unsigned-tlsa-wrong", [Host("mx1", ("3 1 1 other",), zone="plain")], zone="plain"),
    encrypted("island-tlsa-wrong", [Host("mx1", ("3 1 1 other",), zone="island")], zone="island"),
    # secure records, none usable: TLS yes, authentication impossible (RFC 7672 section 2.2)
    encrypted("pkix-usages-only", [Host("mx1", ("1 1 1", "0 0 1"))]),
    encrypted("unknown-parameters", [Host("mx1", ("3 1 9 abcdef", "3 7 1 " + "00" * 32))]),
    refused("unusable-stripped", [Host("evil", ("1 1 1 mx1",), script=STRIPPED)], r"451 4\.7\.4 .*danegate", "no-starttls"),
    # insecure MX, host in a signed zone (RFC 7672 section 2.2.1): the host is authenticated, not the domain
    encrypted("insecure-mx", [Host("mx1", ("3 1 1",))], zone="plain", event={"mx_secure": False, "tlsa": "3 1 1"}),
    refused("insecure-mx-mismatch", [Host("mx1", ("3 1 1 other",))], r"451 4\.7\.5 .*danegate", "tlsa-mismatch", zone="plain"),
    refused("insecure-mx-stripped", [Host("evil", ("3 1 1 mx1",), script=STRIPPED)], r"451 4\.7\.4 .*danegate",
            "no-starttls", zone="plain"),
    plaintext("plaintext-peer", {"extensions": []}),
    plaintext("plaintext-unsigned", {"extensions": ["PIPELINING"]}, zone="plain"),
    plaintext("starttls-refused-may", {"starttls": "454 4.7.0 not now"}),
    plaintext("handshake-broken-may", {"handshake": "garbage"}, judge=("deferred", "no-retry-in-plaintext")),
    plaintext("handshake-closed-may", {"handshake": "close"}, judge=("deferred", "no-retry-in-plaintext")),
    plaintext("ehlo-refused-may", {"replies": {"EHLO": "502 5.5.1 never heard of"}}),
    encrypted("certificate-does-not-count", [Host("evil")]),
    plaintext("level-none", {}, policy={"level": "none"}),
    encrypted("level-may", [Host("evil")], policy={"level": "may"}),
    encrypted("level-encrypt", [Host("evil")], policy={"level": "encrypt"}),
    refused("level-encrypt-stripped", [Host("evil", script=STRIPPED)], r"451 4\.7\.4 ", "no-starttls",
            policy={"level": "encrypt"}),
    refused("level-encrypt-handshake", [Host("evil", script={"handshake": "alert"})], r"451 4\.7\.5 ", "tls-handshake",
            policy={"level": "encrypt"}),
    refused("no-tlsa-encrypt-stripped", [Host("evil", script=STRIPPED)], r"451 4\.7\.4 ", "no-starttls", profile="encrypt"),
    encrypted("no-tlsa-encrypt", [Host("mx1")], profile="encrypt"),
    refused("dane-only-without", [Host("mx1")], r"451 4\.7\.4 ", "no-usable-tlsa", policy={"level": "dane-only"}),
    refused("dane-only-unusable", [Host("mx1", ("1 1 1",))], r"451 4\.7\.4 ", "no-usable-tlsa", policy={"level": "dane-only"}),
    refused("dane-only-insecure-mx", [Host("mx1", ("3 1 1",))], r"451 4\.7\.4 ", "policy", zone="plain",
            policy={"level": "dane-only"}),
    refused("verify-untrusted", [Host("evil")], r"451 4\.7\.5 ", "cert-untrusted", policy={"level": "verify"}),
    refused("verify-name", [Host("evil", script={"cert": "nameless"})], r"451 4\.7\.5 ", "cert-name",
            policy={"level": "verify"}),
    refused("verify-stripped", [Host("evil", script=STRIPPED)], r"451 4\.7\.4 ", "no-starttls", policy={"level": "verify"}),
]
