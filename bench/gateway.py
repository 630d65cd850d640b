"""Measures the gateway on this machine, on loopback, before mock upstreams: no figure here knows a real model.

    .venv/bin/python bench/gateway.py [--quick] [--only NAME]... [--soak] [--peers DIR]

JSON on stdout, progress on stderr. Exit codes: 0 every bar passed, 3 one did not, 1 it could not be measured.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script, from anywhere

from bench.rig.cached import cached
from bench.rig.lifetime import soak, start
from bench.rig.observed import observed
from bench.rig.peers import comparison
from bench.rig.plan import Plan, quick
from bench.rig.report import Section
from bench.rig.runner import Say, run
from bench.rig.streaming import open_streams, streams
from bench.rig.throughput import gateway, guarded, routed, upstream
from bench.rig.upstreams import NGINX
from bench.rig.wrk import WRK

SCENARIOS: dict[str, Callable[[Plan], Section]] = {
    "upstream": upstream,
    "gateway": gateway,
    "guarded": guarded,
    "routed": routed,
    "cached": cached,
    "observed": observed,
    "streams": streams,
    "open_streams": open_streams,
    "start": start,
    "soak": soak,
    "comparison": comparison,
}
FIGURES = "all before mock upstreams on loopback; no model was called"
WITHOUT_WRK = {"streams", "open_streams", "start"}


def main() -> int:
    """Run what was asked for; the exit code."""
    given = arguments()
    chosen = given.only or [name for name in SCENARIOS if name != "soak" and not (given.quick and name == "comparison")]
    if given.soak and "soak" not in chosen:
        chosen.append("soak")
    if missing := needed(chosen):
        print(f"{' and '.join(missing)} not found; on Debian: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1

    def plan(scratch: Path, say: Say) -> Plan:
        if given.quick:
            return quick(scratch, say, given.soak_seconds, given.peers)
        return Plan(scratch, say, soak_seconds=given.soak_seconds, peers=given.peers)

    return run(plan, given.scratch, SCENARIOS, chosen, FIGURES)


def needed(chosen: list[str]) -> list[str]:
    """Programs that these scenarios need and that are not here."""
    if set(chosen) <= WITHOUT_WRK:
        return []
    return [name for name, path in (("wrk", WRK), ("nginx", NGINX)) if path is None]


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Measures the gateway before mock upstreams; prints JSON.")
    parser.add_argument("--quick", action="store_true", help="shorter and rougher, without the comparison")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--soak", action="store_true", help="also half load for --soak-seconds")
    parser.add_argument("--soak-seconds", type=float, default=600.0, metavar="S")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="where peers are installed: see bench/rig/peers.py")
    parser.add_argument("--scratch", type=Path, default=Path("/var/tmp"), metavar="DIR", help="a folder on a real disk")
    given = parser.parse_args()
    if given.peers is not None:
        given.peers = given.peers.resolve()
    return given


if __name__ == "__main__":
    sys.exit(main())
