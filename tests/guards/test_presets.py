"""The presets are configuration like anybody's: complete, valid, and of guards that exist."""

from typing import Any, get_args

import pytest

from llmctl.config.schema import GuardrailsConfig, PolicyConfig
from llmctl.guards import TABLE
from llmctl.guards.base import About, Preset
from llmctl.guards.presets import preset

PRESETS = get_args(Preset)
CHEAP_FIRST = ["validation", "secrets", "pii"]


@pytest.mark.parametrize("name", PRESETS)
def test_every_policy_is_one_that_a_user_could_write(name: str) -> None:
    for raw in preset(name).values():
        policy = PolicyConfig.model_validate(raw)
        guard = TABLE[policy.kind]
        wanted = {policy.direction} if policy.direction not in (None, "both") else guard.directions
        assert wanted <= guard.directions
        made = guard(guard.Options.model_validate({"preset": name, **policy.options}))
        assert made.judge("What is the capital of France?", About()).outcome == "allow"


@pytest.mark.parametrize("name", [*PRESETS, "none"])
def test_the_configuration_knows_it(name: str) -> None:
    assert GuardrailsConfig.model_validate({"preset": name}).preset == name


def test_none_is_nothing() -> None:
    assert preset("none") == {}


def test_balanced_is_the_default() -> None:
    assert GuardrailsConfig().preset == "balanced"


def test_an_unknown_one_is_an_error() -> None:
    with pytest.raises(KeyError):
        preset("paranoid")


@pytest.mark.parametrize("name", ["strict", "balanced"])
def test_what_failed_does_not_pass_but_for_refusals(name: str) -> None:
    lax = {policy for policy, raw in preset(name).items() if raw["on_error"] != "block"}
    assert lax == {"refusal"}


def test_strict_judges_the_system_prompt_and_restores_no_personal_data() -> None:
    strict = preset("strict")
    assert "sources" not in strict["secrets"]
    assert not any(strict[name].get("restore") for name in ("secrets", "pii", "pii-output"))
    assert set(preset("balanced")) - {"injection-documents"} < set(strict)
    assert set(strict["injection"]["sources"]) >= {"user", "tool", "retrieved"}


def test_lenient_holds_nothing_back_of_a_stream() -> None:
    for name, raw in preset("lenient").items():
        guard = TABLE[raw["kind"]]
        if "output" in guard.directions and raw.get("direction") != "input" and name != "refusal":
            assert guard.lookbehind is not None
            assert set(raw.get("actions", {}).values()) <= {"warn"}


@pytest.mark.parametrize("name", PRESETS)
def test_values_are_taken_out_before_texts_are_judged(name: str) -> None:
    order = [raw["kind"] for raw in preset(name).values() if raw.get("direction") != "output"]
    assert order[:3] == CHEAP_FIRST


def test_it_is_a_new_one_each_time() -> None:
    first: dict[str, Any] = preset("balanced")
    first["pii"]["on_error"] = "allow"
    assert preset("balanced")["pii"]["on_error"] == "block"
