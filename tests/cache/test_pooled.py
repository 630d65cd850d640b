import math
import random

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from llmctl.cache.pooled import FIRST, WINDOW, PooledModel, risk, sigmoid


def rows(count: int, rng: random.Random) -> list[tuple[list[float], bool]]:
    made = []
    for _ in range(count):
        x, noise = rng.gauss(0.7, 0.1), rng.gauss(0, 3)
        made.append(([1.0, x, noise], rng.random() < sigmoid(20 * (x - 0.7) + 1)))
    return made


def test_it_finds_what_scikit_learn_finds() -> None:
    model = PooledModel(3)
    given = rows(1500, random.Random(1))
    for row, right in given:
        model.observe(row, right)
    model.fit()
    table = np.array([row for row, _ in given])[:, 1:]
    scaled = (table - table.mean(0)) / table.std(0)
    theirs = LogisticRegression(C=1.0).fit(scaled, [right for _, right in given])
    for row in table[:50]:
        logit, _ = model.predict([1.0, *row.tolist()])
        their = theirs.decision_function(((row - table.mean(0)) / table.std(0))[None])[0]
        assert logit == pytest.approx(float(their), abs=0.02)


def test_it_is_not_ready_before_its_first_fit_and_keeps_a_window() -> None:
    model = PooledModel(3)
    given = rows(WINDOW + 100, random.Random(2))
    for row, right in given[: FIRST - 1]:
        model.observe(row, right)
    assert not model.ready
    for row, right in given[FIRST - 1 :]:
        model.observe(row, right)
    assert model.ready
    kept, labels = model.observations()
    assert kept.tolist() == [row for row, _ in given[-WINDOW:]]
    assert labels.tolist() == [float(right) for _, right in given[-WINDOW:]]


def test_it_is_less_sure_where_it_has_seen_little() -> None:
    model = PooledModel(3)
    for row, right in rows(200, random.Random(3)):
        model.observe(row, right)
    assert model.predict([1.0, 0.7, 0.0])[1] < model.predict([1.0, 1.0, 0.0])[1]


def test_all_right_is_no_reason_to_be_certain() -> None:
    model = PooledModel(2)
    for at in range(FIRST):
        model.observe([1.0, 0.9 + at / 1000], True)
    logit, variance = model.predict([1.0, 0.92])
    assert 0.0005 < risk(logit, variance) < 0.2


def test_risk_is_a_mean_over_what_is_not_known() -> None:
    assert risk(3.0, 0.0) == pytest.approx(sigmoid(-3.0))
    assert risk(3.0, 2.0) > sigmoid(-3.0)
    draws = np.random.default_rng(0).normal(3.0, math.sqrt(2.0), 200_000)
    assert risk(3.0, 2.0) == pytest.approx(float((1 / (1 + np.exp(draws))).mean()), rel=0.02)
    assert 0 <= risk(-1e4, 1.0) <= 1
    assert 0 <= risk(1e4, 1e4) <= 1
