import math
import random
from typing import NamedTuple

import pytest

from llmctl.cache.bounded import BoundedPolicy, Guarantee
from llmctl.cache.evidence import Neighbour

REQUESTS = 4000


class Run(NamedTuple):
    hits: float
    error: float
    over: bool
    policy: BoundedPolicy


def drive(
    seed: int, *, max_error: float = 0.02, audit: float = 0.05, guarantee: Guarantee = "modelled", turn: int = 0
) -> Run:
    """A stream in which similarity says how probably an answer is right; after `turn` requests it says the contrary."""
    rng = random.Random(seed)
    policy = BoundedPolicy(max_error, random=rng, audit=audit, guarantee=guarantee)
    hits = false = 0
    over = False
    for at in range(1, REQUESTS + 1):
        similarity = min(1.0, max(0.0, rng.betavariate(5, 2)))
        right = rng.random() < 1 / (1 + math.exp(-25 * (similarity - 0.75)))
        if turn and at > turn:
            right = rng.random() < 0.3
        entry = rng.randrange(300)
        other = Neighbour(entry + 1000, similarity - rng.random() * 0.2, 1, "")
        decision = policy.decide("a text", [Neighbour(entry, similarity, 0, "a text"), other], 300)
        if decision.serve:
            hits += 1
            false += not right
        else:
            policy.observe(decision, right)
        over |= at >= 500 and false > max_error * at
    return Run(hits / REQUESTS, false / REQUESTS, over, policy)


@pytest.mark.parametrize("max_error", [0.01, 0.02, 0.05])
def test_the_error_stays_within_the_bound_in_every_stream(max_error: float) -> None:
    runs = [drive(seed, max_error=max_error) for seed in range(20)]
    assert not any(run.over for run in runs)
    assert sum(run.hits for run in runs) / 20 > 0.1


def test_what_is_reported_bounds_what_is_true() -> None:
    for seed in range(20):
        run = drive(seed)
        report = run.policy.report()
        assert report.modelled is not None
        assert report.certified is not None
        assert run.error <= report.modelled <= 0.02 + 1e-4
        assert run.error <= report.certified
        assert (report.hits / report.requests, report.refuted) == (run.hits, False)


def test_certified_needs_nothing_but_audits() -> None:
    runs = [drive(seed, guarantee="certified", audit=0.2) for seed in range(10)]
    assert not any(run.over for run in runs)
    for run in runs:
        certified = run.policy.report().certified
        assert certified is not None
        assert certified <= 0.02 + 30 / REQUESTS  # one wrong audit may take it over, and stops it
    assert sum(run.hits for run in runs) / 10 > 0.03


def test_a_stream_that_turns_is_noticed_and_hits_stop() -> None:
    runs = [drive(seed, turn=2000) for seed in range(10)]
    assert all(run.error < 0.03 for run in runs), "the turn costs what is served until audits fall on it, no more"
    assert sum(run.error for run in runs) / 10 < 0.02


def test_it_starts_cold_and_serves_nothing_before_it_has_learnt() -> None:
    policy = BoundedPolicy(0.02, random=random.Random(0))
    assert policy.decide("x", [], 0).reason == "empty"
    for at in range(49):
        decision = policy.decide("x", [Neighbour(at, 1.0, 0, "x")], 1)
        assert decision.reason == "explore"
        policy.observe(decision, True)
    assert policy.report().hits == 0


def test_the_same_stream_and_seed_give_the_same_decisions() -> None:
    one, two = drive(7), drive(7)
    assert (one.hits, one.error, one.policy.report()) == (two.hits, two.error, two.policy.report())


def test_an_entry_that_is_often_wrong_is_not_served() -> None:
    rng = random.Random(4)
    policy = BoundedPolicy(0.1, random=rng, audit=0.01)
    served = 0
    for at in range(3000):
        bad = at % 20 == 0
        entry = 1 if bad else 2 + rng.randrange(50)
        similarity = 0.9 + rng.random() / 20
        decision = policy.decide("x", [Neighbour(entry, similarity, 0, "x"), Neighbour(99, 0.5, 1, "")], 60)
        if not decision.serve:
            policy.observe(decision, not bad)
        elif at > 1500:
            served += bad
    assert served <= 2


def continued(policy: BoundedPolicy) -> list[object]:
    rng = random.Random(99)
    told: list[object] = []
    for _ in range(400):
        similarity = rng.betavariate(5, 2)
        near = [Neighbour(rng.randrange(300), similarity, 0, "a text"), Neighbour(1, similarity - 0.1, 1, "")]
        told.append(policy.decide("a text", near, 300).risk)
    return told


def test_it_goes_on_after_a_restart() -> None:
    first = drive(3).policy
    second = BoundedPolicy(0.02, random=random.Random(0))
    second.restore(first.state())
    assert second.report() == first.report()
    assert second.scale == first.scale
    third = BoundedPolicy(0.02, random=random.Random(0))
    third.restore(second.state())
    assert third.state() == second.state()
    assert continued(second) == continued(third)
    assert second.report().hits > first.report().hits, "at once, not cold"


@pytest.mark.parametrize("data", [b"", b"\x80", b"nonsense"])
def test_a_state_that_is_none_changes_nothing(data: bytes) -> None:
    policy = BoundedPolicy(0.02, random=random.Random(0))
    before = policy.state()
    with pytest.raises(ValueError, match="learnt"):
        policy.restore(data)
    assert policy.state() == before


def test_a_state_with_another_share_of_audits_is_refused() -> None:
    with pytest.raises(ValueError, match="share of audits"):
        BoundedPolicy(0.02, random=random.Random(0), audit=0.1).restore(drive(3).policy.state())


def test_exact_hits_count_among_all_requests() -> None:
    policy = BoundedPolicy(0.02, random=random.Random(0))
    policy.exact()
    assert policy.report().requests == 1


@pytest.mark.parametrize(("max_error", "audit"), [(0.0, 0.1), (1.0, 0.1), (0.1, 0.0)])
def test_nonsense_is_refused(max_error: float, audit: float) -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        BoundedPolicy(max_error, random=random.Random(0), audit=audit)
