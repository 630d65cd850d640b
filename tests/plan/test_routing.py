"""What routing would have done with records of a real gateway, and what it refuses to say."""

from pathlib import Path

import pytest
from msgspec import structs

from llmctl.gateway.asking import Call
from llmctl.model.record import Decision
from llmctl.plan.report import Plan
from tests.plan.recorded import TEXTS, TWO, asked, chats, configured, found, planned

HALF = "routes: {auto: {kind: weighted, weights: {small: 1, large: 1}}}\n"


def made(folder: Path, old: str, new: str, calls: list[Call], *, base: str = TWO, **rest: object) -> Plan:
    one, two = configured(folder, "old", TWO + old), configured(folder, "new", base + new)
    return planned(one, two, asked(one, calls), **rest)  # type: ignore[arg-type]


def test_more_of_the_large_model(tmp_path: Path) -> None:
    plan = made(tmp_path, HALF, HALF.replace("large: 1", "large: 3"), chats(300))
    changed, cost = found(plan, "model changes"), found(plan, "cost")
    assert changed.estimate == pytest.approx(0.25)
    assert changed.told == "exact"
    assert cost.told == "estimated"
    assert cost.relative is not None
    assert 0.2 < cost.relative[0] < 0.6
    stage = next(one for one in plan.stages if one.name == "routes")
    assert [kind.name for kind in stage.kinds] == ["small → large"]
    assert stage.kinds[0].requests == pytest.approx(75)
    assert stage.kinds[0].examples[0].text in TEXTS
    assert [one.status for one in plan.stages if one.name != "routes"] == ["unchanged"] * 4


def test_a_fixed_choice_of_one_that_was_tried(tmp_path: Path) -> None:
    plan = made(tmp_path, HALF, "routes: {auto: {kind: fixed, model: large}}\n", chats(300))
    assert found(plan, "model changes").estimate == pytest.approx(0.5)
    cost = found(plan, "cost")
    assert cost.low is not None
    assert cost.low > 0


def test_prices_alone(tmp_path: Path) -> None:
    dearer = TWO.replace("small: {input: 1.0, output: 2.0}", "small: {input: 2.0, output: 4.0}")
    plan = made(tmp_path, "", "", chats(20, "small"), base=dearer)
    assert found(plan, "model changes").estimate == 0.0
    cost = found(plan, "cost")
    assert cost.told == "exact"
    assert cost.relative is not None
    assert cost.relative[0] == pytest.approx(1.0)


def test_no_support_gives_no_number(tmp_path: Path) -> None:
    plan = made(tmp_path, "", "routes: {small: {kind: fixed, model: large}}\n" if False else HALF, chats(5, "small"))
    assert found(plan, "cost").estimate == 0.0
    fixed = "routes: {auto: {kind: fixed, model: small}}\n"
    plan = made(tmp_path, fixed, HALF, chats(50))
    for name in ("cost", "latency", "answered"):
        assert found(plan, name).told == "no support"
        assert found(plan, name).estimate is None
        assert "goes to large, where OLD never chose so" in found(plan, name).note
    assert found(plan, "model changes").estimate == pytest.approx(0.5)
    assumed = found(plan, "cost at the recorded tokens")
    assert assumed.told == "assumed"
    assert "assumes" in assumed.note


def test_another_model_behind_the_name_is_not_the_one_that_was_recorded(tmp_path: Path) -> None:
    other = TWO.replace("large: {provider: up}", "large: {provider: up, model: better}")
    plan = made(tmp_path, HALF, HALF, chats(60), base=other)
    assert found(plan, "cost").told == "no support"
    assert "large (new)" in found(plan, "cost").note


def test_a_renamed_model_is_the_same_one(tmp_path: Path) -> None:
    renamed = TWO.replace("large: {provider: up}", "huge: {provider: up, model: large}").replace(
        "large: {input", "huge: {input"
    )
    plan = made(tmp_path, HALF, HALF.replace("large", "huge"), chats(60), base=renamed)
    assert found(plan, "model changes").estimate == 0.0
    assert found(plan, "cost").estimate == pytest.approx(0.0)


def test_what_new_would_refuse(tmp_path: Path) -> None:
    plan = made(tmp_path, HALF, "routes: {chat: {kind: fixed, model: small}}\n", [*chats(30), *chats(10, "small")])
    assert found(plan, "requests refused").estimate == pytest.approx(0.75)
    stage = next(one for one in plan.stages if one.name == "routes")
    assert "no model or route 'auto'" in stage.kinds[0].name


