import random

import pytest

from llmctl.cache.evidence import Neighbour
from llmctl.cache.policies import Report, Threshold


def near(similarity: float) -> list[Neighbour]:
    return [Neighbour(1, similarity, 0, "x")]


def test_a_threshold_serves_what_is_near_enough() -> None:
    policy = Threshold(0.9, random=random.Random(0))
    assert policy.decide("x", [], 0).reason == "empty"
    assert policy.decide("x", near(0.89), 1).reason == "explore"
    assert policy.decide("x", near(0.9), 1).serve
    policy.exact()
    report = policy.report()
    assert (report.requests, report.hits, report.certified) == (4, 1, None)


def test_audits_measure_a_threshold() -> None:
    policy = Threshold(0.9, random=random.Random(0), audit=0.2)
    for at in range(2000):
        decision = policy.decide("x", near(0.95), 1)
        if decision.audit:
            policy.observe(decision, at % 10 != 0)
    report = policy.report()
    assert report.audits == pytest.approx(400, abs=60)
    assert report.certified is not None
    assert 0.08 < report.certified < 0.2


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="cosine"):
        Threshold(1.5, random=random.Random(0))


def test_the_bound_that_stands_is_the_modelled_one_until_it_is_refuted() -> None:
    assert Report(10, 5, 1, 0, 0.03, 0.01).bound == 0.01
    assert Report(10, 5, 1, 0, 0.03, 0.01, refuted=True).bound == 0.03
    assert Report(10, 5, 1, 0, 0.03).bound == 0.03
    assert Report(10, 5, 0, 0, None).bound is None
