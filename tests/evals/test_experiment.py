import json
from collections.abc import Callable
from random import Random
from typing import Any

import numpy as np
import pytest
from scipy import stats

from llmctl.evals.comparison import as_json
from llmctl.evals.comparison_text import as_text
from llmctl.evals.experiment import compare_arms
from llmctl.evals.experiment_traffic import traffic
from llmctl.evals.suite import DecisionConfig
from llmctl.model.record import Attempt, Decision, Record
from llmctl.model.usage import Cost
from llmctl.routing.experiment import AbOptions, CanaryOptions, Split, experiment
from llmctl.routing.features import Features, Tools

BEGAN, DAY = 1_770_000_000.0, 86400.0
TOOLS = Tools(embed=lambda text: pytest.fail("not asked"), language=lambda text: "")


def split(**options: Any) -> Split:
    made = experiment(AbOptions.model_validate({"name": "tone", "arms": {"old": {}, "new": {}}} | options))
    assert isinstance(made, Split)
    return made


def record(number: int, key: str, arms: Split | None, **fields: Any) -> Record:
    decision = Decision("m", "weighted", "90% chosen")
    if arms is not None:
        features = Features({"messages": []}, "chat", TOOLS, tokens=lambda: 1, key=key, tenant="acme")
        got = arms.assign(features, Random(number))
        decision = Decision("m", "ab", f"{got.reason}; tier simple", got.propensity, got.experiment, got.arm)
    told: dict[str, Any] = {"id": f"req_{number}", "started": BEGAN, "duration_us": 1_000_000, "state": "ok"}
    told |= {"http_status": 200, "policy": "p1", "key": key, "tenant": "acme", "cost": Cost(0.01, "exact")}
    return Record(decision=decision, **(told | fields))


Fields = Callable[[str, np.random.Generator], dict[str, Any]]


def requests(arms: Split | None, subjects: int, fields: Fields, each: int = 5, start: int = 0) -> list[Record]:
    random = np.random.default_rng(1)
    made: list[Record] = []
    for at in range(subjects):
        for _ in range(each):
            blank = record(start + len(made), f"key{at}", arms)
            arm = blank.decision.arm if blank.decision else ""
            made.append(record(start + len(made), f"key{at}", arms, **fields(arm, random)))
    return made


def cheap_new(arm: str, random: np.random.Generator) -> dict[str, Any]:
    seconds = random.lognormal(0, 0.3) * (0.5 if arm == "new" else 1.0)
    return {
        "cost": Cost((0.01 if arm == "old" else 0.004) * random.lognormal(), "exact"),
        "duration_us": int(1e6 * seconds),
    }


def test_cost_and_latency_are_compared_by_subject() -> None:
    found = compare_arms(
        lambda: requests(split(), 400, cheap_new), "tone", DecisionConfig(metric="cost"), arms=("old", "new")
    )
    cost, latency = found.primary[0], found.named("latency")
    assert (found.kind, cost.name, cost.unit) == ("B", "cost", "USD")
    assert cost.difference is not None
    assert latency.difference is not None
    assert cost.difference.low < 0.006 * np.exp(0.5) < cost.difference.high
    assert cost.difference.n == 400
    assert (latency.difference.method, latency.difference.n) == ("Hodges-Lehmann", 400)
    assert latency.difference.low < 0.5 < latency.difference.high
    assert "B takes 0." in found.verdict
    assert "less per request" in found.verdict
    assert "[A is old, B is new]" in found.verdict
    assert any("for one look" in caution for caution in found.cautions)


def test_a_split_that_lost_subjects_blocks_the_verdict() -> None:
    kept = [
        one
        for one in requests(split(), 600, cheap_new)
        if not (one.decision and one.decision.arm == "new" and hash_low(one.key))
    ]
    found = compare_arms(lambda: kept, "tone", DecisionConfig(metric="cost"), arms=("old", "new"))
    assert found.kind == "blocked"
    assert found.verdict.startswith("no verdict: sample-ratio mismatch (p = ")
    assert found.blocked
    assert found.primary[0].difference is not None


def hash_low(key: str) -> bool:
    return int(key.removeprefix("key")) % 3 == 0