def test_keys_that_may_no_longer(tmp_path: Path) -> None:
    key = "keys: [{id: abcd, hash: '%s:%s'%s}]\n"
    hashed = ("0" * 32, "0" * 64)
    old = HALF + key % (*hashed, "")
    new = HALF + key % (*hashed, ", models: [small]")
    plan = made(tmp_path, old, new, [*chats(10, key="abcd"), *chats(10, "small", key="abcd")])
    assert found(plan, "requests refused").estimate == pytest.approx(0.5)


def test_rules_and_routes_have_figures_of_their_own(tmp_path: Path) -> None:
    old = "routes: {auto: {kind: weighted, weights: {small: 1, large: 1}}, rest: {kind: fixed, model: small}}\n"
    rule = "rules: [{kind: fixed, model: large, when: {min_tokens: 60}}]"
    new = old.replace("large: 1}", f"large: 1}}, {rule}")
    calls = [*chats(60), *chats(60, texts=("tell me more " * 30,)), *chats(60, "rest")]
    plan = made(tmp_path, old, new, calls)
    assert found(plan, "model changes").estimate == pytest.approx(1 / 6)
    assert found(plan, "auto: model changes").estimate == pytest.approx(1 / 4)
    assert plan.figure("rest: cost") is None


def test_scores_of_somebody(tmp_path: Path) -> None:
    one = configured(tmp_path, "old", TWO + HALF)
    two = configured(tmp_path, "new", TWO + HALF.replace("small: 1", "small: 0.1"))
    records = asked(one, chats(200))
    scores = {record.id: float(record.model == "large") for record in records}
    score = found(planned(one, two, records, scores=scores), "score")
    assert score.estimate == pytest.approx(1 / 1.1 - 0.5, abs=0.1)
    assert planned(one, two, records).figure("score") is None


def test_what_cannot_be_told_is_counted(tmp_path: Path) -> None:
    one = configured(tmp_path, "old", TWO + HALF)
    rules = "routes: {auto: {kind: fixed, model: small, rules: [{kind: fixed, model: large, when: {min_tokens: 9}}]}}\n"
    two = configured(tmp_path, "new", TWO + rules)
    records = asked(one, chats(40))
    bare = [structs.replace(record, request=None) for record in records[:10]]
    cached = structs.replace(records[10], decision=None)
    odd = structs.replace(records[11], decision=Decision("small", "weighted", "", 0.9))
    copy = structs.replace(records[12], shadow_of="x")
    other = structs.replace(records[13], policy="x")
    plan = planned(one, two, [*bare, cached, odd, copy, other, *records[14:]])
    left_out = next(stage for stage in plan.stages if stage.name == "routes").left_out
    assert sorted(left_out.values()) == [1, 1, 10]
    assert plan.traffic.left_out == {
        "copies (shadows, audits, refreshes)": 1,
        "recorded under another configuration than OLD": 1,
    }
    assert plan.traffic.without_content == 10


def test_headers_make_a_choice_that_cannot_be_told(tmp_path: Path) -> None:
    rule = (
        "routes: {auto: {kind: fixed, model: small, rules: [{kind: fixed, model: large, when: {headers: {x: y}}}]}}\n"
    )
    plan = made(tmp_path, HALF, rule, chats(10))
    (stage,) = (one for one in plan.stages if one.name == "routes")
    assert any("headers" in why for why in stage.left_out)
    for name in ("model changes", "cost", "latency"):
        assert (found(plan, name).told, found(plan, name).estimate) == ("no support", None)


def test_what_is_hidden_on_one_route_is_told_of_the_other(tmp_path: Path) -> None:
    old = "routes: {auto: {kind: weighted, weights: {small: 1, large: 1}}, rest: {kind: fixed, model: small}}\n"
    new = old.replace("large: 1", "large: 3").replace(
        "kind: fixed, model: small", "kind: bandit, models: [small, large]"
    )
    plan = made(tmp_path, old, new, [*chats(60), *chats(10, "rest")])
    assert found(plan, "cost").told == "no support"
    assert "for 10 requests" in found(plan, "cost").note
    assert found(plan, "auto: cost").told == "estimated"


def test_a_bandit_has_explored_whatever_it_knew(tmp_path: Path) -> None:
    bandit = "routes: {auto: {kind: bandit, models: [small, large], floor: 0.2}}\n"
    plan = made(tmp_path, bandit, "routes: {auto: {kind: fixed, model: large}}\n", chats(200))
    cost = found(plan, "cost")
    assert cost.told == "estimated"
    assert cost.low is not None
    assert cost.low > 0
