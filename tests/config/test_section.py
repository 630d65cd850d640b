"""Sections refuse what they do not know, do not change, and read durations and sizes as people write them."""

import pytest
from pydantic import ValidationError

from llmctl.config.section import Bytes, Extension, Name, Seconds, Section


class Sample(Section):
    """A section."""

    name: Name = "a"
    size: Bytes = 0
    wait: Seconds = 0.0


def test_units_are_read() -> None:
    sample = Sample.model_validate({"size": "64KiB", "wait": "250ms"})
    assert (sample.size, sample.wait) == (65536, 0.25)


@pytest.mark.parametrize("raw", [{"nme": "x"}, {"name": "-x"}, {"size": "-1"}, {"wait": "inf"}])
def test_what_is_wrong_is_refused(raw: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Sample.model_validate(raw)


def test_nothing_changes() -> None:
    with pytest.raises(ValidationError):
        Sample().name = "b"  # type: ignore[misc]


def test_an_extension_keeps_its_kind_apart() -> None:
    extension = Extension.model_validate({"kind": "k", "a": 1})
    assert (extension.kind, extension.options) == ("k", {"a": 1})
