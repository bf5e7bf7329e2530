#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`danegate rules` against a real kernel, in network namespaces of its own. Run as root. The tests are in rules/.

usage: rules_test.py [DANEGATE [ORIGINAL_DESTINATION_PROBE]]      last line: N passed, N failed
       rules_test.py --table                                      writes the table of combinations into README.md
environment: VARIANTS: of "nft legacy nftables", SCOPES: of "output gateway edge"
"""
import os
import shutil
import sys

from rules import bookkeeping, closed, combinations, edge, errors, gateway, host, neighbours, nft_bookkeeping, redirection, squatting
from rules.kernel import Server, check, names, results, side_by_side

VARIANTS = os.environ.get("VARIANTS", "nft legacy nftables").split()
SCOPES = os.environ.get("SCOPES", "output gateway edge").split()


def output(variant):
    """This machine's own connections."""
    print("== output, " + variant)
    host.build()
    lab = host.Lab(variant)
    sinks = [Server(host.NET, 0, "0.0.0.0", 25), Server(host.NET, 0, "::", 25)]
    try:
        (nft_bookkeeping if variant == "nftables" else bookkeeping).run(lab)
        redirection.run(lab)
        closed.run(lab, sinks)
        squatting.run(lab)
        errors.run(lab)
        neighbours.run_host(lab)
        if variant == "nft":
            errors.run_two_variants(lab)
        if variant == "nftables":
            nft_bookkeeping.run_other_backend(lab)
    finally:
        for sink in sinks:
            sink.stop()
        shutil.rmtree(lab.folder)
        host.clean()


def main():
    if sys.argv[1:] == ["--table"]:
        return combinations.write()
    if os.geteuid() != 0:
        sys.exit("rules_test.py makes network namespaces: run it as root")
    try:
        for variant in VARIANTS if "output" in SCOPES else []:
            output(variant)
        if "gateway" in SCOPES:
            for variant in VARIANTS:
                foreign = "%s, foreign rules" % gateway.BACKENDS[variant]
                side_by_side([*gateway.parts(variant), lambda: gateway.staged(variant[-1] + "f", foreign, lambda _: neighbours.run_gateway(variant))])
            if set(VARIANTS) == set(gateway.BACKENDS):
                wrong = combinations.complaints(names)
                check("every combination that the contract allows has its checks (README.md)", not wrong, wrong)
        if "edge" in SCOPES:
            edge.run()
    except Exception as error:
        check("the test itself", False, error)
        raise
    finally:
        host.clean()
        gateway.clean()
        print("%d passed, %d failed" % (results[True], results[False]))
    return sys.exit(1 if results[False] else 0)


if __name__ == "__main__":
    main()
