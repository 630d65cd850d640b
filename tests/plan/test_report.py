"""What a plan says, as values."""

import json
import math

from llmctl.plan.report import Example, Figure, Plan, Side, Stage, Traffic, figure, kinds_of, untold, without
from llmctl.statistics.interval import Interval


def test_a_figure_from_an_interval() -> None:
    found = figure("cost", "USD", Interval(2.0, -math.inf, 3.0, 0.95, 9, "t", "few"), 10, base=4.0, note="mind")
    assert (found.estimate, found.low, found.high) == (2.0, None, 3.0)
    assert found.note == "mind; few"
    assert found.relative == (0.5, None, 0.75)
    assert untold("cost", "USD", "no support", "why").relative is None


def test_kinds_by_what_happens_most() -> None:
    kinds = kinds_of([("a", 1.0, []), ("b", 3.0, [Example("i", "w")])], 10)
    assert [(kind.name, kind.share) for kind in kinds] == [("b", 0.3), ("a", 0.1)]
    assert kinds_of([("a", 1.0, [])], 0)[0].share == 0


def test_a_stage_without_a_request() -> None:
    stage = without("cache", [("hits gained", "share")], {"a": 1, "b": 3})
    assert (stage.status, stage.why) == ("not evaluated", "no request can tell: b (3)")
    assert stage.figures[0].told == "not evaluated"
    assert without("cache", [], {}).why == "no request reached it"


def test_for_json() -> None:
    cost = Figure("cost", "USD", "estimated", 1.0, 0.5, 1.5, base=2.0)
    side = Side("f", "d")
    plan = Plan(
        side,
        side,
        {},
        Traffic("t"),
        [Stage("routes", "evaluated", figures=[untold("x", "s", "no support", "w"), cost])],
    )
    assert plan.figure("cost") is cost
    assert plan.figure("none") is None
    said = json.loads(json.dumps(plan.told()))
    assert "estimate" not in said["stages"][0]["figures"][0]
    assert said["stages"][0]["figures"][1]["relative"] == [0.5, 0.25, 0.75]
