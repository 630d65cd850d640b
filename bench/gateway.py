"""Measures the gateway on this machine, on loopback, before mock upstreams: no figure here knows a real model.

    .venv/bin/python bench/gateway.py [--quick] [--only NAME]... [--soak] [--peers DIR]

JSON on stdout, progress on stderr. Exit codes: 0 every bar passed, 3 one did not, 1 it could not be measured.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script, from anywhere

from bench.rig.lifetime import soak, start
from bench.rig.peers import comparison
from bench.rig.plan import Plan, quick
from bench.rig.processes import BenchFailed
from bench.rig.report import Bar, Details, Noise, Section, commit, document, machine
from bench.rig.streaming import open_streams, streams
from bench.rig.throughput import gateway, guarded, routed, upstream
from bench.rig.upstreams import NGINX
from bench.rig.wrk import WRK

SCENARIOS: dict[str, Callable[[Plan], Section]] = {
    "upstream": upstream,
    "gateway": gateway,
    "guarded": guarded,
    "routed": routed,
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
    if not sys.platform.startswith("linux"):
        print("processes are measured from /proc, which only Linux has", file=sys.stderr)
        return 1
    if missing := needed(chosen):
        print(f"{' and '.join(missing)} not found; on Debian: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="llmctl-bench-", dir=given.scratch) as scratch:
        if given.quick:
            plan = quick(Path(scratch), say, given.soak_seconds, given.peers)
        else:
            plan = Plan(Path(scratch), say, soak_seconds=given.soak_seconds, peers=given.peers)
        return report(plan, chosen)


def report(plan: Plan, chosen: list[str]) -> int:
    """Measure, print, judge. What could not be measured does not keep the rest from being told."""
    facts: Details = {
        "machine": machine(),
        "commit": commit(),
        "figures": FIGURES,
    }
    sections: dict[str, Details] = {}
    bars: list[Bar] = []
    failed = False
    for name in chosen:
        noise = Noise()
        try:
            section = SCENARIOS[name](plan)
        except BenchFailed as error:
            failed = True
            plan.say(f"{name} failed: {error}")
            sections[name] = {"failed": str(error)}
        else:
            sections[name] = {**section.document(), "noise": noise.document()}
            bars += section.bars
    found = msgspec.json.encode(document(sections, bars, facts))
    print(msgspec.json.format(found, indent=2).decode())
    for bar in bars:
        if not bar.passed:
            plan.say(f"below the bar: {bar.name} is {bar.value:,.1f} {bar.unit}, {bar.sense} {bar.bar:,} asked")
    return 1 if failed else 0 if all(bar.passed for bar in bars) else 3


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
