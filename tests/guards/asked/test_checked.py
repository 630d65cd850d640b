"""What is a verdict about a text, and what only looks like one."""

import math
from typing import Any

import pytest

from llmctl.guards.asked.checked import MAX_REASON, checked
from llmctl.guards.base import ALLOW, Span, Verdict

TEXT = "0123456789"


@pytest.mark.parametrize(
    "verdict",
    [
        ALLOW,
        Verdict("warn", 0.4, "r", "c"),
        Verdict("block", 1.0, "r", "c", (Span(0, 10, "x"),)),
        Verdict("redact", 0.0, "r", "c", (Span(2, 3, "x", ""), Span(2, 5, "x", "y"))),
    ],
)
def test_what_can_be_acted_on_passes_unchanged(verdict: Verdict) -> None:
    assert checked(verdict, TEXT) == verdict


def test_spans_come_back_in_order_and_the_score_as_a_float() -> None:
    found = checked(Verdict("redact", 1, "", "", (Span(5, 6, "b"), Span(1, 9, "a"))), TEXT)
    assert [span.start for span in found.spans] == [1, 5]
    assert isinstance(found.score, float)


class Lookalike:
    outcome = "allow"
    score = 0.0
    reason = category = ""
    spans = ()


def wrong(**changes: Any) -> Any:
    return Verdict(**{"outcome": "block", **changes})


@pytest.mark.parametrize(
    ("verdict", "says"),
    [
        (None, "NoneType"),
        (True, "bool"),
        ({"outcome": "allow"}, "dict"),
        (Lookalike(), "Lookalike"),
        (wrong(outcome="pass"), "outcome"),
        (wrong(outcome=None), "outcome"),
        (wrong(outcome=["allow"]), "outcome"),
        (wrong(score=-0.1), "score"),
        (wrong(score=1.1), "score"),
        (wrong(score=math.nan), "score"),
        (wrong(score=math.inf), "score"),
        (wrong(score=True), "score"),
        (wrong(score="0.5"), "score"),
        (wrong(score=None), "score"),
        (wrong(reason=None), "reason"),
        (wrong(reason="x" * (MAX_REASON + 1)), "reason"),
        (wrong(category=b"x"), "category"),
        (wrong(spans=[Span(0, 1, "x")]), "tuple"),
        (wrong(spans=None), "tuple"),
        (wrong(spans=((0, 1),)), "tuple"),
        (wrong(spans=(Span(0, 11, "x"),)), "10 characters"),
        (wrong(spans=(Span(-1, 1, "x"),)), "10 characters"),
        (wrong(spans=(Span(3, 3, "x"),)), "10 characters"),
        (wrong(spans=(Span(4, 3, "x"),)), "10 characters"),
        (wrong(spans=(Span(0.0, 1, "x"),)), "whole numbers"),  # type: ignore[arg-type]
        (wrong(spans=(Span(False, 1, "x"),)), "whole numbers"),
        (wrong(spans=(Span(0, 1, ""),)), "category"),
        (wrong(spans=(Span(0, 1, "x", 7),)), "replacement"),  # type: ignore[arg-type]
        (wrong(outcome="redact"), "must name the spans"),
    ],
)  # fmt: skip
def test_what_cannot_be_acted_on_is_refused(verdict: object, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        checked(verdict, TEXT)


def test_the_refusal_quotes_nothing() -> None:
    for verdict in (wrong(outcome="hunter2"), wrong(score="hunter2"), wrong(spans=(Span(0, 99, "hunter2"),))):
        with pytest.raises(ValueError, match=r".") as refused:
            checked(verdict, "hunter2")
        assert "hunter2" not in str(refused.value)
