from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from llmctl.model.record import Decision
from llmctl.routing.bandit import Bandit, BanditOptions, best
from llmctl.routing.base import Learner
from tests.routing.asking import asked

ARMS = ("a", "b", "c")
POSTERIORS = st.lists(
    st.tuples(st.floats(1, 2000), st.floats(1, 2000)).map(lambda one: (round(one[0], 2), round(one[1], 2))),
    min_size=2,
    max_size=6,
)


def made(**changes: Any) -> Bandit:
    return Bandit(BanditOptions(**{"models": ARMS, **changes}), {})


def learn(bandit: Bandit, model: str, ok: bool, times: int = 1) -> None:
    for _ in range(times):
        bandit.learn(Decision(model, "bandit", ""), ok=ok, seconds=1.0, usd=None)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"models": ["a"]}, "at least 2"),
        ({"models": ["a", "a"]}, "twice"),
        ({"floor": 0.4}, "3 models cannot have a probability of 0.4 each"),
        ({"half_life": 0.5}, "greater"),
        ({"cost_weight": 0.5}, "go together"),
        ({"max_usd": 0.5}, "go together"),
        ({"cost_weight": 1.5, "max_usd": 1}, "less than"),
    ],
)
def test_options_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        BanditOptions(**{"models": ARMS, **wrong})


def test_it_learns() -> None:
    assert isinstance(made(), Learner)


def test_at_first_all_are_equal() -> None:
    assert made().shares(ARMS) == pytest.approx([1 / 3] * 3)
    assert made().shares("bc") == pytest.approx([1 / 2] * 2)
    assert made().shares("b") == [1.0]


def test_the_better_one_wins_and_the_others_keep_their_floor() -> None:
    bandit = made(floor=0.05)
    learn(bandit, "a", True, 200)
    learn(bandit, "b", False, 200)
    learn(bandit, "c", False, 200)
    assert bandit.shares(ARMS) == pytest.approx([0.9, 0.05, 0.05], abs=5e-3)
    assert bandit.shares("bc") == pytest.approx([0.5, 0.5], abs=0.1)
    assert bandit.choose("a", asked(), {}, Random(1)).reason == "mean reward 0.99 of 142"  # discounted


@given(st.lists(st.tuples(st.sampled_from(ARMS), st.booleans()), max_size=40), st.floats(0, 1 / 3), st.integers(1, 7))
def test_no_candidate_is_under_the_floor(told: list[tuple[str, bool]], floor: float, chosen: int) -> None:
    bandit = made(floor=floor)
    for model, ok in told:
        learn(bandit, model, ok)
    candidates = [name for at, name in enumerate(ARMS) if chosen >> at & 1]
    shares = bandit.shares(candidates)
    assert sum(shares) == pytest.approx(1)
    assert min(shares) >= floor - 1e-12


def test_what_changes_is_noticed_where_the_past_is_forgotten() -> None:
    forgetful, stubborn = made(half_life=20), made(half_life=None)
    for bandit in (forgetful, stubborn):
        learn(bandit, "a", True, 500)
        learn(bandit, "a", False, 100)
        learn(bandit, "b", True, 20)
        learn(bandit, "b", False, 10)
    assert forgetful.shares("ab")[1] > 0.9
    assert stubborn.shares("ab")[0] > 0.9


def test_half_of_an_answer_is_left_after_the_half_life() -> None:
    bandit = made(half_life=10)
    learn(bandit, "a", True)
    before = bandit.choose("a", asked(), {}, Random(1)).reason
    learn(bandit, "b", True, 10)
    after = bandit.choose("a", asked(), {}, Random(1)).reason
    assert (before, after) == ("mean reward 0.67 of 1", "mean reward 0.60 of 1")  # (0.5 + 1) / (0.5 + 2)


@pytest.mark.parametrize(
    ("ok", "seconds", "usd", "reward"),
    [
        (True, 1.0, 0.0, 1.0),
        (True, 2.0, 0.0, 1.0),
        (True, 2.1, 0.0, 0.0),
        (False, 1.0, 0.0, 0.0),
        (True, 1.0, 0.05, 0.8),
        (True, 1.0, 0.10, 0.6),
        (True, 1.0, 9.00, 0.6),
        (True, 1.0, None, 0.6),
        (True, 1.0, -1.0, 1.0),
    ],
)
def test_the_reward(ok: bool, seconds: float, usd: float | None, reward: float) -> None:
    bandit = made(latency_target="2s", max_usd=0.1, cost_weight=0.4)
    assert bandit.reward(ok, seconds, usd) == pytest.approx(reward)


def test_without_targets_an_answer_is_an_answer() -> None:
    assert made().reward(True, 1e9, None) == 1.0


def test_a_fraction_of_a_reward_is_learned_as_one() -> None:
    bandit = made(max_usd=1, cost_weight=0.5, half_life=None)
    bandit.learn(Decision("a", "bandit", ""), ok=True, seconds=1.0, usd=0.5)
    assert bandit.choose("a", asked(), {}, Random(1)).reason == "mean reward 0.58 of 1"  # (0.75 + 1) / 3


def test_what_is_not_its_own_teaches_nothing() -> None:
    bandit = made()
    learn(bandit, "stranger", True, 50)
    assert bandit.shares(ARMS) == pytest.approx([1 / 3] * 3)


def test_it_finds_the_best_and_the_regret_levels_off() -> None:
    truth, bandit, random = {"a": 0.6, "b": 0.9, "c": 0.7}, made(half_life=None, floor=0.01), Random(5)
    regrets = []
    for _ in range(3_000):
        decision = bandit.choose(ARMS, asked(), {}, random)
        bandit.learn(decision, ok=random.random() < truth[decision.model], seconds=1.0, usd=None)
        regrets.append(0.9 - truth[decision.model])
    assert sum(regrets[2_000:]) < sum(regrets[:1_000]) / 2
    assert sum(regrets[2_000:]) < 10  # the floor's part of it is 5


@pytest.mark.parametrize(
    "posteriors",
    [
        [(1, 1), (1, 1)],
        [(3, 2), (2, 3)],
        [(1001, 1), (900, 2)],
        [(1, 1001), (1, 1)],
        [(50.5, 10.25), (45.75, 9.5), (1, 1)],
        [(9000, 1000), (8950, 1050), (3, 1), (1, 1)],
        [(1e6, 1e6), (1, 1)],
        [(2, 2)] * 8,
    ],
)
def test_the_quadrature_agrees_with_drawing(posteriors: list[tuple[float, float]]) -> None:
    draws, a, b = 200_000, [a for a, _ in posteriors], [b for _, b in posteriors]
    drawn = np.random.default_rng(1).beta(a, b, size=(draws, len(posteriors)))
    observed = np.bincount(drawn.argmax(1), minlength=len(posteriors)) / draws
    assert best(np.array(posteriors, np.float64)) == pytest.approx(observed, abs=0.005 + 4 * 0.5 / draws**0.5)


def test_two_are_as_the_closed_form_says() -> None:
    """P(Beta(a, b) > Beta(1, 1)) is the mean a / (a + b)."""
    for a, b in ((1, 1), (4, 2), (30, 70), (2.5, 1.5)):
        assert best(np.array([[a, b], [1, 1]], np.float64))[0] == pytest.approx(a / (a + b), abs=0.005)


@given(POSTERIORS)
def test_chances_are_chances(posteriors: list[tuple[float, float]]) -> None:
    chances = best(np.array(posteriors, np.float64))
    assert np.isfinite(chances).all()
    assert (chances >= 0).all()
    assert chances.sum() == pytest.approx(1)
