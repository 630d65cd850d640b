"""The whole: only what differs is looked at, what is not evaluated is said, and intervals hold what a replay finds."""

from pathlib import Path
from random import Random

import pytest
from msgspec import structs

from llmctl.clock import SystemClock
from llmctl.gateway.odds import RouteOdds
from llmctl.model.record import Decision, Record
from llmctl.model.usage import Cost
from llmctl.plan.plan import Question, plan
from tests.plan.recorded import TWO, asked, chats, configured, found, planned

HALF = "routes: {auto: {kind: weighted, weights: {small: 1, large: 1}}}\n"


def test_only_what_differs_is_evaluated(tmp_path: Path) -> None:
    one = configured(tmp_path, "old", TWO + HALF)
    two = configured(tmp_path, "new", TWO + HALF + "server: {port: 9999}\n")
    made = planned(one, two, asked(one, chats(3)))
    assert {stage.status for stage in made.stages} == {"unchanged"}
    assert list(made.groups) == ["other"]
    assert made.traffic.requests == 3


@pytest.mark.parametrize(
    ("new", "stage"),
    [
        (HALF.replace("}}}\n", "}, fallbacks: [large]}}\n"), "resilience"),
        (HALF + "budgets: {limits: {all: {usd: 1}}}\n", "budgets"),
        (HALF + "guardrails: {segment: 40}\n", "segment"),
        (HALF.replace("}}}\n", "}, experiment: {kind: shadow, name: s, model: large}}}\n"), "shadow copies"),
    ],
)
def test_what_is_not_evaluated_is_said(tmp_path: Path, new: str, stage: str) -> None:
    one, two = configured(tmp_path, "old", TWO + HALF), configured(tmp_path, "new", TWO + new)
    made = planned(one, two, [])
    assert (stage, "not evaluated") in [(one.name, one.status) for one in made.stages]


def test_rules_touch_the_cache_and_new_keys_begin_cold(tmp_path: Path) -> None:
    cache = "cache: {dir: null}\n"
    one = configured(tmp_path, "old", TWO + HALF + cache)
    rule = HALF.replace("}}}\n", "}, rules: [{kind: fixed, model: small, when: {max_tokens: 5}}]}}\n")
    two = configured(tmp_path, "new", TWO + rule + cache)
    made = planned(one, two, asked(one, chats(4)))
    (stage,) = (one for one in made.stages if one.name == "cache")
    assert stage.status == "evaluated"
    assert "NEW begins with nothing cached for auto: their keys change" in stage.notes


def test_everybody_beside_is_shown_what_counts(tmp_path: Path) -> None:
    one = configured(tmp_path, "old", TWO + HALF)
    shown: list[str] = []
    records = asked(one, chats(3))
    plan(Question(one, one, "x"), records, SystemClock(), [lambda seen: shown.append(seen.record.id)])
    assert shown == [record.id for record in records]


def test_intervals_hold_what_a_replay_finds(tmp_path: Path) -> None:
    """Forty pairs in a world where every model's outcome is known; the whole of it is bench/plan.py."""
    random = Random(4)
    base = asked(configured(tmp_path, "base", TWO), chats(1, "small"))[0]
    held = {"cost": 0, "latency": 0}
    for _ in range(40):
        weights = [random.uniform(0.2, 1) for _ in range(4)]
        one, two = (
            configured(
                tmp_path, name, f"{TWO}routes: {{auto: {{kind: weighted, weights: {{small: {a}, large: {b}}}}}}}\n"
            )
            for name, (a, b) in (("old", weights[:2]), ("new", weights[2:]))
        )
        old, new = weights[1] / sum(weights[:2]), weights[3] / sum(weights[2:])
        records: list[Record] = []
        truth = {"cost": 0.0, "latency": 0.0}
        for at in range(250):
            outcomes = {
                model: (random.lognormvariate(mean, 0.5), random.uniform(0.5, 1.5) * mean)
                for model, mean in (("small", 1), ("large", 3))
            }
            model = "large" if random.random() < old else "small"
            share = old if model == "large" else 1 - old
            usd, seconds = outcomes[model]
            records.append(
                structs.replace(
                    base, id=f"r{at}", policy=one.digest, requested_model="auto", model=model,
                    duration_us=int(seconds * 1e6),
                    decision=Decision(model, "weighted", "", share), cost=Cost(usd, "exact", "x"),
                )
            )  # fmt: skip
            truth["cost"] += (new - old) * (outcomes["large"][0] - outcomes["small"][0]) / 250
            truth["latency"] += (new - old) * (outcomes["large"][1] - outcomes["small"][1]) / 250
        made = planned(one, two, records)
        for name, value in truth.items():
            figure = found(made, name)
            assert figure.low is not None
            assert figure.high is not None
            held[name] += figure.low <= value <= figure.high
    assert min(held.values()) >= 36


def test_odds_are_those_of_the_gateway_that_recorded(tmp_path: Path) -> None:
    one = configured(tmp_path, "old", TWO + HALF.replace("small: 1", "small: 3"))
    odds = RouteOdds(one, SystemClock())
    from llmctl.plan.traffic import Reading

    for seen in Reading("x", one.digest, any_policy=False).seen(asked(one, chats(20))):
        decision = seen.record.decision
        assert decision is not None
        assert odds.of("auto", seen.features).drawn[decision.model] == pytest.approx(decision.propensity)
