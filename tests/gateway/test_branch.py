"""Which rule, which arm of an experiment and which candidates a request comes to, through a built gateway."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from llmctl.config.keys import new_key
from llmctl.errors import InvalidRequest
from llmctl.model.record import Decision
from tests.gateway.routed import Routed
from tests.gateway.troupe import go_down

RULES = """
routes:
  r:
    kind: fixed
    model: a
    rules:
      - {kind: fixed, model: b, when: {tools: true}}
      - {kind: fixed, model: c, when: {headers: {x-team: [red, blue]}, min_tokens: 50}}
      - {kind: weighted, weights: {b: 1, c: 0.001}, when: {metadata: {plan: free}, json: false}}
      - {kind: fixed, model: c, when: {languages: [de]}}
"""
TOOLS = [{"type": "function", "function": {"name": "f"}}]
LONG = "one two three four five six seven eight nine ten " * 10
GERMAN = "Wie wird das Wetter morgen in den Bergen, und was ziehe ich am besten an?"


def experiment(options: str, route: str = "kind: fixed, model: a") -> str:
    return f"routes: {{r: {{{route}, experiment: {{name: x, {options}}}}}}}"


HALVES = "kind: ab, subject: user, arms: {left: {}, right: {model: b}}"


def brought_down(routed: Routed, *models: str) -> None:
    for model in models:
        go_down(routed.standing(model))


@pytest.mark.parametrize(
    ("request_", "model"),
    [
        ({}, "a"),
        ({"tools": TOOLS}, "b"),
        ({"tools": TOOLS, "headers": {b"x-team": b"red"}, "text": LONG}, "b"),
        ({"headers": {b"x-team": b"red"}, "text": LONG}, "c"),
        ({"headers": {b"x-team": b"red"}}, "a"),
        ({"headers": {b"x-team": b"green"}, "text": LONG}, "a"),
        ({"metadata": {"plan": "free"}}, "b"),
        ({"metadata": {"plan": "free"}, "response_format": {"type": "json_object"}}, "a"),
        ({"text": GERMAN}, "c"),
    ],
)
async def test_the_first_rule_whose_condition_holds_chooses(
    tmp_path: Path, request_: dict[str, Any], model: str
) -> None:
    asked = await Routed(tmp_path, RULES).ask(**request_)
    assert asked.client.text == f"from {model}"
    assert asked.record.decision is not None
    assert asked.record.decision.model == asked.record.model == model


async def test_a_rules_strategy_leaves_its_own_reason_and_propensity(tmp_path: Path) -> None:
    decision = await Routed(tmp_path, RULES).decision(metadata={"plan": "free"})
    assert (decision.strategy, decision.reason) == ("weighted", "weight 1 of 1.001")
    assert decision.propensity == pytest.approx(1 / 1.001)


async def test_rules_may_look_at_the_key(tmp_path: Path) -> None:
    (ours, entry), (theirs, other) = new_key(), new_key()
    config = f"""
keys:
  - {{id: {entry["id"]}, hash: "{entry["hash"]}", tenant: acme}}
  - {{id: {other["id"]}, hash: "{other["hash"]}"}}
