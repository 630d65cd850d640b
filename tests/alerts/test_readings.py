"""Series as Prometheus selects them, and the same in the process."""

import pytest

from llmctl.alerts.readings import Condition, Selection, selector
from llmctl.telemetry.series import Families, Family


@pytest.fixture
def reading() -> Families:
    counted = Family("requests", "", "counter", ("model", "status"), (), {})
    for model, status, value in (("a", "200", 5), ("a", "502", 2), ("b", "500", 1), ("b", "404", 9)):
        counted.cell(model, status).value = value
    timed = Family("seconds", "", "histogram", ("model",), (0.1, 0.2, 0.4), {})
    timed.cell("a").counts = [1, 2, 3, 4]
    timed.cell("b").counts = [10, 0, 0, 1]
    return {"requests": counted, "seconds": timed}


def test_sums_are_by_the_labels_asked_for(reading: Families) -> None:
    bad = Selection("requests", Condition("status", "=~", "5.."))
    assert bad.sums(reading) == {(): 3}
    assert bad.sums(reading, ("model",)) == {("a",): 2, ("b",): 1}
    assert bad.peaks(reading) == {(): 2}
    assert Selection("requests", Condition("status", "=", "5..")).sums(reading) == {}
    assert Selection("requests", Condition("status", "=~", "5.")).sums(reading) == {}


def test_what_is_not_there_is_nothing(reading: Families) -> None:
    assert Selection("other").sums(reading) == {}
    assert Selection("requests", Condition("guard", "=", "x")).sums(reading) == {}
    assert Selection("other", histogram=True).buckets(reading) == ()


def test_a_histogram_counts_events_and_those_below_a_bound(reading: Families) -> None:
    assert Selection("seconds", histogram=True).sums(reading) == {(): 21}
    assert Selection("seconds", histogram=True, bound=0.2).sums(reading, ("model",)) == {("a",): 3, ("b",): 10}
    assert Selection("seconds", histogram=True).buckets(reading) == (11, 13, 16, 21)


def test_promql_names_the_parts_of_a_histogram() -> None:
    match = {"job": "a"}
    assert Selection("x", Condition("status", "=~", "5..")).promql(match) == 'x{status=~"5..", job="a"}'
    assert Selection("x", histogram=True).promql({}) == "x_count{}"
    assert Selection("x", histogram=True, bound=0.64).promql(match) == 'x_bucket{le="0.64", job="a"}'
    assert Selection("x", histogram=True, bound=5.0).promql({}) == 'x_bucket{le=~"5([.]0)?"}'
    assert selector("x", match) == 'x{job="a"}'
