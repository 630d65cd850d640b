"""From families to the overview: cache, guards, budgets, models, records, and several workers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from llmctl.gateway.reload import Live
from llmctl.net.transport import Request
from llmctl.server.console.history import History
from llmctl.server.console.overview import Overview
from llmctl.server.console.snapshot import take
from llmctl.server.console.summary import facts, overview
from llmctl.telemetry.semconv import VERSIONS
from llmctl.telemetry.series import Families, Family, Kind, merged
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedResponse, PlayedTransport, Remember, surroundings

NAMES = VERSIONS["gen_ai/1"]
CONFIG = """
server: {workers: 1}
providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}
models: {small: {provider: up}, large: {provider: up}}
budgets: {dir: budgets, limits: {team: {usd: 10, every: day, soft: 0.7, hard: false}}}
"""


def put(families: Families, name: str, labels: dict[str, str], value: float, kind: Kind = "counter") -> None:
    families.setdefault(name, Family(name, "", kind, tuple(labels))).cell(*labels.values()).value = value


def some(factor: int = 1) -> Families:
    families: Families = {}
    for model, status, count in (("small", "200", 6), ("small", "502", 2), ("other", "404", 1)):
        labels = {"model": model, "status": status, "dialect": "openai"}
        put(families, "llmctl_requests_total", labels, factor * count)
    put(families, "llmctl_cost_dollars_total", {"model": "small"}, factor * 0.5)
    for route, kind, count in (("a", "exact", 3), ("b", "exact", 1), ("a", "semantic", 2), ("a", "miss", 2)):
        put(families, "llmctl_cache_requests_total", {"route": route, "outcome": kind}, factor * count)
    put(families, "llmctl_cache_requests_total", {"route": "a", "outcome": "bypass"}, 50)
    put(families, "llmctl_cache_error_bound", {"route": "a"}, 0.01, "peak")
    for verdict, action, count in (("allow", "allow", 9), ("block", "block", 1), ("block", "would_block", 2)):
        labels = {"guard": "injection", "verdict": verdict, "action": action}
        put(families, "llmctl_guard_verdicts_total", labels, factor * count)
    put(families, "llmctl_budget_spent_dollars", {"budget": "team"}, 7.5, "peak")
    put(families, "llmctl_budget_remaining_ratio", {"budget": "team"}, 0.25, "gauge")
    put(families, "llmctl_breakers_open", {"model": "small"}, 1, "gauge")
    put(families, "llmctl_breakers_open", {"model": "large"}, 0, "gauge")
    put(families, "llmctl_breaker_state", {"model": "small"}, 1, "peak")
    put(families, "llmctl_queue_depth", {"model": "large"}, 4, "gauge")
    put(families, "llmctl_limit_remaining_ratio", {"policy": "few"}, 0.5, "gauge")
    put(families, "llmctl_records_written_total", {}, 12)
    put(families, "llmctl_records_dropped_total", {"reason": "disk"}, 3)
    put(families, "llmctl_records_dropped_total", {"reason": "queue"}, 0)
    return families


def nothing_sent(_: Request) -> PlayedResponse:
    raise AssertionError("nothing is sent here")


@asynccontextmanager
async def living(folder: Path) -> AsyncIterator[Live]:
    around = surroundings(PlayedTransport(nothing_sent), Remember())
    text = CONFIG.replace("dir: budgets", f"dir: {folder / 'budgets'}")
    live = Live(lambda: loaded(text, folder), around, lambda event, **_: None)
    await live.start(loaded(text, folder))
    try:
        yield live
    finally:
        await live.close(drain=0)


async def seen(folder: Path, families: Families) -> Overview:
    """The overview ten seconds after nothing had been counted."""
    history = History(0.0)
    history.add(take({}, NAMES, 0.0, 0.0))
    history.add(take(families, NAMES, 10.0, 10.0))
    async with living(folder) as live:
        return overview(live, history, facts(families, cache=True, records=True), (), "1.2", 0.0)


async def test_everything_is_told(tmp_path: Path) -> None:
    found = await seen(tmp_path, some())
    assert (found.totals.requests, found.totals.errors, found.totals.refused, found.totals.usd) == (9, 2, 1, 0.5)
    cache = found.cache
    assert cache.by_kind == {"exact": 4, "semantic": 2, "miss": 2, "bypass": 50}
    assert (cache.hits, cache.looked_up, cache.hit_share, cache.error_bound) == (6, 8, 0.75, {"a": 0.01})
    guard = found.guards[0]
    assert (guard.guard, guard.judged, guard.verdicts) == ("injection", 12, {"allow": 9, "block": 3})
    assert guard.actions == {"allow": 9, "block": 1, "would_block": 2}
    budget = found.budgets[0]
    assert (budget.name, budget.spent_usd, budget.remaining, budget.usd, budget.every) == ("team", 7.5, 0.25, 10, "day")
    assert (budget.soft, budget.hard) == (0.7, False)
    assert (found.records.written, found.records.dropped) == (12, {"disk": 3})
    assert found.limits == {"few": 0.5}


async def test_models_stand_in_the_configurations_order_and_others_after_them(tmp_path: Path) -> None:
    small, large, other = (await seen(tmp_path, some())).by_model
    assert (small.model, small.requests_per_s, small.error_share, small.usd_today) == ("small", 0.8, 0.25, 0.5)
    assert (small.breaker, small.breakers_open, small.queue) == ("half_open", 1, None)
    assert (large.model, large.breaker, large.error_share, large.queue, large.usd_today) == (
        "large",
        "closed",
        None,
        4,
        None,
    )
    assert (other.model, other.breaker, other.error_share) == ("other", "unknown", 0.0)


async def test_several_workers_are_one_gateway(tmp_path: Path) -> None:
    found = await seen(tmp_path, merged([some(), some(2)]))
    assert found.totals.requests == 27
    assert found.by_model[0].breakers_open == 2
    assert found.by_model[0].breaker == "half_open"
    assert found.budgets[0].spent_usd == 7.5
    assert found.cost.usd == pytest.approx(1.5)


async def test_workers_that_serve_are_counted_and_not_believed(tmp_path: Path) -> None:
    alive = Family("llmctl_workers", "", "gauge")
    alive.cell().value = 1.0
    found = await seen(tmp_path, merged([{alive.name: alive}] * 2))
    assert (found.workers, found.serving) == (1, 2)
    assert (await seen(tmp_path, {})).serving is None


async def test_a_gateway_that_has_counted_nothing_is_no_error(tmp_path: Path) -> None:
    found = await seen(tmp_path, {})
    assert [model.model for model in found.by_model] == ["small", "large"]
    assert (found.cache.hit_share, found.guards, found.budgets, found.cost.usd) == (None, [], [], None)
