from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.evals.results.plain import cell, json_value, markdown, printable, xml
from llmctl.statistics.interval import Interval


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "  =1", "\t=1", "\uff1d1"])
def test_a_formula_is_a_text(text: str) -> None:
    assert cell(text).startswith("'")


def test_other_cells_are_as_they_are() -> None:
    assert [cell(None), cell(1.5), cell("a\nb"), cell("a\rb")] == ["", 1.5, "a\nb", "a\\rb"]
    assert printable("a\tb\x07") == "a\tb\\x07"


@given(st.text(st.characters(codec="utf-8")))
def test_any_text_makes_an_xml_document_that_is_read_back(text: str) -> None:
    read = ElementTree.fromstring(f'<a b="{xml(text)}"/>').get("b")
    if all(char.isprintable() or char == "\n" for char in text):
        assert read == text


@given(st.text())
def test_markdown_has_no_markup_left(text: str) -> None:
    held = markdown(text)
    assert "<" not in held
    assert "\n" not in held
    assert "|" not in held.replace("\\|", "")


def test_markdown_is_escaped() -> None:
    assert markdown("a|b <img> *x* [l](u) `c`") == "a\\|b &lt;img&gt; \\*x\\* \\[l\\](u) \\`c\\`"


def test_json_has_no_infinities() -> None:
    found = json_value({"a": [Interval(1.0, float("-inf"), float("nan"), 0.95, 3, "t")]})
    assert (found["a"][0]["low"], found["a"][0]["high"], found["a"][0]["n"]) == (None, None, 3)
