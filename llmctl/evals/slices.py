"""Slices: the difference among the items that have one value in a column, corrected for there being many."""

import json
from dataclasses import replace
from typing import Any

from llmctl.evals.comparison import Estimate
from llmctl.evals.measured import Measured
from llmctl.evals.paired_metric import Found, Method, paired
from llmctl.evals.pairing import pairs
from llmctl.evals.suite import DecisionConfig
from llmctl.evals.verdicts import judge
from llmctl.statistics.decide import benjamini_hochberg

MOST = 50  # values of one column, those with the most items
LEAST = 10
TOO_FEW = f"fewer than {LEAST} items: too few to say anything"


def slices(a: Measured, b: Measured, config: DecisionConfig, method: Method) -> list[Estimate]:
    """An estimate for each value of each of `decide.slices`, named `column=value`, those of a column together.

    Verdicts are corrected over all of them by Benjamini and Hochberg; where they were looked at while they came, alpha
    is shared out instead. Values with fewer than 10 items are listed without an estimate, and those beyond the 50
    largest of a column in one line.
    """
    groups: dict[str, list[str]] = {}
    listed: list[Estimate] = []
    for column in config.slices:
        for name, items in _groups(a, b, column).items():
            if len(items) < LEAST:
                listed.append(_untold(name, len(items), TOO_FEW))
            else:
                groups[name] = items
    if not groups:
        return listed
    if method.horizon is not None:
        alpha = (1 - method.confidence) / len(groups)
        method = Method(1 - alpha, method.seed, method.one_sided, method.horizon)
    sliced = {name: _paired(a, b, items, method) for name, items in groups.items()}
    raw = [found.p for found in sliced.values() if found.p is not None]
    adjusted: list[float | None] = [*map(float, benjamini_hochberg(raw))] if raw else [None] * len(sliced)
    told = [
        _estimate(a, b, name, groups[name], found, config, p)
        for (name, found), p in zip(sliced.items(), adjusted, strict=True)
    ]
    return told + listed


def _groups(a: Measured, b: Measured, column: str) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for item in a.values:
        if item in b.values:
            found.setdefault(f"{column}={_written(a.columns[item].get(column))}", []).append(item)
    largest = sorted(found, key=lambda name: -len(found[name]))
    kept = {name: found[name] for name in largest[:MOST]}
    if len(largest) > MOST:
        kept[f"{column}: {len(largest) - MOST} smaller values"] = []
    return kept


def _paired(a: Measured, b: Measured, items: list[str], method: Method) -> Found:
    both = pairs(_only(a, items), _only(b, items))
    return paired(both.a, both.b, both.clusters, method)


def _only(side: Measured, items: list[str]) -> Measured:
    return replace(side, values={item: side.values[item] for item in items})


def _estimate(
    a: Measured, b: Measured, name: str, items: list[str], found: Found, config: DecisionConfig, p: float | None
) -> Estimate:
    means = pairs(_only(a, items), _only(b, items)).means(config.confidence)
    verdict = judge(found.difference, config, p=p, one_sided=found.one_sided, items=len(items))
    return Estimate(name, "slice", "", "more", *means, found.difference, len(items), (0, 0), found.p, verdict)


def _untold(name: str, items: int, note: str) -> Estimate:
    return Estimate(name, "slice", "", "more", None, None, None, items, note=note)


def _written(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "(none)" if value is None else json.dumps(value, ensure_ascii=False, default=str)
