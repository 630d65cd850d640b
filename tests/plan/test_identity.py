"""A model is what is behind its name."""

from pathlib import Path

from llmctl.plan.identity import renamed, translated
from tests.plan.recorded import configured

OLD = """\
providers: {up: {kind: openai, base_url: "http://one/v1", api_key: secret}, there: {kind: openai, base_url: "http://two/v1"}}
models: {small: {provider: up, model: s1}, large: {provider: up, model: l1}}
"""


def names(folder: Path, new: str) -> dict[str, str]:
    return renamed(configured(folder, "old", OLD), configured(folder, "new", new))


def test_the_same_and_renamed_ones_are_known(tmp_path: Path) -> None:
    assert names(tmp_path, OLD) == {"small": "small", "large": "large"}
    swapped = OLD.replace("small: {provider: up, model: s1}", "tiny: {provider: up, model: s1}")
    assert names(tmp_path, swapped) == {"tiny": "small", "large": "large"}
    crossed = OLD.replace("model: s1", "model: x").replace("model: l1", "model: s1").replace("model: x", "model: l1")
    assert names(tmp_path, crossed) == {"small": "large", "large": "small"}


def test_tuning_and_secrets_make_no_other_model(tmp_path: Path) -> None:
    tuned = OLD.replace("api_key: secret", "api_key: rotated, first_byte_timeout: 9s")
    assert names(tmp_path, tuned) == {"small": "small", "large": "large"}


def test_another_model_behind_a_name_is_none_that_was_recorded(tmp_path: Path) -> None:
    assert names(tmp_path, OLD.replace("model: s1", "model: s2"))["small"] == "small (new)"
    assert (
        names(tmp_path, OLD.replace("provider: up, model: s1", "provider: there, model: s1"))["small"] == "small (new)"
    )
    assert names(tmp_path, OLD.replace("large: {", "huge: {provider: there}, large: {"))["huge"] == "huge"


def test_actions_are_translated_with_their_panels() -> None:
    known = {"a": "x", "b": "y (new)"}
    assert translated("a", known) == "x"
    assert translated("a+b>c", known) == "x+y (new)>c"
