"""promtool's notation."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.alerts.indicators import Sample
from llmctl.alerts.promtool import Bench, counts, growing, rounded
from tests.alerts.test_engine_prometheus import values

GOOD = Sample("requests_total", {"status": "200"}, good=True, bad=False)
BAD = Sample("requests_total", {"status": "502"}, good=False, bad=True)


def test_each_sample_counts_its_own_events() -> None:
    stretches = [(90.0, 10.0, 3), (100.0, 0.0, 2)]
    assert values(counts(GOOD, stretches, 1)) == [0, 90, 180, 270, 370, 470]
    assert values(counts(BAD, stretches, 1)) == pytest.approx([0, 10, 20, 30, 30, 30])


@given(st.lists(st.tuples(st.floats(0, 1e5), st.integers(2, 50)), min_size=1, max_size=5))
def test_a_counter_never_falls_and_has_a_value_for_each_step(stretches: list[tuple[float, int]]) -> None:
    found = values(growing(stretches, 1))
    assert len(found) == 1 + sum(minutes for _, minutes in stretches)
    assert all(b >= a * (1 - 1e-9) for a, b in pairwise(found))
    total = sum(rate * minutes for rate, minutes in stretches)
    assert found[-1] == pytest.approx(total, rel=1e-6, abs=len(stretches))


def test_time_is_written_down_as_the_pace_has_it() -> None:
    bench = Bench({"job": "a"}, 60)
    assert (bench.duration(30), bench.duration(1440)) == ("30s", "24m")
    assert bench.series(GOOD) == 'requests_total{status="200", job="a"}'
    test = bench.test("x", [], 90, "A", [], step=5)
    assert (test["interval"], test["alert_rule_test"][0]["eval_time"]) == ("5s", "90s")
    assert (rounded(1), rounded(30), rounded(31)) == (30, 30, 60)
