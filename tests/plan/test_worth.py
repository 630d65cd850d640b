"""The difference that another choice makes: against the truth, against definitions, and refused where it must be."""

import math

import numpy as np
import pytest

from llmctl.plan.worth import Outcomes, difference

ACTIONS = ("a", "b", "c")
QUALITY = np.array([[0.3, 0.5, 0.9], [0.6, 0.7, 0.8]])


def world(random: np.random.Generator, n: int, *, groups: int = 0) -> tuple[Outcomes, float]:
    """Requests of two kinds, of which one is chosen for as before, and the truth for these very requests."""
    hard = random.integers(0, 2, n)
    old = np.array([[0.5, 0.3, 0.2], [0.2, 0.2, 0.6]])[hard]
    new = np.array([[0.1, 0.3, 0.6], [0.2, 0.2, 0.6]])[hard]
    own = random.normal(0, 0.3, max(groups, n))
    clusters = random.integers(0, groups, n) if groups else None
    table = (
        QUALITY[hard] + own[clusters if clusters is not None else np.arange(n)][:, None] + random.normal(0, 0.2, (n, 3))
    )
    taken = (random.random(n)[:, None] > old.cumsum(axis=1)).sum(axis=1).clip(0, 2)
    got = table[np.arange(n), taken]
    truth = float(((new - old) * table).sum(axis=1).mean())
    unknown = np.zeros(n, bool)
    return Outcomes(got, got, taken, old, new, hard[:, None].astype(float), unknown, ACTIONS, clusters), truth


@pytest.mark.parametrize("groups", [0, 60])
def test_intervals_hold_the_truth(groups: int) -> None:
    random = np.random.default_rng(8)
    held = 0
    for _ in range(300):
        outcomes, truth = world(random, 400, groups=groups)
        found = difference("quality", "score", outcomes).difference
        assert found.low is not None
        assert found.high is not None
        held += found.low <= truth <= found.high
    assert held / 300 >= 0.93


def test_it_is_narrower_where_only_some_requests_change() -> None:
    outcomes, _ = world(np.random.default_rng(1), 2000)
    found = difference("quality", "score", outcomes)
    assert found.difference.told == "estimated"
    assert found.difference.high is not None
    assert found.difference.low is not None
    assert found.alone is not None
    assert found.difference.high - found.difference.low < found.alone.high - found.alone.low
    assert found.difference.requests == 2000


def test_nothing_moves() -> None:
    outcomes, _ = world(np.random.default_rng(2), 50)
    same = Outcomes(
        outcomes.before, outcomes.after, outcomes.taken, outcomes.old, outcomes.old, outcomes.covariates,
        outcomes.unknown, ACTIONS,
    )  # fmt: skip
    found = difference("quality", "score", same).difference
    assert (found.told, found.estimate, found.low, found.high) == ("exact", 0.0, 0.0, 0.0)


def test_prices_alone_are_told_exactly() -> None:
    outcomes, _ = world(np.random.default_rng(2), 50)
    dearer = Outcomes(
        outcomes.before, outcomes.before * 1.5, outcomes.taken, outcomes.old, outcomes.old, outcomes.covariates,
        outcomes.unknown, ACTIONS,
    )  # fmt: skip
    found = difference("cost", "USD", dearer).difference
    assert found.told == "exact"
    assert found.relative is not None
    assert found.relative[0] == pytest.approx(0.5)


def refused(outcomes: Outcomes, why: str) -> None:
    found = difference("cost", "USD", outcomes, "because").difference
    assert (found.told, found.estimate, found.low, found.high) == ("no support", None, None, None)
    assert why in found.note


def test_what_was_never_taken_is_refused() -> None:
    n, one = 100, np.ones(100)
    taken = np.zeros(n, np.int64)
    old, new = np.tile([1.0, 0.0, 0.0], (n, 1)), np.tile([0.0, 0.0, 1.0], (n, 1))
    never = Outcomes(one, one, taken, old, new, np.zeros((n, 0)), np.zeros(n, bool), ACTIONS)
    refused(never, "goes to c, where OLD never chose so")
    some = new.copy()
    some[1:] = old[1:]
    refused(Outcomes(one, one, taken, old, some, np.zeros((n, 0)), np.zeros(n, bool), ACTIONS), "only one request")
    refused(
        Outcomes(one, one, taken, old, new, np.zeros((n, 0)), np.ones(n, bool), ACTIONS), "OLD's odds are not known"
    )
    alone = Outcomes(one, one, taken, old, old, np.zeros((n, 0)), np.zeros(n, bool), ACTIONS, np.zeros(n, np.int64))
    refused(alone, "of one subject")
    nan = np.full(n, math.nan)
    refused(Outcomes(nan, nan, taken, old, new, np.zeros((n, 0)), np.zeros(n, bool), ACTIONS), "fewer than two")


def test_too_little_is_refused() -> None:
    random = np.random.default_rng(0)
    n = 300
    taken = np.zeros(n, np.int64)
    taken[:4] = 1
    old, new = np.tile([0.99, 0.01, 0.0], (n, 1)), np.tile([0.0, 1.0, 0.0], (n, 1))
    got = random.random(n)
    refused(Outcomes(got, got, taken, old, new, np.zeros((n, 0)), np.zeros(n, bool), ACTIONS), "are worth 4.0")


def test_all_alike_tell_no_spread() -> None:
    outcomes, _ = world(np.random.default_rng(2), 200)
    one = np.ones(200)
    alike = Outcomes(
        one, one, outcomes.taken, outcomes.old, outcomes.new, outcomes.covariates, outcomes.unknown, ACTIONS
    )
    found = difference("answered", "share", alike).difference
    assert (found.estimate, found.low) == (0.0, None)
    assert "no spread" in found.note
