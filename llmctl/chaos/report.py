"""What a set of experiments comes to: uptime with its lower limit, a table, and everything as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from llmctl.chaos.experiment import EVERY
from llmctl.chaos.outcome import Outcome
from llmctl.statistics.wilson import limits

UPTIME = 0.999
"""Must be answered where one sound provider remains, which is where an experiment's own bar is at least this."""


def sound(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those that ran, in which somebody could and should have answered throughout."""
    return [one for one in outcomes if one.requests and one.counts and one.bar >= UPTIME]


def uptime(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Answered share where one sound provider remained, and its two-sided 95% interval (Wilson); None without any."""
    own = sound(outcomes)
    requests, answered = sum(one.requests for one in own), sum(one.answered for one in own)
    if not requests:
        return {"requests": 0, "answered": 0, "share": None, "low": None, "high": None, "experiments": 0}
    share = answered / requests
    low, high = limits(share, requests)
    figures = {"share": share, "low": low, "high": high, "confidence": 0.95, "method": "wilson"}
    return {"requests": requests, "answered": answered, **figures, "bar": UPTIME, "experiments": len(own)}


def held(outcomes: Sequence[Outcome]) -> bool:
    """Whether every experiment ran and passed, and the uptime of all is what it must be."""
    share = uptime(outcomes)["share"]
    return bool(outcomes) and all(one.passed for one in outcomes) and (share is None or share >= UPTIME)


def document(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Everything, JSON-ready."""
    return {
        "passed": held(outcomes),
        "uptime": uptime(outcomes),
        "seconds": round(sum(one.seconds for one in outcomes), 1),
        "experiments": [_one(one) for one in outcomes],
    }


def _one(outcome: Outcome) -> dict[str, Any]:
    return {
        "name": outcome.name,
        "description": outcome.description,
        "status": outcome.status,
        "seconds": round(outcome.seconds, 1),
        "requests": outcome.requests,
        "answered": outcome.answered,
        "share": outcome.share,
        "low": outcome.low,
        "bar": outcome.bar,
        "trouble": outcome.trouble,
        "invariants": {name: outcome.broken.get(name, []) for name in EVERY} if outcome.requests else None,
        "figures": outcome.figures,
        "steady_state": {
            "before": [asdict(one) | {"met": one.met} for one in outcome.before],
            "after": [asdict(one) | {"met": one.met} for one in outcome.after],
        },
        "run": [asdict(one) for one in outcome.run],
        "rollbacks": [asdict(one) for one in outcome.rollbacks],
    }


HEADER = ("experiment", "status", "answered", "at least", "p95", "calls", "time")


def row(outcome: Outcome) -> tuple[str, ...]:
    """One experiment in the table's columns."""
    if not outcome.requests:
        return outcome.name, outcome.status, "-", "-", "-", "-", f"{outcome.seconds:.0f} s"
    return (
        outcome.name,
        outcome.status,
        f"{outcome.answered}/{outcome.requests}",
        f"{outcome.low:.3%}",
        f"{outcome.figures.get('p95_ms', 0):.0f} ms",
        f"{outcome.figures.get('calls_per_request', 0):.2f}",
        f"{outcome.seconds:.0f} s",
    )


def lines(outcomes: Sequence[Outcome]) -> list[str]:
    """The table, what did not hold, and the uptime, for people."""
    rows = [HEADER, *map(row, outcomes)]
    widths = [max(len(one[at]) for one in rows) for at in range(len(HEADER))]
    said = ["  ".join(cell.ljust(width) for cell, width in zip(one, widths, strict=True)).rstrip() for one in rows]
    for outcome in outcomes:
        said += [f"{outcome.name}: {one}" for one in outcome.trouble]
    figures = uptime(outcomes)
    if figures["share"] is not None:
        said.append(
            f"uptime where one sound provider remained: {figures['share']:.4%}, at least {figures['low']:.4%} "
            f"({figures['answered']} of {figures['requests']} requests; Wilson, 95%)"
        )
    return said
