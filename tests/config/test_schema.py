from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from llmctl.config.schema import Config
from llmctl.config.section import Extension, Section

MINIMAL: dict[str, Any] = {"providers": {"p": {"kind": "x", "a": 1}}, "models": {"m": {"provider": "p"}}}


def test_defaults_listen_on_loopback_and_need_no_key() -> None:
    config = Config.model_validate(MINIMAL)
    assert config.server.host == "127.0.0.1"
    assert config.keys == []


def test_an_extension_keeps_its_options_undecoded() -> None:
    assert Config.model_validate(MINIMAL).providers["p"].options == {"a": 1}
    assert Extension(kind="x").options == {}


def test_a_loaded_configuration_does_not_change() -> None:
    config = Config.model_validate(MINIMAL)
    with pytest.raises(ValidationError):
        config.server.port = 1  # type: ignore[misc]


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "é", "a" * 129, "${A}"])
def test_names(name: str) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({**MINIMAL, "models": {name: {"provider": "p"}}})


def sections(model: type[BaseModel]) -> list[type[BaseModel]]:
    return [model, *(below for child in model.__subclasses__() for below in sections(child))]


@pytest.mark.parametrize("model", [s for s in sections(Section) if s.__module__.startswith("llmctl.")])
def test_every_field_is_described_for_the_reference(model: type[BaseModel]) -> None:
    assert not [name for name, info in model.model_fields.items() if not info.description]
