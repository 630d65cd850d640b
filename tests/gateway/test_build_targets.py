"""Models that can be called: what a reload leaves as it was, and what routing computes features with."""

from pathlib import Path

import pytest
from numpy.linalg import norm

from llmctl.gateway.build_targets import feature_tools
from llmctl.testing.clock import ManualClock
from tests.gateway.routed import START, Routed

MODELS = "models: {a: {provider: up}, b: {provider: up}}\n"
ROUTES = "routes: {r: {kind: weighted, weights: {a: 1, b: 1}}}\n"


async def failed(routed: Routed) -> None:
    """`a` fails until its breaker opens."""
    routed.models.failing.add("a")
    for _ in range(20):
        await routed.ask("a")
    routed.models.failing.clear()
    routed.models.called.clear()


@pytest.mark.parametrize(
    ("models", "routes", "kept"),
    [
        (MODELS, ROUTES, True),
        (MODELS, "routes: {r: {kind: latency, models: [a, b]}}\n", True),
        (MODELS.replace("a: {", "c: {provider: up}, a: {context: 5000, "), ROUTES, True),
        (MODELS.replace("a: {", "a: {concurrency: 5, "), ROUTES, False),
        (MODELS.replace("a: {", "a: {model: other, "), ROUTES, False),
    ],
)
async def test_a_reload_forgets_only_models_that_changed(tmp_path: Path, models: str, routes: str, kept: bool) -> None:
    before = Routed(tmp_path, ROUTES, models=MODELS)
    await failed(before)
    after = Routed(tmp_path, routes, models=models, around=before.around)
    found = {(await after.ask()).exchange.model for _ in range(10)}
    assert found == ({"b"} if kept else {"a", "b"})


@pytest.mark.parametrize(
    ("old", "new"),
    [("api_key: none", "api_key: new"), ("retry: {backoff: 0}", "retry: {backoff: 0}, breaker: {error_rate: 0.6}")],
)
async def test_another_provider_or_another_breaker_begins_anew(tmp_path: Path, old: str, new: str) -> None:
    before = Routed(tmp_path, ROUTES, models=MODELS)
    await failed(before)
    assert old in START
    after = Routed(tmp_path, ROUTES, models=MODELS, start=START.replace(old, new), around=before.around)
    assert {(await after.ask()).exchange.model for _ in range(10)} == {"a", "b"}


async def test_breakers_tell_what_became_of_them(tmp_path: Path) -> None:
    told: list[tuple[str, ...]] = []
    clock = ManualClock()
    routed = Routed(tmp_path, clock=clock, transition=lambda *change: told.append(change))
    await failed(routed)
    assert told == [("a", "closed", "open", "error_rate")]
    assert (await routed.ask("a")).failure.http_status == 503
    assert not routed.models.called
    clock.advance(10.0)
    for _ in range(3):
        assert (await routed.ask("a")).client.text == "from a"
    assert told[1:] == [("a", "open", "half_open", "elapsed"), ("a", "half_open", "closed", "probes_passed")]
    assert [one.after for record in routed.records for one in record.transitions] == ["open", "half_open", "closed"]


async def test_calls_beyond_the_models_concurrency_are_refused_where_nobody_may_wait(tmp_path: Path) -> None:
    models = "models: {a: {provider: up, concurrency: 1, max_queue: 0}}\n"
    routed = Routed(tmp_path, models=models)
    busy = routed.standing("a").slots
    assert busy is not None
    async with busy.acquire():
        asked = await routed.ask("a")
    assert asked.failure.http_status == 503
    assert "model 'a'" in asked.failure.message
    assert (await routed.ask("a")).client.text == "from a"


def test_routing_computes_with_the_embedder_and_sure_languages() -> None:
    tools = feature_tools()
    vector = tools.embed("bake bread")
    assert vector.shape == (256,)
    assert norm(vector) == pytest.approx(1.0, abs=1e-5)
    assert tools.language("Wie wird das Wetter morgen in den Bergen, und was ziehe ich am besten an?") == "de"
    assert tools.language("ok 123") == ""
