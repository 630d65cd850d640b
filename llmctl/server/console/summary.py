"""From metric families, history and the live gateway to one `Overview`."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from llmctl.alerts.alert import Alert
from llmctl.gateway.reload import Live
from llmctl.model.record import FROM_CACHE, UNASKED
from llmctl.server.console.history import History
from llmctl.server.console.overview import (
    WINDOW,
    Budget,
    CacheNow,
    GuardNow,
    ModelNow,
    OpenAlert,
    Overview,
    RecordsNow,
    Totals,
)
from llmctl.server.console.snapshot import ModelCounts, cells, percentile
from llmctl.telemetry.series import Families

_BREAKERS: dict[int, Literal["closed", "half_open", "open"]] = {0: "closed", 1: "half_open", 2: "open"}


@dataclass(frozen=True, slots=True)
class Facts:
    """What is counted from the beginning and needs no differences, by the names of `Overview`."""

    cache: CacheNow
    guards: list[GuardNow]
    spent: dict[str, tuple[float, float]]
    records: RecordsNow
    breakers: dict[str, int]
    states: dict[str, int]
    queues: dict[str, int]
    limits: dict[str, float]
    degraded: int
    serving: int | None


def facts(families: Families, *, cache: bool, records: bool) -> Facts:
    """Read from the families; `cache` and `records` say whether there are such. Safe in a thread."""
    left = _by(families, "llmctl_budget_remaining_ratio", "budget")
    spent = _by(families, "llmctl_budget_spent_dollars", "budget")
    return Facts(
        _cache(families, configured=cache),
        _guards(families),
        {name: (usd, left.get(name, 1.0)) for name, usd in spent.items()},
        _records(families, enabled=records),
        _whole(families, "llmctl_breakers_open"),
        _whole(families, "llmctl_breaker_state"),
        _whole(families, "llmctl_queue_depth"),
        _by(families, "llmctl_limit_remaining_ratio", "policy"),
        int(sum(cell.value for _, cell in cells(families, "llmctl_degraded_total"))),
        next((int(cell.value) for _, cell in cells(families, "llmctl_workers")), None),
    )


def overview(
    live: Live, history: History, facts: Facts, alerts: Iterable[Alert], version: str, began: float
) -> Overview:
    """All of it. `history` must have a snapshot."""
    gateway, last = live.gateway, history.last
    assert last is not None
    reasons = gateway.unready() | ({"server": "draining"} if live.draining else {})
    total = last.total
    return Overview(
        time=last.t,
        version=version,
        policy=gateway.policy,
        loaded_at=live.loaded_at,
        since=began,
        ready=not reasons,
        draining=live.draining,
        workers=gateway.config.server.workers,
        now=history.now(),
        totals=Totals(
            total.requests,
            total.errors,
            total.refused,
            facts.degraded,
            total.input_tokens,
            total.output_tokens,
            total.usd or 0.0,
        ),
        cost=history.cost(),
        cache=facts.cache,
        records=facts.records,
        reload_error=live.failure,
        reasons=reasons,
        series=history.points,
        by_model=_models(gateway.config.models, history, facts),
        budgets=[_budget(live, name, *sums) for name, sums in facts.spent.items()],
        guards=facts.guards,
        limits=facts.limits,
        alerts=[_alert(alert) for alert in alerts],
        serving=facts.serving,
    )


def _models(configured: Iterable[str], history: History, facts: Facts) -> list[ModelNow]:
    """The configured ones in their order, then others that were asked for."""
    last, long = history.last, history.since(WINDOW)
    assert last is not None
    names = [*dict.fromkeys([*configured, *sorted(name for name, one in last.models.items() if one.requests)])]
    took, spent, nothing = last.at - long.at, history.spent_today(), ModelCounts()
    out = []
    for name in names:
        one, before = last.models.get(name, nothing), long.models.get(name, nothing)
        requests, opened = one.requests - before.requests, facts.breakers.get(name)
        durations = one.duration, before.duration
        out.append(
            ModelNow(
                name,
                one.requests,
                requests / took if took > 0 else 0.0,
                (one.errors - before.errors) / requests if requests > 0 else None,
                percentile(0.5, *durations, last.bounds),
                percentile(0.95, *durations, last.bounds),
                (one.output_tokens - before.output_tokens) / took if took > 0 else 0.0,
                spent.get(name),
                opened or 0,
                _BREAKERS.get(facts.states.get(name, 2 if opened else 0), "open") if opened is not None else "unknown",
                facts.queues.get(name),
            )
        )
    return out


def _budget(live: Live, name: str, spent: float, remaining: float) -> Budget:
    config = live.gateway.config.budgets.limits.get(name)
    if config is None:
        return Budget(name, spent, remaining)
    return Budget(name, spent, remaining, config.usd, config.every, config.soft, config.hard)


def _cache(families: Families, *, configured: bool) -> CacheNow:
    kinds = {kind: int(number) for kind, number in _by(families, "llmctl_cache_requests_total", "outcome").items()}
    hits = sum(number for kind, number in kinds.items() if kind in FROM_CACHE)
    asked = sum(number for kind, number in kinds.items() if kind not in UNASKED)
    return CacheNow(
        configured,
        kinds,
        hits,
        asked,
        hits / asked if asked else None,
        int(sum(cell.value for _, cell in cells(families, "llmctl_cache_saved_tokens_total"))),
        _by(families, "llmctl_cache_error_bound", "route"),
    )


def _guards(families: Families) -> list[GuardNow]:
    found: dict[str, tuple[dict[str, int], dict[str, int]]] = {}
    for label, cell in cells(families, "llmctl_guard_verdicts_total"):
        verdicts, actions = found.setdefault(label["guard"], ({}, {}))
        for counts, word in ((verdicts, label["verdict"]), (actions, label["action"])):
            counts[word] = counts.get(word, 0) + int(cell.value)
    return [GuardNow(name, sum(verdicts.values()), verdicts, actions) for name, (verdicts, actions) in found.items()]


def _records(families: Families, *, enabled: bool) -> RecordsNow:
    def one(name: str) -> float:
        return sum(cell.value for _, cell in cells(families, name))

    dropped = _by(families, "llmctl_records_dropped_total", "reason")
    return RecordsNow(
        enabled,
        int(one("llmctl_records_written_total")),
        one("llmctl_records_lag_seconds"),
        int(one("llmctl_records_queue_bytes")),
        {reason: int(number) for reason, number in dropped.items() if number},
    )


def _by(families: Families, name: str, label: str) -> dict[str, float]:
    """The sums of a family by one of its labels."""
    out: dict[str, float] = {}
    for labels, cell in cells(families, name):
        if label in labels:
            out[labels[label]] = out.get(labels[label], 0.0) + cell.value
    return out


def _whole(families: Families, name: str) -> dict[str, int]:
    return {model: int(number) for model, number in _by(families, name, "model").items()}


def _alert(alert: Alert) -> OpenAlert:
    return OpenAlert(
        alert.name,
        alert.severity,
        alert.since,
        alert.summary,
        alert.description,
        alert.runbook,
        alert.slo,
        _plain(alert.labels),
        alert.value,
    )


def _plain(labels: Mapping[str, str]) -> dict[str, str]:
    return {str(name): str(value) for name, value in labels.items()}