def test_the_requests_of_one_subject_are_no_independent_draws() -> None:
    def by_subject(arm: str, random: np.random.Generator) -> dict[str, Any]:
        return {}

    records = requests(split(), 40, by_subject, each=50)
    failing = {f"key{at}" for at in range(40) if at % 4 == 0}
    records = [
        record(at, one.key, split(), state="failed" if one.key in failing else "ok") for at, one in enumerate(records)
    ]
    found = compare_arms(lambda: records, "tone", DecisionConfig(metric="failure_rate")).primary[0]
    assert found.difference is not None
    assert found.difference.n == 40
    assert found.difference.high - found.difference.low > 0.3  # as from 2,000 requests it would be below 0.1


def test_drawn_requests_are_rates_of_independent_samples() -> None:
    arms = split(subject="request")
    records = requests(
        arms,
        2000,
        lambda arm, random: {"state": "failed" if random.random() < (0.3 if arm == "old" else 0.1) else "ok"},
        each=1,
    )
    found = compare_arms(lambda: records, "tone", DecisionConfig(), arms=("old", "new"))
    first = found.primary[0]
    assert first.difference is not None
    assert (first.name, first.difference.method, found.kind) == ("failure_rate", "Newcombe", "B")
    assert found.verdict.startswith("B is better by 0.")


def test_what_was_known_before_makes_it_narrower() -> None:
    random = np.random.default_rng(2)
    level = random.lognormal(0, 1, 300)
    before = [
        record(
            at,
            f"key{at % 300}",
            None,
            started=BEGAN - DAY,
            cost=Cost(level[at % 300] * random.lognormal(0, 0.1), "exact"),
        )
        for at in range(900)
    ]
    after = [
        record(1000 + at, f"key{at % 300}", split(), cost=Cost(level[at % 300] * random.lognormal(0, 0.1), "exact"))
        for at in range(1500)
    ]
    plain = compare_arms(lambda: after, "tone", DecisionConfig(metric="cost")).primary[0].difference
    known = compare_arms(lambda: [*before, *after], "tone", DecisionConfig(metric="cost")).primary[0].difference
    assert plain is not None
    assert known is not None
    assert known.method.startswith("CUPED")
    assert known.high - known.low < 0.4 * (plain.high - plain.low)
    assert plain.low < known.estimate < plain.high


def test_cuped_without_anything_to_take_away_is_the_delta_method() -> None:
    after = requests(split(), 200, cheap_new)
    noise = np.random.default_rng(3)
    before = [
        record(9000 + at, f"key{at}", None, started=BEGAN - DAY, cost=Cost(noise.random(), "exact"))
        for at in range(200)
    ]
    plain = compare_arms(lambda: after, "tone", DecisionConfig(metric="cost")).primary[0].difference
    known = compare_arms(lambda: [*before, *after], "tone", DecisionConfig(metric="cost")).primary[0].difference
    assert plain is not None
    assert known is not None
    assert (known.low, known.high) == pytest.approx((plain.low, plain.high), abs=0.15 * (plain.high - plain.low))


def test_scores_among_the_tags_come_first_and_more_is_better() -> None:
    def rated(arm: str, random: np.random.Generator) -> dict[str, Any]:
        return {"tags": {"score": f"{random.normal(0.6 if arm == 'new' else 0.5, 0.1):.3f}", "team": "x", "stars": "4"}}

    records = requests(split(), 200, rated)
    found = compare_arms(lambda: records, "tone", DecisionConfig(), arms=("old", "new"), scores=("stars",))
    assert found.primary[0].name == "tag:score"
    assert found.kind == "B"
    assert found.named("tag:stars").a is not None
    assert not any("team" in one.name for one in found.estimates)


def test_fallbacks_blocks_and_disconnects_are_rates() -> None:
    def mixed(arm: str, random: np.random.Generator) -> dict[str, Any]:
        drawn = random.random()
        if drawn < 0.2:
            return {"state": "blocked"}
        if drawn < 0.3:
            return {"state": "aborted"}
        return (
            {"attempts": [Attempt("p", "m", 0, why="fallback")]}
            if drawn < 0.7
            else {"degraded": "fallback"}
            if drawn < 0.8
            else {}
        )

    found = compare_arms(lambda: requests(split(), 300, mixed), "tone", DecisionConfig())
    for name, share in (("blocked_rate", 0.2), ("aborted_rate", 0.1), ("fallback_rate", 0.5), ("failure_rate", 0.0)):
        mean = found.named(name).a
        assert mean is not None
        assert mean.estimate == pytest.approx(share, abs=0.06)


