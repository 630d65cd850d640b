"""Runs scenarios one after the other, prints the document, judges its bars."""

import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import msgspec

from bench.rig.processes import BenchFailed
from bench.rig.report import Bar, Details, Noise, Section, commit, document, machine

Say = Callable[[str], None]


class Telling(Protocol):
    """A plan, as far as the runner knows it."""

    @property
    def say(self) -> Say:
        """Tells progress."""
        ...


P = TypeVar("P", bound=Telling)


def run(
    planned: Callable[[Path, Say], P],
    scratch: Path,
    scenarios: Mapping[str, Callable[[P], Section]],
    chosen: Sequence[str],
    figures: str,
) -> int:
    """Run what was chosen with what `planned` makes of a folder under `scratch`; the exit code."""
    if not sys.platform.startswith("linux"):
        print("processes are measured from /proc, which only Linux has", file=sys.stderr)
        return 1
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - began:6.1f} s] {what}", file=sys.stderr, flush=True)

    with tempfile.TemporaryDirectory(prefix="llmctl-bench-", dir=scratch) as folder:
        return report(planned(Path(folder), say), {name: scenarios[name] for name in chosen}, figures)


def report(plan: P, scenarios: Mapping[str, Callable[[P], Section]], figures: str) -> int:
    """Measure, print, judge. What could not be measured does not keep the rest from being told.

    0: every bar passed; 3: one did not; 1: something could not be measured.
    """
    facts: Details = {"machine": machine(), "commit": commit(), "figures": figures}
    sections: dict[str, Details] = {}
    bars: list[Bar] = []
    failed = False
    for name, scenario in scenarios.items():
        noise = Noise()
        try:
            section = scenario(plan)
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
            plan.say(f"missed: {bar.name} is {bar.value:,.3f} {bar.unit}, {bar.sense} {bar.bar:,} asked")
    return 1 if failed else 0 if all(bar.passed for bar in bars) else 3
