"""Drills the gateway's resilience on this machine, on loopback: imitated providers fail, and every answer is checked.

    .venv/bin/python bench/drill.py [--quick] [--only NAME]...

JSON on stdout, progress on stderr. Exit codes: 0 every bar passed, 3 one did not, 1 it could not be measured.
The whole takes a quarter of an hour. What each request met is in the records; of those only sums are shown.
"""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))  # run as a script, from anywhere

from bench.rig.drill_failures import alone, together
from bench.rig.drill_plan import Plan, quick
from bench.rig.drill_promises import deadlines, hedges, sticky
from bench.rig.report import Section
from bench.rig.runner import run

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
    plan = quick if given.quick else Plan
    return run(plan, given.scratch, SCENARIOS, given.only or list(SCENARIOS), FIGURES)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description="Lets imitated providers fail before the gateway; prints JSON.")
    parser.add_argument("--quick", action="store_true", help="a sixth of the requests")
    parser.add_argument("--only", action="append", choices=SCENARIOS, metavar="NAME", help=", ".join(SCENARIOS))
    parser.add_argument("--scratch", type=Path, default=Path("/var/tmp"), metavar="DIR", help="a folder on a real disk")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
