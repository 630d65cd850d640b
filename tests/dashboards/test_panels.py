"""What pages are made of."""

import pytest

from llmctl.dashboards.panels import BAD, FAIR, GOOD, Query, Step, bars, figure, graph, steps


def test_steps_turn_grave_upwards_or_downwards() -> None:
    assert steps(1, 2) == (Step(GOOD), Step(FAIR, 1), Step(BAD, 2))
    assert steps(0.1, 0.5, rising=False) == (Step(BAD), Step(FAIR, 0.1), Step(GOOD, 0.5))
    assert steps(3) == (Step(GOOD), Step(BAD, 3))


def test_steps_are_one_or_two() -> None:
    with pytest.raises(ValueError, match="zip"):
        steps(1, 2, 3)


def test_what_is_shown_as_it_is_at_the_end_is_asked_for_once() -> None:
    query = Query("up", "{{job}}")
    assert figure("T", "D", "short", "up", width=4).queries == (Query("up", instant=True),)
    assert bars("T", "D", "short", query).queries == (Query("up", "{{job}}", instant=True),)
    assert graph("T", "D", "short", query, query, width=6).queries == (query, query)
