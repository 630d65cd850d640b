"""What an outcome says."""

import pytest

from llmctl.chaos.outcome import Outcome, Probed
from tests.chaos.outcomes import made


def test_its_share_and_the_lower_limit_of_it() -> None:
    found = made(answered=990)
    assert found.share == 0.99
    assert found.low == pytest.approx(0.98170, abs=1e-5)  # Wilson, by hand: (0.99 + 1.9207/1000 - 0.00634…) / 1.00384
    assert found.seconds == 10
    assert (Outcome("x", "").share, Outcome("x", "").low) == (0.0, 0.0)


def test_that_a_probe_lies_within_both_bounds() -> None:
    assert [Probed("p", v, 1, 3, 0.0).met for v in (0, 1, 3, 4)] == [False, True, True, False]
    assert str(Probed("p95_ms", 5, 1, 3, 0.0)) == "p95_ms is 5, must be at least 1 and at most 3"


def test_that_trouble_is_told_but_not_endlessly() -> None:
    found = made(missed=["a bar"], broken={"one_record": [str(n) for n in range(5)]}, reason="why")
    assert found.trouble == [
        "why",
        "a bar",
        "one_record: 0",
        "one_record: 1",
        "one_record: 2",
        "one_record: and 2 more",
    ]
