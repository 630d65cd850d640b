"""Fits the complexity model: two L2-penalised logistic regressions, by Newton's method. Deterministic; NumPy alone."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from llmctl.embedding import DIMENSIONS, StaticEmbedder
from llmctl.routing.complexity_model import CLIP, SURFACE_SCALE, Weights
from llmctl.routing.surface import surface

PENALTY = 5.0  # half the squared norm of the weights times this; chosen on RouteLLM's MMLU rows: see the card
TIERS = (0.5, 0.8)  # quantiles of the score: half of what comes is simple, a fifth complex
FOLDS = 5
STEPS = 50
MIN_ROWS = 50

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]


class Head(NamedTuple):
    """A logistic regression."""

    weights: Matrix
    bias: float


def logistic(matrix: Matrix, labels: Flags, penalty: float, weights: Matrix | None = None) -> Head:
    """Minimises the log loss plus penalty/2 times the squared norm of the weights; the bias is free.

    `weights` are of rows. Newton's steps, halved while they do not help; converges to 1e-9 of the gradient's first
    size. With labels all alike the bias is held within what one more row of the other label would allow.
    """
    rows = np.ones(len(labels)) if weights is None else weights
    if labels.all() or not labels.any():
        total = rows.sum() + 2
        share = (rows @ labels + 1) / total
        return Head(np.zeros(matrix.shape[1]), float(np.log(share / (1 - share))))
    full = np.column_stack((matrix, np.ones(len(labels))))
    ridge = np.append(np.full(matrix.shape[1], penalty), 1e-12)
    beta = np.zeros(full.shape[1])
    sign = np.where(labels, 1.0, -1.0)

    def loss(at: Matrix) -> float:
        return float(rows @ np.logaddexp(0, -sign * (full @ at)) + 0.5 * ridge @ (at * at))

    now, first = loss(beta), 0.0
    for _ in range(STEPS):
        chance = 1 / (1 + np.exp(-(full @ beta)))
        slope = full.T @ (rows * (chance - labels)) + ridge * beta
        first = first or float(np.abs(slope).max())
        if np.abs(slope).max() <= 1e-9 * first:
            break
        curve = (full.T * (rows * chance * (1 - chance))) @ full + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        while (then := loss(beta - step)) > now and np.abs(step).max() > 1e-12:
            step /= 2
        beta, now = beta - step, min(then, now)
    return Head(beta[:-1], float(beta[-1]))


class Features(NamedTuple):
    """Prompts as numbers: embeddings (n, 256) and surface features (n, len(NAMES))."""

    embeddings: Matrix
    surfaces: Matrix


def features(prompts: Sequence[str], embedder: StaticEmbedder) -> Features:
    """The features of all prompts, in their order."""
    embeddings = np.array([embedder.embed(prompt) for prompt in prompts], np.float64).reshape(-1, DIMENSIONS)
    return Features(embeddings, np.array([surface(prompt) for prompt in prompts], np.float64))


def fit(
    found: Features,
    strong: Flags,
    weak: Flags,
    *,
    rows: Matrix | None = None,
    calibration: Features | None = None,
    about: Mapping[str, Any] | None = None,
) -> Weights:
    """Weights from rows: what each prompt is, and whether the strong and the weak model were right on it.

    `rows` are their weights. Tiers are quantiles of the score over `calibration`, else over the rows themselves.
    """
    mean, deviation = found.surfaces.mean(0), found.surfaces.std(0)
    deviation = np.where(deviation > 1e-9, deviation, 1.0)
    matrix = np.column_stack((found.embeddings, _standardised(found.surfaces, mean, deviation)))
    heads = [logistic(matrix, labels, PENALTY, rows) for labels in (strong, weak)]
    weights = Weights(
        np.array([head.weights for head in heads], np.float32),
        np.array([head.bias for head in heads], np.float32),
        mean.astype(np.float32),
        deviation.astype(np.float32),
        (0.0, 0.0),
        dict(about or {}),
    )
    simple, complex_ = np.quantile(scores(weights, calibration or found), TIERS).tolist()
    return weights._replace(tiers=(simple, complex_))


def _standardised(values: Matrix, mean: Matrix, deviation: Matrix) -> Matrix:
    return np.clip((values - mean) / deviation, -CLIP, CLIP) * SURFACE_SCALE


def scores(weights: Weights, found: Features) -> Matrix:
    """The score of each prompt: what ComplexityModel.judge gives, for all at once."""
    seen = _standardised(found.surfaces, weights.mean.astype(np.float64), weights.deviation.astype(np.float64))
    logits = np.column_stack((found.embeddings, seen)) @ weights.heads.T.astype(np.float64) + weights.biases
    chances: Matrix = 1 / (1 + np.exp(-logits))
    return chances[:, 0] - chances[:, 1]


def folds(prompts: Sequence[str], count: int = FOLDS) -> NDArray[np.int64]:
    """The fold of each prompt, by a hash of it, so that copies of a prompt are in the same one."""
    return np.array([crc32(prompt.encode("utf-8", "replace")) % count for prompt in prompts], np.int64)


def out_of_fold(found: Features, strong: Flags, weak: Flags, fold: NDArray[np.int64]) -> Matrix:
    """The score of each prompt, by a model that was fitted without its fold."""
    result = np.zeros(len(strong))
    for one in np.unique(fold):
        out = fold == one
        seen = Features(found.embeddings[~out], found.surfaces[~out])
        left = Features(found.embeddings[out], found.surfaces[out])
        result[out] = scores(fit(seen, strong[~out], weak[~out]), left)
    return result


def fingerprint(prompts: Sequence[str]) -> str:
    """By which a model knows the prompts that it was fitted to, whatever their order: `about["fingerprints"]`."""
    each = sorted(sha256(prompt.encode("utf-8", "replace")).digest() for prompt in prompts)
    return sha256(b"".join(each)).hexdigest()[:16]
