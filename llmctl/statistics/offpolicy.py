"""What another policy would have brought, from what was recorded under the one that was in force.

Sources: self-normalised inverse propensity scores after Swaminathan and Joachims, "The self-normalized estimator for
counterfactual learning", 2015; doubly robust after Dudík, Langford and Li, "Doubly robust policy evaluation", 2011.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from llmctl.statistics.interval import Interval
from llmctl.statistics.observations import Floats, Integers, level, same_length, vector
from llmctl.statistics.special import t_quantile

FEW_EFFECTIVE = 30.0


class NoSupport(ValueError):
    """The new policy asks for what the old one never did, so the records say nothing about it.

    `share` is how much of the new policy's choices that is, `actions` which ones, by their columns.
    """

    def __init__(self, share: float, actions: tuple[int, ...]) -> None:
        super().__init__(
            f"no support: {share:.2%} of the new policy's choices (actions {', '.join(map(str, actions))}) were never "
            "taken by the old one; record some exploration, or replay these requests"
        )
        self.share = share
        self.actions = actions


@dataclass(frozen=True, slots=True)
class Recorded:
    """Decisions under the old policy: (n,) action taken and reward, (n, actions) propensities of old and new policy.

    Raises ValueError for shapes that do not fit or propensities that are no distribution, NoSupport where the new
    policy takes an action that the old one could not have taken there, or that nobody has recorded.
    """

    actions: Integers
    rewards: Floats
    old: Floats
    new: Floats

    def __post_init__(self) -> None:
        n = same_length(actions=self.actions.astype(np.float64), rewards=self.rewards)
        if self.old.ndim != 2 or self.old.shape != self.new.shape or len(self.old) != n or n < 2:
            raise ValueError(
                f"needs (n, actions) propensities of both policies and two records at least; got {self.old.shape} and "
                f"{self.new.shape} for {n} records"
            )
        for name, shares in (("old", self.old), ("new", self.new)):
            wrong = np.flatnonzero(~((shares >= 0).all(axis=1) & (np.abs(shares.sum(axis=1) - 1) < 1e-6)))
            if len(wrong):
                raise ValueError(f"{name}: the propensities of record {wrong[0]} are no distribution over the actions")
        vector(self.rewards, "rewards")
        if self.actions.min() < 0 or self.actions.max() >= self.old.shape[1]:
            raise ValueError(f"actions: each needs a column of the propensities, 0 to {self.old.shape[1] - 1}")
        if (self.old[np.arange(n), self.actions] <= 0).any():
            raise ValueError(
                "old: an action was taken whose propensity is 0; the propensities are not the old policy's"
            )
        self._supported()

    def _supported(self) -> None:
        taken = np.bincount(self.actions, minlength=self.old.shape[1]) > 0
        missing = np.where((self.old <= 0) | ~taken, self.new, 0.0)
        columns = np.flatnonzero(missing.sum(axis=0) > 0)
        if len(columns):
            raise NoSupport(float(missing.sum() / len(missing)), tuple(int(column) for column in columns))

    @property
    def weights(self) -> Floats:
        """(n,) how much more often the new policy would have done what was done."""
        rows = np.arange(len(self.actions))
        return np.asarray(self.new[rows, self.actions] / self.old[rows, self.actions])


def recorded(actions: ArrayLike, rewards: ArrayLike, old: ArrayLike, new: ArrayLike) -> Recorded:
    """Records from plain numbers; shapes and errors as of `Recorded`."""
    shares = (np.asarray(policy, dtype=np.float64) for policy in (old, new))
    return Recorded(np.asarray(actions, dtype=np.int64), np.asarray(rewards, dtype=np.float64), *shares)


def effective_size(weights: ArrayLike) -> float:
    """As how many equal records weighted ones count: (Σw)²/Σw²; 0 where all weigh nothing."""
    array = np.asarray(weights, dtype=np.float64)
    squares = float(array @ array)
    return float(array.sum()) ** 2 / squares if squares else 0.0


def self_normalised(records: Recorded, confidence: float = 0.95) -> Interval:
    """The mean reward under the new policy, Σwr/Σw. Raises NoSupport where no record weighs anything."""
    weights, total = records.weights, float(records.weights.sum())
    if not total:
        raise NoSupport(1.0, tuple(int(column) for column in np.flatnonzero(records.new.sum(axis=0) > 0)))
    value = float(weights @ records.rewards) / total
    error = 0.0
    if np.ptp(records.rewards[weights > 0]):
        error = math.sqrt(float((weights**2) @ (records.rewards - value) ** 2)) / total
    return _interval(value, error, weights, confidence, "self-normalised IPS")


def doubly_robust(records: Recorded, predicted: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean reward under the new policy, from (n, actions) predicted rewards, put right by what was recorded.

    The predictions of a record must not have been learnt from it (cross-fit them). Raises ValueError for their shape.
    """
    model = np.asarray(predicted, dtype=np.float64)
    if model.shape != records.new.shape or not np.isfinite(model).all():
        raise ValueError(f"predicted: needs finite rewards {records.new.shape}, one per record and action")
    weights, rows = records.weights, np.arange(len(records.actions))
    direct = (records.new * model).sum(axis=1)
    each = direct + weights * (records.rewards - model[rows, records.actions])
    error = math.sqrt(float(each.var(ddof=1)) / len(each)) if np.ptp(each) else 0.0
    return _interval(float(each.mean()), error, weights, confidence, "doubly robust")


def _interval(value: float, error: float, weights: Floats, confidence: float, method: str) -> Interval:
    """By t, with the degrees that the weighted records are worth."""
    effective = effective_size(weights)
    caution = ""
    if effective < FEW_EFFECTIVE:
        caution = f"the records are worth {effective:.1f} of the new policy's own: the interval tends to be too narrow"
    half = math.inf
    if error:
        half = t_quantile((1 + level(confidence)) / 2, max(1.0, effective - 1)) * error
    else:
        caution = "all rewards are the same, which tells no spread; of yes-or-no rewards ask for a rate"
    return Interval(value, value - half, value + half, confidence, len(weights), method, caution)
