import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.cache.bounds import Certificate, poisson_bound, poisson_budget

ALPHA = 0.05


def test_a_bound_is_above_the_mean_and_closes_in_on_it() -> None:
    bounds = [poisson_bound(mean, ALPHA) for mean in (0.0, 1.0, 10.0, 100.0, 1000.0)]
    assert bounds == sorted(bounds)
    assert bounds[0] == pytest.approx(2.45, abs=0.3)  # with nothing expected, three events are too many
    assert bounds[4] < 1150


@given(st.floats(0.0, 500.0), st.sampled_from([0.01, 0.05, 0.2]))
def test_a_budget_undoes_a_bound(mean: float, alpha: float) -> None:
    assert poisson_budget(poisson_bound(mean, alpha), alpha) == pytest.approx(mean, abs=1e-3)


@given(st.floats(0.0, 300.0))
def test_a_budget_keeps_its_bound(bound: float) -> None:
    budget = poisson_budget(bound, ALPHA)
    assert budget == 0 or poisson_bound(budget, ALPHA) <= bound + 1e-4


def passes_ever(rng: random.Random) -> bool:
    mean = events = 0.0
    for _ in range(2000):
        chance = min(1.0, rng.expovariate(20)) * (2.0 if events > mean else 0.5)  # leans on what came before
        chance = min(1.0, chance)
        mean += chance
        events += rng.random() < chance
        if events > mean and events > poisson_bound(mean, ALPHA):
            return True
    return False


def test_the_bound_holds_at_all_times() -> None:
    passed = sum(passes_ever(random.Random(seed)) for seed in range(150))
    assert passed <= 150 * ALPHA + 3 * math.sqrt(150 * ALPHA)


def falls_ever(rng: random.Random, audit: float) -> bool:
    """Whether a stream that turns bad when nothing bad was found ever has more false hits than certified."""
    certificate = Certificate(audit, ALPHA)
    false = wrong = 0
    for _ in range(3000):
        probability = audit if rng.random() < 0.5 else 3 * audit
        bad = rng.random() < (0.1 if wrong < 3 else 0.01)
        if rng.random() < probability:
            certificate.audited(bad, probability)
            wrong += bad
        else:
            certificate.served()
            false += bad
        if false > certificate.bound:
            return True
    return False


@pytest.mark.parametrize("audit", [0.05, 0.15])
def test_a_certificate_holds_at_all_times_whatever_the_stream_does(audit: float) -> None:
    fallen = sum(falls_ever(random.Random(seed), audit) for seed in range(150))
    assert fallen <= 150 * ALPHA + 3 * math.sqrt(150 * ALPHA)


def test_a_certificate_is_never_more_than_the_hits() -> None:
    certificate = Certificate(0.05, ALPHA)
    assert certificate.bound == 0
    for _ in range(10):
        certificate.served()
    assert certificate.bound == 10


def test_right_audits_cost_nothing_and_wrong_ones_about_a_whole_stratum() -> None:
    certificate = Certificate(0.05, ALPHA)
    for _ in range(10_000):
        certificate.served()
    before = certificate.bound
    certificate.audited(False, 0.05)
    assert certificate.bound == before
    assert before == pytest.approx(3 / 0.05, rel=0.7)
    certificate.audited(True, 0.05)
    assert 10 < certificate.bound - before < 60
