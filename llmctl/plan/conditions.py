"""Conditions that fail a plan: `blocked>1%`, `cost>+5%`, `latency>0.2s`, `no_support`.

What cannot be ruled out counts: of `>` the interval's upper limit decides, of `<` the lower one, and a figure that was
asked for and cannot be told fails. Where nothing that the figure goes by differs, it is 0.
"""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from llmctl.plan.report import Check, Figure, Plan

FIGURES = {
    "model": ("routes", "model changes"),
    "cost": ("routes", "cost"),
    "latency": ("routes", "latency"),
    "ttft": ("routes", "time to first token"),
    "answered": ("routes", "answered"),
    "score": ("routes", "score"),
    "refused": ("routes", "requests refused"),
    "blocked": ("guardrails", "newly blocked"),
    "unblocked": ("guardrails", "no longer blocked"),
    "redacted": ("guardrails", "newly redacted"),
    "unredacted": ("guardrails", "no longer redacted"),
    "limited": ("limits", "newly limited"),
    "unlimited": ("limits", "no longer limited"),
    "hits_gained": ("cache", "hits gained"),
    "hits_lost": ("cache", "hits lost"),
    "prompt": ("compress", "prompt tokens"),
}
NO_SUPPORT, NOT_EVALUATED = "no_support", "not_evaluated"
_FORM = re.compile(r"\s*([a-z_]+)\s*(?:([<>])\s*([+-]?\d+(?:\.\d+)?)\s*(%|s|ms|\$|usd)?)?\s*", re.IGNORECASE)


class Condition(NamedTuple):
    """A figure's name and the value beyond which it fails; `relative`: of what it is under OLD. No side: no number."""

    text: str
    name: str
    above: bool = True
    value: float = 0.0
    relative: bool = False
    bare: bool = False


def condition(text: str) -> Condition:
    """Reads one. Raises ValueError."""
    found = _FORM.fullmatch(text)
    name = found[1].lower() if found else ""
    if found is None or (name not in FIGURES and name not in (NO_SUPPORT, NOT_EVALUATED)):
        known = ", ".join((*FIGURES, NO_SUPPORT, NOT_EVALUATED))
        raise ValueError(f"{text!r} is no condition: write one such as 'blocked>1%' or 'cost>+5%', of {known}")
    if name in (NO_SUPPORT, NOT_EVALUATED):
        if found[2]:
            raise ValueError(f"{text!r}: {name} takes no number")
        return Condition(text, name, bare=True)
    if not found[2]:
        raise ValueError(f"{text!r} says no limit: write {name}>1%")
    value, unit = float(found[3]), (found[4] or "").lower()
    shares = name not in ("cost", "latency", "ttft", "prompt", "score")
    if unit == "%":
        return Condition(text, name, found[2] == ">", value / 100, relative=not shares)
    if unit == "ms":
        value /= 1000
    return Condition(text, name, found[2] == ">", value)


def checks(plan: Plan, conditions: Iterable[Condition]) -> list[Check]:
    """Every condition, and whether it fails."""
    return [_check(plan, one) for one in conditions]


def _check(plan: Plan, one: Condition) -> Check:
    if one.bare:
        told = "no support" if one.name == NO_SUPPORT else "not evaluated"
        found = [figure.name for stage in plan.stages for figure in stage.figures if figure.told == told]
        if one.name == NOT_EVALUATED:
            found += [stage.name for stage in plan.stages if stage.status == told]
        return Check(one.text, bool(found), f"{told}: {', '.join(dict.fromkeys(found))}" if found else "nothing")
    stage_name, figure_name = FIGURES[one.name]
    stage = next((stage for stage in plan.stages if stage.name == stage_name), None)
    if stage is None or stage.status == "unchanged":
        return _compared(one, 0.0, "nothing differs that it goes by")
    figure = next((figure for figure in stage.figures if figure.name == figure_name), None)
    if figure is None:
        absent = one.name == "refused" and stage.status == "evaluated"
        return _compared(one, 0.0, "no request") if absent else Check(one.text, True, f"cannot be told: {stage.why}")
    return _limit(one, figure)


def _limit(one: Condition, figure: Figure) -> Check:
    if figure.estimate is None:
        return Check(one.text, True, f"cannot be told: {figure.note}")
    values: Sequence[float | None] = (figure.estimate, figure.low, figure.high)
    if one.relative:
        if figure.relative is None:
            return Check(one.text, True, "cannot be told: under OLD it is 0, so that there is no share of it")
        values = figure.relative
    limit = values[2] if one.above else values[1]
    side = "upper" if one.above else "lower"
    if limit is None:
        return Check(one.text, True, f"the {side} limit cannot be told: {figure.note}")
    return _compared(one, limit, f"{side} limit {limit:+.4g}")


def _compared(one: Condition, limit: float, why: str) -> Check:
    failed = limit > one.value if one.above else limit < one.value
    return Check(one.text, failed, why)
