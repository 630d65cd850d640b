import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from llmctl.embedding import StaticEmbedder
from llmctl.routing import complexity_fit as fitting
from llmctl.routing.complexity_model import ComplexityModel, dump, parse
from llmctl.routing.evaluate import routing

MMLU = Path(__file__).resolve().parents[3] / "shared" / "data" / "routing" / "routellm_mmlu.jsonl.gz"
HARD = [
    f"Prove that the theorem about {word} holds." for word in ("rings", "groups", "fields", "graphs", "knots", "sets")
]
EASY = [f"What is the colour of {word}?" for word in ("grass", "snow", "milk", "rust", "coal", "sand")]
PROMPTS = (HARD + EASY) * 5
STRONG = np.ones(60, bool)
WEAK = np.array(([False] * 6 + [True] * 6) * 5)


@pytest.mark.parametrize("weighted", [False, True])
def test_logistic_regression_is_that_of_sklearn(weighted: bool) -> None:
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(400, 12))
    labels = rng.random(400) < 1 / (1 + np.exp(-matrix[:, 0] - 0.5))
    weights = rng.uniform(0.2, 3, 400) if weighted else None
    mine = fitting.logistic(matrix, labels, 2.0, weights)
    other = LogisticRegression(C=0.5, tol=1e-12, max_iter=10_000).fit(matrix, labels, sample_weight=weights)
    np.testing.assert_allclose(mine.weights, other.coef_[0], atol=1e-6)
    assert mine.bias == pytest.approx(other.intercept_[0], abs=1e-6)


def test_labels_all_alike_give_a_bias_alone() -> None:
    head = fitting.logistic(np.ones((8, 3)), np.ones(8, bool), 1.0)
    assert not head.weights.any()
    assert 1 / (1 + np.exp(-head.bias)) == pytest.approx(0.9)


def test_separable_rows_converge() -> None:
    head = fitting.logistic(np.array([[1000.0], [-1000.0]] * 30), np.array([True, False] * 30), 1e-3)
    assert np.isfinite(head.weights).all()
    assert head.weights[0] > 0


def test_a_fitted_model_knows_what_is_hard() -> None:
    found = fitting.features(PROMPTS, StaticEmbedder())
    model = ComplexityModel(parse(dump(fitting.fit(found, STRONG, WEAK))))
    hard, easy = (
        model.judge(text) for text in ("Prove that the theorem about lattices holds.", "What colour is chalk?")
    )
    assert hard.score > easy.score + 0.2
    assert easy.tier == "simple" != hard.tier


def test_scores_are_those_of_the_model() -> None:
    embedder = StaticEmbedder()
    found = fitting.features(PROMPTS, embedder)
    weights = fitting.fit(found, STRONG, WEAK)
    model = ComplexityModel(weights, embedder)
    np.testing.assert_allclose(fitting.scores(weights, found), [model.judge(text).score for text in PROMPTS], atol=1e-4)


def test_tiers_are_quantiles_of_the_calibration() -> None:
    found = fitting.features(PROMPTS, StaticEmbedder())
    usual = fitting.features(EASY, StaticEmbedder())
    weights = fitting.fit(found, STRONG, WEAK, calibration=usual)
    assert weights.tiers == pytest.approx(np.quantile(fitting.scores(weights, usual), fitting.TIERS))


def test_folds_keep_copies_together_and_do_not_depend_on_the_order() -> None:
    fold = fitting.folds(PROMPTS)
    assert (fold[:12] == fold[12:24]).all()
    assert (fitting.folds(PROMPTS[::-1])[::-1] == fold).all()
    assert set(fitting.folds([str(at) for at in range(200)], 7)) == set(range(7))


def test_no_row_is_scored_by_what_has_seen_it() -> None:
    """Labels that are noise: in the folds they must not be foreseen."""
    rng = np.random.default_rng(3)
    prompts = [" ".join(rng.choice(["stone", "river", "cloud", "iron", "leaf"], 6)) + f" {at}" for at in range(300)]
    found = fitting.features(prompts, StaticEmbedder())
    strong, weak = np.ones(300, bool), rng.random(300) < 0.5
    scores = fitting.out_of_fold(found, strong, weak, fitting.folds(prompts))
    assert routing(scores, strong, weak, resamples=1).value.apgr == pytest.approx(0.5, abs=0.1)


def test_the_fingerprint_is_of_the_prompts_in_any_order() -> None:
    assert fitting.fingerprint(["a", "b"]) == fitting.fingerprint(["b", "a"]) != fitting.fingerprint(["a", "c"])


@pytest.mark.skipif(not MMLU.is_file(), reason="../shared/data/routing is not here")
def test_mmlu_by_five_folds() -> None:
    with gzip.open(MMLU, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    prompts = [row["prompt"] for row in rows]
    strong, weak = (np.array([row[name] for row in rows]) for name in ("gpt4", "mixtral"))
    scores = fitting.out_of_fold(fitting.features(prompts, StaticEmbedder()), strong, weak, fitting.folds(prompts))
    found = routing(scores, strong, weak, resamples=1).value
    assert found.apgr >= 0.65
    assert found.cpt50 <= 30
