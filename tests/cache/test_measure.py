from random import Random

import numpy as np
import pytest

from llmctl.cache.bounded import BoundedPolicy
from llmctl.cache.measure import Row, spread, streams
from llmctl.cache.policies import Policy, Threshold

LABELS, EACH, DIMENSIONS = 30, 60, 16


def rows() -> tuple[list[Row], np.ndarray]:
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(LABELS, DIMENSIONS))
    vectors = (centres[:, None] + 0.45 * rng.normal(size=(LABELS, EACH, DIMENSIONS))).reshape(-1, DIMENSIONS)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    named = [Row(f"text {at}", str(at // EACH) if at // EACH else None) for at in range(LABELS * EACH)]
    return named, vectors.astype(np.float32)


def test_hits_and_false_hits_are_counted_over_all_requests() -> None:
    named, vectors = rows()
    everything = streams(named, vectors, lambda random: Threshold(-1.0, random=random), [0])[0]
    assert everything.hits == everything.requests - 1 == len(named) - 1
    assert everything.error > 0.9, "one answer for all"
    nothing = streams(named, vectors, lambda random: Threshold(1.0, random=random), [0])[0]
    assert (nothing.hits, nothing.false) == (0, 0)


def test_a_bounded_policy_keeps_its_bound_and_hits() -> None:
    named, vectors = rows()

    def policy(random: Random) -> Policy:
        return BoundedPolicy(0.02, random=random)

    outcomes = streams(named, vectors, policy, range(5))
    assert all(one.worst <= 0.02 for one in outcomes)
    assert all(one.hit_share > 0.2 for one in outcomes)
    assert outcomes == streams(named, vectors, policy, range(5)), "a seed is a stream"
    assert streams(named, vectors, policy, [0], limit=100)[0].requests == 100


def test_rows_that_never_have_an_answer_in_common() -> None:
    vectors = np.ones((10, 1), np.float32)
    one = streams([Row(str(at), None) for at in range(10)], vectors, lambda random: Threshold(0.9, random=random), [1])[
        0
    ]
    assert (one.hits, one.false) == (9, 9)


def test_the_same_text_is_an_exact_hit() -> None:
    vectors = np.zeros((4, 1), np.float32)
    one = streams([Row("a", "x")] * 4, vectors, lambda random: Threshold(0.9, random=random), [1])[0]
    assert (one.hits, one.false) == (3, 0)


def test_spread() -> None:
    found = spread([0.1, 0.2], 1000)
    assert (found.least, found.most) == (0.1, 0.2)
    assert found.mean == pytest.approx(0.15)
    assert (found.low, found.high) == pytest.approx((0.1291, 0.1735), abs=1e-3)
