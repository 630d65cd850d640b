"""What routing did is counted, copies apart from clients' requests."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families as parse

from llmctl.model.record import Decision, Record
from llmctl.model.usage import Cost
from llmctl.telemetry.metrics import MetricsSink

MakeRecord = Callable[..., Record]


@pytest.fixture
def sink() -> MetricsSink:
    made = MetricsSink(CollectorRegistry(), version="1", semconv_version="gen_ai/1")
    made.configure(models=["fast", "small", "big"], providers=["upstream"], policy="p")
    return made


def values(sink: MetricsSink, name: str) -> dict[tuple[str, ...], float]:
    """Samples of `name` by their labels' values, in order of the labels' names."""
    samples = [one for family in parse(sink.render("")[0].decode()) for one in family.samples if one.name == name]
    return {tuple(value for _, value in sorted(one.labels.items())): one.value for one in samples}


def test_decisions_are_counted_by_route_model_and_strategy(sink: MetricsSink, record: MakeRecord) -> None:
    for strategy, model in (("weighted", "small"), ("weighted", "small"), ("complexity", "big")):
        sink.write(record(1, model=model, decision=Decision(model, strategy, "why")))
    sink.write(record(2, decision=Decision("small", "fixed", "named")))
    sink.write(record(3, decision=None))
    found = {("small", "fast", "weighted"): 2, ("big", "fast", "complexity"): 1}
    assert values(sink, "llmctl_route_decisions_total") == found


def test_answers_not_as_chosen_are_counted(sink: MetricsSink, record: MakeRecord) -> None:
    for how in ("fallback", "fallback", "static", None):
        sink.write(record(1, degraded=how))
    assert values(sink, "llmctl_degraded_total") == {("fallback", "fast"): 2, ("static", "fast"): 1}


def test_no_client_can_add_a_route(sink: MetricsSink, record: MakeRecord) -> None:
    for n in range(50):
        sink.write(record(n, requested_model=f"m{n}", degraded="fallback"))
    assert values(sink, "llmctl_degraded_total") == {("fallback", "other"): 50}
    assert values(sink, "llmctl_route_decisions_total") == {("small", "other", "weighted"): 50}


def test_copies_count_apart_from_requests(sink: MetricsSink, record: MakeRecord) -> None:
    copy: dict[str, Any] = {"shadow_of": "req_1", "model": "big", "decision": Decision("big", "shadow", "mirrors")}
    sink.write(record(1, **copy, cost=Cost(0.25, "exact")))
    sink.write(record(2, **copy, cost=Cost(), state="failed"))
    assert values(sink, "llmctl_shadow_requests_total") == {("big", "ok"): 1, ("big", "failed"): 1}
    assert values(sink, "llmctl_shadow_cost_dollars_total") == {("big",): 0.25}
    for name in ("requests", "attempts", "cost_dollars", "tokens", "route_decisions"):
        assert values(sink, f"llmctl_{name}_total") == {}
    sink.write(record(3))
    assert values(sink, "llmctl_requests_total") == {("openai", "small", "200"): 1}


def test_breakers_are_counted_as_they_turn_and_shown_as_they_are(sink: MetricsSink) -> None:
    now = {"big": 1.0, "gone": 1.0}
    sink.gauges("llmctl_breakers_open", "Not closed.", "model", lambda: now)
    sink.transition("big", "closed", "open", "error_rate")
    sink.transition("big", "open", "half_open", "elapsed")
    assert values(sink, "llmctl_breaker_transitions_total") == {
        ("big", "error_rate", "open"): 1,
        ("big", "elapsed", "half_open"): 1,
    }
    assert values(sink, "llmctl_breakers_open") == {("big",): 1, ("gone",): 1}
    del now["gone"]  # a reload took the model out
    now["big"] = 0.0
    assert values(sink, "llmctl_breakers_open") == {("big",): 0}
