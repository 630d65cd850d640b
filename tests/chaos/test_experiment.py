"""What an experiment may say."""

from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.chaos.actions import ACTIONS
from llmctl.chaos.experiment import _NEEDS, EVERY, LASTING, ActionConfig, ExperimentConfig, ProbeConfig, StepConfig
from llmctl.chaos.invariants import INVARIANTS
from tests.chaos.drills import TREE


def test_that_every_action_and_every_invariant_is_there() -> None:
    assert set(ACTIONS) == set(_NEEDS)
    assert set(ACTIONS) >= LASTING
    assert set(INVARIANTS) == set(EVERY)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"action": "refuse"}, "refuse needs provider"),
        ({"action": "fault", "provider": "a"}, "fault needs faults"),
        ({"action": "kill", "provider": "a"}, "kill has no use for provider"),
        ({"action": "clock"}, "clock needs jump"),
    ],
)
def test_that_an_action_takes_what_it_needs(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ActionConfig.model_validate(given)


def test_that_a_jump_of_no_seconds_is_one() -> None:
    assert ActionConfig.model_validate({"action": "clock", "jump": 0}).jump == 0


def test_that_what_is_over_at_once_cannot_last() -> None:
    with pytest.raises(ValidationError, match="take `for` out"):
        StepConfig.model_validate({"action": "kill", "at": 1, "for": 2})


def test_that_a_probe_has_a_bound() -> None:
    with pytest.raises(ValidationError, match="at_least, at_most"):
        ProbeConfig.model_validate({"probe": "ready"})


def test_that_a_world_has_one_configuration() -> None:
    world = {**TREE["world"], "config": "gateway.yaml"}
    with pytest.raises(ValidationError, match="give either"):
        ExperimentConfig.model_validate({**TREE, "world": world})


def test_how_long_it_takes() -> None:
    assert ExperimentConfig.model_validate(TREE).seconds == pytest.approx(0.6 + 0.2 + 1.5)
