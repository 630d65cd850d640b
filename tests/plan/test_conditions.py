"""Conditions fail where it cannot be ruled out, and where nothing can be told."""

import pytest

from llmctl.plan.conditions import checks, condition
from llmctl.plan.report import Figure, Plan, Side, Stage, Traffic

COST = Figure("cost", "USD", "estimated", 0.002, 0.001, 0.003, base=0.02)
BLOCKED = Figure("newly blocked", "share", "exact", 0.008, 0.004, 0.012)
LATENCY = Figure("latency", "s", "no support", note="no support: never taken")


def failed(text: str, *stages: Stage) -> tuple[bool, str]:
    side = Side("x", "d")
    found = stages or (
        Stage("routes", "evaluated", figures=[COST, LATENCY]),
        Stage("guardrails", "evaluated", figures=[BLOCKED]),
        Stage("cache", "not evaluated", "too hard"),
    )
    (check,) = checks(Plan(side, side, {}, Traffic("f"), list(found)), [condition(text)])
    return check.failed, check.why


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cost>+15%", False),
        ("cost>14.9%", True),
        ("cost > 0.003", False),
        ("cost>0.0029$", True),
        ("cost<5%", False),
        ("cost<5.1%", True),
        ("blocked>1.2%", False),
        ("blocked>1%", True),
        ("blocked>0.02", False),
        ("latency>10s", True),
        ("latency>100ms", True),
        ("no_support", True),
        ("not_evaluated", True),
        ("hits_lost>1%", True),
        ("limited>0%", False),
        ("refused>0%", False),
        ("ttft>1s", True),
    ],
)
def test_which_limit_decides(text: str, expected: bool) -> None:
    assert failed(text)[0] is expected


def test_why() -> None:
    assert failed("blocked>1%") == (True, "upper limit +0.012")
    assert failed("latency>1s") == (True, "cannot be told: no support: never taken")
    assert failed("hits_lost>1%") == (True, "cannot be told: too hard")
    assert failed("limited>1%") == (False, "nothing differs that it goes by")
    assert failed("no_support") == (True, "no support: latency")


def test_a_limit_that_is_not_there_fails() -> None:
    open_ended = Figure("cost", "USD", "estimated", 0.0, None, None, base=1.0)
    assert failed("cost>5%", Stage("routes", "evaluated", figures=[open_ended]))[0]
    free = Figure("cost", "USD", "exact", 0.0, 0.0, 0.0, base=0.0)
    assert failed("cost>5%", Stage("routes", "evaluated", figures=[free]))[0]
    assert not failed("cost>0.1", Stage("routes", "evaluated", figures=[free]))[0]


@pytest.mark.parametrize("text", ["", "costs>1%", "cost", "cost=1%", "no_support>1", "blocked>x", "cost>1%%"])
def test_what_is_no_condition(text: str) -> None:
    with pytest.raises(ValueError, match=r"condition|limit|number"):
        condition(text)
