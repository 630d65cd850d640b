from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.compress.options import ExtractiveOptions, LinguaOptions, MinifyOptions, options


def test_each_kind() -> None:
    assert type(options({"kind": "minify"})) is MinifyOptions
    found = options({"kind": "extractive", "tokens": 900, "sources": ["tool"], "protect": ["EUR \\d+"]})
    assert isinstance(found, ExtractiveOptions)
    assert (found.budget, found.sources) == (900, ("tool",))
    assert found.patterns()[0].search("costs EUR 12")
    assert isinstance(options({"kind": "llmlingua", "path": "x"}), LinguaOptions)


def test_the_budget_is_a_third_unless_said_otherwise() -> None:
    assert ExtractiveOptions(kind="extractive").budget == pytest.approx(1 / 3)
    assert ExtractiveOptions(kind="extractive", share=0.5).budget == 0.5
    assert isinstance(ExtractiveOptions(kind="extractive", share=1.0).budget, float)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"kind": "other"}, "kind"),
        ({"kind": "minify", "share": 0.5}, "share"),
        ({"kind": "extractive", "share": 0.5, "tokens": 5}, "give one of them"),
        ({"kind": "extractive", "share": 0.0}, "share"),
        ({"kind": "extractive", "share": float("nan")}, "share"),
        ({"kind": "extractive", "tokens": "5"}, "tokens"),
        ({"kind": "extractive", "protect": ["(a"]}, "no regular expression"),
        ({"kind": "extractive", "sources": []}, "sources"),
        ({"kind": "extractive", "sources": ["system"]}, "sources"),
        ({"kind": "llmlingua"}, "path"),
    ],
)
def test_what_is_refused(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        options(raw)


def test_every_field_is_described() -> None:
    for model in (MinifyOptions, ExtractiveOptions, LinguaOptions):
        assert all(field.description for field in model.model_fields.values())
