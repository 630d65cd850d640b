"""Drills the gateway's resilience on this machine, on loopback: imitated providers fail, and every answer is checked.

    .venv/bin/python bench/drill.py [--quick] [--only NAME]...

JSON on stdout, progress on stderr. Exit codes: 0 every bar passed, 3 one did not, 1 it could not be measured.
The whole takes a quarter of an hour. What each request met is in the records; of those only sums are shown.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script, from anywhere

from bench.rig.drill_failures import alone, together
from bench.rig.drill_plan import Plan, quick
from bench.rig.drill_promises import deadlines, hedges, sticky
from bench.rig.processes import BenchFailed
from bench.rig.report import Bar, Details, Noise, Section, commit, document, machine

SCENARIOS: dict[str, Callable[[Plan], Section]] = {
    "sticky": sticky,
    "deadlines": deadlines,
    "hedges": hedges,
    "alone": alone,
    "together": together,
}
FIGURES = "all before imitated providers on loopback; no model was called"


def main() -> int:
    """Run what was asked for; the exit code."""
    given = arguments()
    if not sys.platform.startswith("linux"):
        print("processes are measured from /proc, which only Linux has", file=sys.stderr)
        return 1
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="llmctl-drill-", dir=given.scratch) as scratch:
        plan = quick(Path(scratch), say) if given.quick else Plan(Path(scratch), say)
        return report(plan, given.only or list(SCENARIOS))


def report(plan: Plan, chosen: list[str]) -> int:
    """Drill, print, judge. What could not be measured does not keep the rest from being told."""
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
    facts: Details = {"machine": machine(), "commit": commit(), "figures": FIGURES}
    found = msgspec.json.encode(document(sections, bars, facts))
    print(msgspec.json.format(found, indent=2).decode())
    for bar in bars:
        if not bar.passed:
            plan.say(f"missed: {bar.name} is {bar.value:,.3f} {bar.unit}, {bar.sense} {bar.bar:,} asked")
    return 1 if failed else 0 if all(bar.passed for bar in bars) else 3


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Lets imitated providers fail before the gateway; prints JSON.")
    parser.add_argument("--quick", action="store_true", help="a sixth of the requests")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--scratch", type=Path, default=Path("/var/tmp"), metavar="DIR", help="a folder on a real disk")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
