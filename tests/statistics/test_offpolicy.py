"""Against plain loops to 1e-9, refusals where the old policy never went, and coverage against the known truth."""

import math

import numpy as np
import pytest

from llmctl.statistics.offpolicy import NoSupport, Recorded, doubly_robust, effective_size, recorded, self_normalised

World = tuple[Recorded, np.ndarray, float]


def world(random: np.random.Generator, n: int = 600) -> World:
    """Records, a poor model's predictions and the new policy's true mean reward for these requests and any other."""
    hard = random.random(n) < 0.4
    old = np.where(hard[:, None], [0.3, 0.5, 0.2], [0.6, 0.3, 0.1])
    new = np.where(hard[:, None], [0.1, 0.2, 0.7], [0.5, 0.5, 0.0])
    quality = np.where(hard[:, None], [0.2, 0.5, 0.8], [0.7, 0.8, 0.9])
    actions = (random.random(n)[:, None] > np.cumsum(old, axis=1)).sum(axis=1).clip(0, 2)
    rewards = (random.random(n) < quality[np.arange(n), actions]).astype(np.float64)
    truth = 0.4 * (0.02 + 0.1 + 0.56) + 0.6 * (0.35 + 0.4)
    return recorded(actions, rewards, old, new), quality * 0.8 + 0.05, truth


def test_the_estimates_are_their_definitions() -> None:
    records, predicted, _ = world(np.random.default_rng(0), 200)
    total = weights = 0.0
    scores = []
    for at, action in enumerate(records.actions):
        weight = records.new[at, action] / records.old[at, action]
        total, weights = total + weight * records.rewards[at], weights + weight
        direct = sum(records.new[at, k] * predicted[at, k] for k in range(3))
        scores.append(direct + weight * (records.rewards[at] - predicted[at, action]))
    assert self_normalised(records).estimate == pytest.approx(total / weights, abs=1e-9)
    robust = doubly_robust(records, predicted)
    assert robust.estimate == pytest.approx(np.mean(scores), abs=1e-9)
    assert robust.low < robust.estimate < robust.high


def test_the_old_policy_itself_is_its_own_mean() -> None:
    records, _, _ = world(np.random.default_rng(1))
    same = Recorded(records.actions, records.rewards, records.old, records.old)
    assert self_normalised(same).estimate == pytest.approx(records.rewards.mean(), abs=1e-12)
    assert effective_size(same.weights) == pytest.approx(600)
    assert effective_size([0.0]) == 0


def test_a_model_that_is_right_leaves_little_to_chance() -> None:
    random = np.random.default_rng(2)
    records, _, _ = world(random)
    predicted = np.tile([0.2, 0.5, 0.8], (600, 1))
    exact = Recorded(records.actions, predicted[np.arange(600), records.actions], records.old, records.new)
    robust, alone = doubly_robust(exact, predicted), self_normalised(exact)
    assert robust.estimate == pytest.approx((records.new @ [0.2, 0.5, 0.8]).mean(), abs=1e-12)
    assert robust.high - robust.low < alone.high - alone.low


def test_no_support_is_refused() -> None:
    old, new = [[1.0, 0.0]] * 4, [[0.5, 0.5]] * 4
    with pytest.raises(NoSupport, match=r"no support: 50.00% of the new policy's choices \(actions 1\)") as refused:
        recorded([0, 0, 0, 0], [1, 0, 1, 0], old, new)
    assert (refused.value.share, refused.value.actions) == (0.5, (1,))
    with pytest.raises(NoSupport):  # it might have been taken, but nobody has seen it
        recorded([0, 0, 0, 0], [1, 0, 1, 0], [[0.9, 0.1]] * 4, new)
    with pytest.raises(NoSupport):  # taken elsewhere, and impossible where the new policy wants it
        recorded([0, 1, 0, 0], [1, 0, 1, 0], [[1.0, 0.0], [0.5, 0.5], [1.0, 0.0], [1.0, 0.0]], new)
    assert recorded([0, 0], [1, 0], old[:2], old[:2]).weights.tolist() == [1, 1]


def test_records_without_weight_are_refused() -> None:
    records = recorded([0, 0, 1, 1], [1, 0, 1, 0], [[0.5, 0.5]] * 4, [[0.0, 1.0]] * 4)
    assert "worth 2.0" in self_normalised(records).caution
    unlucky = recorded([0, 1], [1, 0], [[0.5, 0.5]] * 2, [[0.0, 1.0], [1.0, 0.0]])
    with pytest.raises(NoSupport):
        self_normalised(unlucky)


@pytest.mark.parametrize(
    ("actions", "old", "message"),
    [
        ([0, 1], [[0.5, 0.6]] * 2, "old: the propensities of record 0"),
        ([0, 2], [[0.5, 0.5]] * 2, "0 to 1"),
        ([0, 1], [[1.0, 0.0]] * 2, "whose propensity is 0"),
        ([0], [[0.5, 0.5]] * 2, "actions has 1"),
        ([0, 1], [0.5, 0.5], r"needs \(n, actions\)"),
    ],
)
def test_what_cannot_be_is_refused(actions: list[int], old: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        recorded(actions, [1.0, 0.0], old, [[0.5, 0.5]] * 2)


def test_predictions_must_fit() -> None:
    records, predicted, _ = world(np.random.default_rng(3))
    with pytest.raises(ValueError, match="one per record and action"):
        doubly_robust(records, predicted[:, :2])


def test_constant_rewards_tell_no_limits() -> None:
    records, _, _ = world(np.random.default_rng(3))
    flat = Recorded(records.actions, np.ones(600), records.old, records.new)
    assert self_normalised(flat).high == math.inf


def test_coverage() -> None:
    random = np.random.default_rng(4)
    normalised = robust = 0
    for _ in range(2000):
        records, predicted, truth = world(random)
        one, two = self_normalised(records), doubly_robust(records, predicted)
        normalised += one.low <= truth <= one.high
        robust += two.low <= truth <= two.high
    assert 0.94 <= normalised / 2000 <= 0.96
    assert 0.94 <= robust / 2000 <= 0.96
