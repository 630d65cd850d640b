"""Odds are those that the strategies themselves draw by, and what cannot be told is not."""

from collections import Counter
from pathlib import Path
from random import Random

import pytest

from llmctl.clock import SystemClock
from llmctl.errors import UnknownModel
from llmctl.gateway.build import routing
from llmctl.gateway.build_targets import feature_tools
from llmctl.gateway.odds import RouteOdds, Untold, action_of, models_of
from llmctl.gateway.target import Standing
from llmctl.model.record import Decision
from llmctl.routing.breaker import Breaker, BreakerOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health, HealthOptions
from llmctl.testing.config import loaded

MODELS = (
    "providers: {up: {kind: scripted}}\nmodels: {a: {provider: up}, b: {provider: up}, c: {provider: up, context: 9}}\n"
)


def features(text: str = "hello", **rest: object) -> Features:
    payload = {"model": "r", "messages": [{"role": "user", "content": text}], **rest}
    return Features(payload, "chat", feature_tools(), tokens=lambda: len(text) // 4, key="k1", tenant="acme")


def odds(folder: Path, route: str) -> RouteOdds:
    return RouteOdds(loaded(f"{MODELS}routes: {{r: {{{route}}}}}\n", folder), SystemClock())


ROUTES = {
    "kind: weighted, weights: {a: 1, b: 3}": {"a": 0.25, "b": 0.75},
    "kind: weighted, weights: {a: 1, b: 1, c: 2}": {"a": 0.25, "b": 0.25, "c": 0.5},
    "kind: fixed, model: b": {"b": 1.0},
    "kind: fixed, model: a, rules: [{kind: fixed, model: b, when: {tenants: [default]}}]": {"a": 1.0},
    "kind: fixed, model: a, rules: [{kind: weighted, weights: {a: 1, b: 1}, when: {max_tokens: 9}}]": {
        "a": 0.5,
        "b": 0.5,
    },
    "kind: weighted, weights: {a: 1, b: 1}, "
    "experiment: {kind: canary, name: x, model: c, percent: 10, subject: request}": {
        "a": 0.45,
        "b": 0.45,
        "c": 0.1,
    },
    "kind: cascade, panel: [a, b], strong: c, extract: number": {"a+b>c": 1.0},
    "kind: cost, models: {a: {price: {input: 1, output: 1}}, b: {}}": {"a": 1.0},
}


@pytest.mark.parametrize(("route", "expected"), ROUTES.items())
def test_the_odds_of_a_route(tmp_path: Path, route: str, expected: dict[str, float]) -> None:
    found = odds(tmp_path, route).of("r", features())
    assert found.given == pytest.approx(expected)
    assert found.drawn == pytest.approx(expected)


@pytest.mark.parametrize("route", ROUTES)
def test_they_are_what_is_drawn(tmp_path: Path, route: str) -> None:
    configured = loaded(f"{MODELS}routes: {{r: {{{route}}}}}\n", tmp_path)
    routes, facts = routing(configured, SystemClock())
    now = SystemClock().monotonic
    standings = {
        name: Standing(Breaker(BreakerOptions(), now), Health(HealthOptions(), now), None, now) for name in facts
    }
    health, random = {name: one.health for name, one in standings.items()}, Random(3)
    asked = features()
    decisions = [routes.branches["r"].decide(asked, standings, health, random)[0] for _ in range(4000)]
    drawn = Counter(action_of(decision) for decision in decisions)
    told = RouteOdds(configured, SystemClock()).of("r", asked)
    for action, share in told.given.items():
        assert drawn[action] / 4000 == pytest.approx(share, abs=0.04)
    for decision in decisions[:50]:
        propensities = {action_of(one): one.propensity for one in decisions}
        assert told.drawn[action_of(decision)] >= propensities[action_of(decision)] - 1e-9


def test_a_sticky_subject_has_its_arm_and_the_record_its_share(tmp_path: Path) -> None:
    route = "kind: fixed, model: a, experiment: {kind: ab, name: x, subject: user, arms: {one: {}, two: {model: b}}}"
    found = odds(tmp_path, route)
    seen = set()
    for number in range(30):
        one = found.of("r", features(user=f"u{number}"))
        assert max(one.given.values()) == 1.0
        assert one.drawn == pytest.approx({"a": 0.5, "b": 0.5})
        seen |= set(one.given)
    assert seen == {"a", "b"}


def test_models_that_cannot_take_it_have_no_odds(tmp_path: Path) -> None:
    found = odds(tmp_path, "kind: weighted, weights: {a: 1, c: 1}")
    assert found.of("r", features("word " * 400)).given == {"a": 1.0}


@pytest.mark.parametrize(
    ("route", "why", "explores"),
    [
        ("kind: latency, models: [a, b]", "load of the moment", False),
        ("kind: bandit, models: [a, b]", "what it had learned", True),
        ("kind: fixed, model: a, rules: [{kind: fixed, model: b, when: {headers: {x: y}}}]", "headers", False),
        ("kind: fixed, model: a, rules: [{kind: fixed, model: b, when: {latency_sensitive: true}}]", "headers", False),
        (
            "kind: fixed, model: a, experiment: {kind: canary, name: x, model: b, percent: 5, subject: 'header:X-Id'}",
            "by a header",
            False,
        ),
    ],
)
def test_what_no_record_keeps_is_not_told(tmp_path: Path, route: str, why: str, explores: bool) -> None:
    with pytest.raises(Untold, match=why) as untold:
        odds(tmp_path, route).of("r", features())
    assert untold.value.explores is explores


def test_a_name_that_is_not_there(tmp_path: Path) -> None:
    found = odds(tmp_path, "kind: fixed, model: a")
    assert found.of("b", features()).given == {"b": 1.0}
    with pytest.raises(UnknownModel):
        found.of("nobody", features())


def test_the_models_of_an_action() -> None:
    assert models_of(action_of(Decision("c", "cascade", "", panel=("a", "b")))) == ("a", "b", "c")
    assert models_of("a") == ("a",)