routes: {{r: {{kind: fixed, model: a, rules: [{{kind: fixed, model: b, when: {{tenants: [acme]}}}}]}}}}
"""
    routed = Routed(tmp_path, config)
    assert (await routed.decision(credential=ours)).model == "b"
    assert (await routed.decision(credential=theirs)).model == "a"


async def test_an_arm_is_recorded_with_its_share(tmp_path: Path) -> None:
    routed = Routed(tmp_path, experiment(HALVES))
    found = [await routed.decision(safety_identifier=f"user {n}") for n in range(60)]
    arms = Counter((one.arm, one.model, one.strategy) for one in found)
    assert set(arms) == {("left", "a", "fixed"), ("right", "b", "experiment")}
    assert 15 <= arms["left", "a", "fixed"] <= 45
    assert {(one.experiment, one.propensity) for one in found} == {("x", 0.5)}
    assert all(" slot " in one.reason for one in found)
    assert Counter(routed.models.called) == {"a": arms["left", "a", "fixed"], "b": arms["right", "b", "experiment"]}


async def test_a_subject_stays_in_its_arm_in_every_process(tmp_path: Path) -> None:
    async def arms() -> list[str]:
        routed = Routed(tmp_path, experiment(HALVES))
        return [(await routed.decision(user=f"user {n % 10}")).arm for n in range(20)]

    first = await arms()
    assert first == await arms()
    assert first[:10] == first[10:]
    assert set(first) == {"left", "right"}


async def test_without_a_subject_an_arm_is_drawn(tmp_path: Path) -> None:
    routed = Routed(tmp_path, experiment(HALVES))
    found = [await routed.decision() for _ in range(30)]
    assert {one.arm for one in found} == {"left", "right"}
    assert all("unsticky" in one.reason for one in found)


async def test_an_arm_that_leaves_it_to_the_route_multiplies_both_chances(tmp_path: Path) -> None:
    route = "kind: weighted, weights: {a: 3, c: 1}"
    routed = Routed(tmp_path, experiment("kind: canary, model: b, percent: 20, subject: request", route))
    found = [await routed.decision() for _ in range(80)]
    chances = {(one.arm, one.model): round(one.propensity, 9) for one in found}
    assert chances == {("canary", "b"): 0.2, ("stable", "a"): 0.6, ("stable", "c"): 0.2}
    stable = next(one for one in found if one.arm == "stable")
    assert stable.reason.startswith("weight ")
    assert "80% drawn by request" in stable.reason


async def test_a_request_that_an_arm_could_not_take_is_in_no_arm(tmp_path: Path) -> None:
    models = "models: {a: {provider: up}, b: {provider: up, capabilities: [json], context: 1000}}\n"
    routed = Routed(tmp_path, experiment(HALVES), models=models)
    for request in ({"tools": TOOLS}, {"text": "word " * 2000}):
        for n in range(10):
            decision = await routed.decision(user=f"user {n}", **request)
            assert (decision.model, decision.experiment, decision.arm) == ("a", "", "")
    assert {(await routed.decision(user=f"user {n}")).arm for n in range(10)} == {"left", "right"}


async def test_models_that_are_down_are_no_candidates(tmp_path: Path) -> None:
    routed = Routed(tmp_path, "routes: {r: {kind: weighted, weights: {a: 1, b: 1, c: 2}}}")
    brought_down(routed, "c")
    found = [await routed.decision() for _ in range(20)]
    assert {(one.model, one.propensity) for one in found} == {("a", 0.5), ("b", 0.5)}


async def test_a_model_that_asked_for_rest_is_no_candidate_until_it_has_rested(tmp_path: Path) -> None:
    routed = Routed(tmp_path, "routes: {r: {kind: weighted, weights: {a: 1, b: 1000000}}}")
    routed.standing("b").rest(60.0)
    assert await routed.decision() == Decision("a", "weighted", "weight 1 of 1")
    routed.standing("b")._rests_until = 0.0
    assert (await routed.decision()).model == "b"


async def test_where_all_are_down_all_are_candidates_and_the_likeliest_is_tried_all_the_same(tmp_path: Path) -> None:
    routed = Routed(tmp_path, "routes: {r: {kind: weighted, weights: {a: 1, b: 1}}}")
    brought_down(routed, "a", "b")
    asked = await routed.ask()
    assert asked.record.decision is not None
    assert asked.record.decision.propensity == 0.5
    assert len(routed.models.called) == len(asked.record.attempts) == 1
    assert asked.record.state == "ok"


@pytest.mark.parametrize("model", ["r", "a"])
async def test_what_no_model_can_take_is_refused_with_the_reasons(tmp_path: Path, model: str) -> None:
    models = "models: {a: {provider: up, capabilities: []}, b: {provider: up, context: 50}}\n"
    routed = Routed(tmp_path, "routes: {r: {kind: weighted, weights: {a: 1, b: 1}}}", models=models)
    asked = await routed.ask(model, "word " * 3000, tools=TOOLS)
    assert isinstance(asked.failure, InvalidRequest)
    assert (asked.failure.http_status, asked.failure.param) == (400, "tools")
    assert "a: no tools" in asked.failure.message
    assert ("b: context window of 50 tokens" in asked.failure.message) is (model == "r")
    assert (asked.record.state, asked.record.attempts, routed.models.called) == ("failed", [], [])


async def test_a_model_that_cannot_take_a_request_is_never_drawn(tmp_path: Path) -> None:
    models = "models: {a: {provider: up}, b: {provider: up, capabilities: [images]}}\n"
    routed = Routed(tmp_path, "routes: {r: {kind: weighted, weights: {a: 1, b: 1000000}}}", models=models)
    assert (await routed.decision()).model == "b"
    for _ in range(10):
        assert await routed.decision(tools=TOOLS) == Decision("a", "weighted", "weight 1 of 1")