def test_primary_metrics_are_corrected_together_by_p_of_their_intervals() -> None:
    records = requests(split(), 400, cheap_new)
    found = compare_arms(lambda: records, "tone", DecisionConfig(metric="cost", also=["latency", "unheard of"]))
    assert [one.name for one in found.primary] == ["cost", "latency"]
    cost = found.primary[0]
    assert cost.verdict is not None
    assert cost.p is not None
    assert cost.verdict.p == pytest.approx(min(1.0, 2 * cost.p)) or cost.verdict.p == pytest.approx(cost.p)
    assert cost.difference is not None
    half = (cost.difference.high - cost.difference.low) / 2
    z = abs(cost.difference.estimate) / half * stats.norm.ppf(0.975)
    assert cost.p == pytest.approx(2 * stats.norm.sf(z), rel=1e-6)


def test_subjects_in_several_arms_belong_to_none_and_weights_have_their_periods() -> None:
    one, other = split(), split(arms={"old": {"weight": 1}, "new": {"weight": 3}})
    first = requests(one, 300, cheap_new)
    second = [record(5000 + at, f"key{at}", other, policy="p2") for at in range(300)]
    found = traffic(lambda: [*first, *second], "tone")
    assert 40 < found.crossed < 110
    assert len(found.subjects) == 300 - found.crossed
    assert sorted(shares["new"] for shares, _ in found.periods) == [0.5, 0.75]
    assert [sum(counts.values()) for _, counts in found.periods] == [300, 300]


def test_a_canary_is_the_candidate_and_its_share_is_tested() -> None:
    arms = experiment(CanaryOptions(name="tone", model="m2", percent=20))
    assert isinstance(arms, Split)
    found = compare_arms(lambda: requests(arms, 500, cheap_new), "tone", DecisionConfig())
    assert (found.a.name, found.b.name) == ("stable", "canary")
    (ratio,) = found.checks["sample_ratio"]
    assert not ratio.blocks
    assert ratio.expected == pytest.approx({"canary": 100, "stable": 400})


def test_mirrored_copies_and_other_experiments_count_for_nothing() -> None:
    records = requests(split(), 50, cheap_new)
    copies = [record(7000 + at, "key1", split(), shadow_of="req_1") for at in range(100)]
    others = requests(split(name="other"), 50, cheap_new, start=8000)
    assert traffic(lambda: [*records, *copies, *others], "tone").requests == 250


def test_unsticky_requests_are_told() -> None:
    records = [record(at, "", split()) for at in range(100)]
    found = compare_arms(lambda: records, "tone", DecisionConfig())
    assert "100 requests named no subject and were drawn one by one" in found.cautions
    assert found.checks["unsticky"] == 100


def test_what_is_not_there_is_refused_with_what_is() -> None:
    records = requests(split(), 50, cheap_new)
    with pytest.raises(ValueError, match="no request took part in experiment 'tune': there are tone"):
        compare_arms(lambda: records, "tune", DecisionConfig())
    with pytest.raises(ValueError, match="no request took part in any"):
        compare_arms(list, "tune", DecisionConfig())
    with pytest.raises(ValueError, match="has no arm 'x'; it has new, old"):
        compare_arms(lambda: records, "tone", DecisionConfig(), arms=("x", "old"))
    three = requests(split(arms={"a": {}, "b": {}, "c": {}}), 50, cheap_new)
    with pytest.raises(ValueError, match="has the arms a, b, c; name two of them, --ab A B"):
        compare_arms(lambda: three, "tone", DecisionConfig())
    few = list({one.decision.arm: one for one in records if one.decision}.values())
    with pytest.raises(ValueError, match="two of each is the least"):
        compare_arms(lambda: few, "tone", DecisionConfig(), arms=("old", "new"))


def test_it_is_told_as_any_comparison() -> None:
    found = compare_arms(lambda: requests(split(), 100, cheap_new), "tone", DecisionConfig())
    assert "failure_rate" in as_text(found)
    told = json.loads(json.dumps(as_json(found), allow_nan=False))
    assert told["checks"]["sample_ratio"][0]["p"] > 0.001
