import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.compress.minify import minify, minify_json, minify_text
from tests.compress.test_units import DOCUMENTS

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4)
)


def spelled(text: str) -> Any:
    """JSON as it is spelled: numbers as text, and keys that come twice."""
    return json.loads(text, parse_int=str, parse_float=str, object_pairs_hook=lambda pairs: ("object", pairs))


@given(
    st.lists(VALUES, max_size=4) | st.dictionaries(st.text(), VALUES, max_size=4),
    st.sampled_from([None, 1, 4]),
    st.booleans(),
)
def test_json_is_equal_when_parsed_again(value: Any, indent: int | None, ascii_only: bool) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=ascii_only)
    found = minify_json(text)
    assert found is not None
    assert spelled(found) == spelled(text)
    assert len(found) <= len(text)
    assert minify_json(found) == found
    assert minify(text) == found


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1.0, "a": 1e308, "b": 12345678901234567890123}',
        '[ "\\u00e9 \\n", "  two  spaces " , -0.0 ]',
        "[1,\t2]\r\n",
    ],
)
def test_numbers_strings_and_keys_keep_their_spelling(text: str) -> None:
    found = minify_json(text)
    assert found is not None
    assert spelled(found) == spelled(text)


@pytest.mark.parametrize(
    "text",
    ["", "text", '{"a": }', "[1] a passage", '"only a string"', "12", "[" * 100_000, '{"a": 1e400}', '{"a":"\ud800"}'],
)
def test_what_is_no_json_is_left_alone(text: str) -> None:
    assert minify_json(text) is None
    assert minify(text) == text


@given(DOCUMENTS)
def test_words_and_paragraphs_stay(text: str) -> None:
    found = minify_text(text)
    assert len(found) <= len(text)
    if '{"a"' not in text:
        assert found.split() == text.split()
    assert minify_text(found) == found


def test_idle_white_space_goes() -> None:
    text = "One  two   \n\n\n\nThree four. \nFive\n"
    assert minify_text(text) == "One two\n\nThree four.\nFive\n"


@pytest.mark.parametrize(
    "text",
    [
        "```\na  =  1   \n\n\n\nb\n```\n",
        "    code  with   spaces\n    more  of it\n",
        "| a   | b  |\n|-----|----|\n| 1   | 2  |\n",
        "name    age\nBob     12\nAlice   30\n",
        "A line  \nafter a hard break.",
        'He typed "a  b" there.',
        "windows  text\r\n\r\n\r\n\r\n",
        "- item\n    - nested under it\n",
    ],
)
def test_what_means_something_stays(text: str) -> None:
    assert minify_text(text) == text


def test_json_within_a_text_is_written_shortest() -> None:
    assert minify_text('The result:\n{"a":  1,\n  "b": [1,  2]}\nIs it?') == 'The result:\n{"a":1,"b":[1,2]}\nIs it?'
