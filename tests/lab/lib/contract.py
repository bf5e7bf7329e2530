# SPDX-License-Identifier: GPL-2.0-or-later
"""What every event must look like, whatever the row was about."""

import re

RESULTS = {"verified", "encrypted", "plaintext", "refused", "failed"}
REASONS = set("dns-bogus dns-failure dns-timeout no-starttls starttls-rejected tls-handshake tlsa-mismatch no-usable-tlsa"
              " cert-untrusted cert-name cert-expired mx-mismatch peer-unreachable peer-timeout peer-closed peer-protocol"
              " limit policy".split())
OUTCOMES = {"accepted", "rejected", "deferred", "abandoned"}
LEVELS = {"none", "may", "encrypt", "dane", "dane-only", "verify"}
KINDS = {"delivery", "attempt", "start", "ready", "reload", "stop", "session", "resolver", "warning", "error"}
NEVER_SENT = {"dns-bogus", "no-starttls", "starttls-rejected", "tls-handshake", "tlsa-mismatch", "no-usable-tlsa",
              "cert-untrusted", "cert-name", "cert-expired", "mx-mismatch", "policy"}  # reasons of `refused`
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


def complaints(events, limit=5):
    found = []
    for event in events:
        for text in _event(event):
            found.append(f"{text}: {event}")
    return found[:limit]


def _event(event):
    kind = event.get("event")
    if kind not in KINDS:
        yield f"unknown event {kind!r}"
        return
    if not STAMP.match(str(event.get("ts"))):
        yield "ts is not RFC 3339 in UTC with milliseconds"
    if "level" not in event:
        yield "no level"
    if kind in ("delivery", "attempt"):
        yield from _delivery(event)


def _delivery(event):
    result, reason = event.get("result"), event.get("reason")
    if result not in RESULTS:
        yield f"result {result!r}"
    if result in ("refused", "failed") and reason not in REASONS:
        yield f"reason {reason!r}"
    if (result == "refused" and reason not in NEVER_SENT) or (result == "failed" and reason in NEVER_SENT):
        yield f"reason {reason!r} does not go with {result!r}"
    if event["event"] == "delivery" and event.get("outcome") not in OUTCOMES:
        yield f"outcome {event.get('outcome')!r}"
    if event.get("policy") not in LEVELS:
        yield f"policy {event.get('policy')!r}"
    if result == "refused" and event.get("outcome") == "accepted":
        yield "refused and accepted"
    if result in ("verified", "encrypted") and not event.get("tls"):
        yield f"{result} without tls"
    if result == "plaintext" and event.get("tls"):
        yield "plaintext with tls"
    if result == "verified" and not event.get("tlsa") and event.get("policy") in ("dane", "dane-only"):
        yield "verified by DANE without tlsa"
    domain = event.get("domain")
    if domain is not None and (domain != domain.lower() or domain.endswith(".")):
        yield "domain is not in its canonical form"
    if "reply" in event and not isinstance(event["reply"], int):
        yield "reply is not a number"
