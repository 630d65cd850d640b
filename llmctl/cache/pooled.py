"""P(the cached answer is right), learnt as answers are compared: one logistic model, fitted again and again.

Bayesian with a Gaussian prior and Laplace's approximation; what it predicts is averaged over what it does not know yet
(MacKay 1992), so that with few observations risks are high by themselves.
"""

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

FIRST = 50
WINDOW = 2048
STEPS = 25
FLAT = 1e-6  # a feature that hardly varies is not blown up

_POINTS, _WEIGHTS = np.polynomial.hermite_e.hermegauss(9)
POINTS = tuple(float(point) for point in _POINTS)
WEIGHTS = tuple(float(weight / _WEIGHTS.sum()) for weight in _WEIGHTS)


def sigmoid(value: float) -> float:
    """1 / (1 + e^-value), for any float."""
    return 1 / (1 + math.exp(-value)) if value > -700 else 0.0


def risk(logit: float, variance: float) -> float:
    """The mean of 1 - sigmoid(x) for x normal around `logit`: P(wrong) by what is known."""
    deviation = math.sqrt(variance)
    return min(1.0, sum(w * sigmoid(-logit - deviation * p) for p, w in zip(POINTS, WEIGHTS, strict=True)))


class PooledModel:
    """Observations of all entries together, the last 2,048; fitted at 50, then at every eighth more, at most 200."""

    def __init__(self, features: int) -> None:
        """The first feature must be 1: its weight is the intercept, which the prior leaves alone."""
        self._size = features
        self._rows = np.zeros((WINDOW, features))
        self._labels = np.zeros(WINDOW)
        self._next = FIRST
        self.seen = 0
        self.ready = False
        self._centre = np.zeros(features)
        self._scale = np.ones(features)
        self._weights = np.zeros(features)  # of rows less their centre, by their scale
        self._covariance = np.eye(features)

    def predict(self, row: list[float]) -> tuple[float, float]:
        """The logit of P(right) and its variance. Only when `ready`."""
        value = (np.asarray(row) - self._centre) / self._scale
        return float(value @ self._weights), float(value @ self._covariance @ value)

    def observe(self, row: list[float], right: bool) -> None:
        """Learn from one comparison."""
        at = self.seen % WINDOW
        self._rows[at] = row
        self._labels[at] = right
        self.seen += 1
        if self.seen >= self._next:
            self.fit()
            self._next = self.seen + max(10, min(200, self.seen // 8))

    def observations(self) -> tuple[Floats, Floats]:
        """What is kept, oldest first: rows (n, features) and labels (n,)."""
        kept = min(self.seen, WINDOW)
        order = np.arange(self.seen - kept, self.seen) % WINDOW
        return self._rows[order], self._labels[order]

    def take(self, rows: Floats, labels: Floats) -> None:
        """Learn at once from what `observations` gave. Raises ValueError for rows of another shape."""
        if rows.shape != (len(labels), self._size) or not np.isfinite(rows).all() or not np.isin(labels, (0, 1)).all():
            raise ValueError(f"these are no observations of {self._size} features")
        kept = min(len(labels), WINDOW)
        self._rows[:kept], self._labels[:kept] = rows[len(rows) - kept :], labels[len(labels) - kept :]
        self.seen, self._next, self.ready = kept, FIRST, False
        if kept >= FIRST:
            self.fit()
            self._next = kept + 10

    def forget(self, keep: int) -> None:
        """Keep only the last so many observations: what came before is no longer so. With too few it is not `ready`."""
        rows, labels = self.observations()
        start = max(0, len(labels) - keep)
        self.take(rows[start:], labels[start:])

    def fit(self) -> None:
        """Fit to what is kept, from where the last fit ended. About 2 ms for 2,048 observations."""
        kept = min(self.seen, WINDOW)
        rows, labels = self._rows[:kept], self._labels[:kept]
        centre, scale = rows.mean(0), rows.std(0)
        centre[0] = 0.0
        scale[scale < FLAT] = 1.0
        found = (rows - centre) / scale
        prior = np.ones(self._size)
        prior[0] = 0.01
        weights = self._weights * scale / self._scale
        weights[0] += float((centre - self._centre) / self._scale @ self._weights)
        for _ in range(STEPS):
            right = 1 / (1 + np.exp(-np.clip(found @ weights, -30, 30)))
            hessian = (found * (right * (1 - right))[:, None]).T @ found + np.diag(prior)
            step = np.linalg.solve(hessian, found.T @ (labels - right) - prior * weights)
            longest = float(np.abs(step).max())
            weights = weights + step * min(1.0, 3 / longest if longest else 1.0)
            if longest < 1e-4:
                break
        self._centre, self._scale, self._weights = centre, scale, weights
        self._covariance = np.linalg.inv(hessian)
        self.ready = True
