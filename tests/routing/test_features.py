"""What routing knows of a request: nothing before it is asked for, nothing twice, and no shape that breaks it."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.model.chat import Operation
from llmctl.routing.features import Features, Tools

VECTOR = np.full(256, 1 / 16, np.float32)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["type", "text", "tools", "functions", "user", "metadata", "response_format", "max_tokens"]


class Counted:
    """Tools that keep what they were asked."""

    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.read: list[str] = []
        self.counted = 0
        self.tools = Tools(self._embed, self._language)

    def _embed(self, text: str) -> Any:
        self.embedded.append(text)
        return VECTOR

    def _language(self, text: str) -> str:
        self.read.append(text)
        return "en"

    def tokens(self) -> int:
        self.counted += 1
        return 7


def features(payload: dict[str, Any], operation: Operation = "chat", **rest: Any) -> Features:
    counted = Counted()
    return Features(payload, operation, counted.tools, tokens=counted.tokens, **rest)


def said(*messages: Any, **rest: Any) -> Features:
    return features({"messages": list(messages), **rest})


def test_nothing_is_computed_before_it_is_asked_for_and_nothing_twice() -> None:
    counted = Counted()
    one = Features({"messages": [{"role": "user", "content": "hi"}]}, "chat", counted.tools, tokens=counted.tokens)
    assert (counted.embedded, counted.read, counted.counted) == ([], [], 0)
    for _ in range(2):
        assert (one.embedding is VECTOR, one.language, one.tokens, one.text) == (True, "en", 7, "hi")
    assert (counted.embedded, counted.read, counted.counted) == (["hi"], ["hi"], 1)


@pytest.mark.parametrize(
    ("messages", "text"),
    [
        ([], ""),
        ([{"role": "system", "content": "be kind"}], ""),
        ([{"role": "user", "content": "first"}, {"role": "assistant", "content": "x"}], "first"),
        ([{"role": "user", "content": "first"}, {"role": "user", "content": "last"}], "last"),
        ([{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url"}, "b"]}], "a\nb"),
        ([{"role": "user", "content": None}], ""),
        ([{"role": "user"}], ""),
        ([{"role": "user", "content": [{"text": 3}, 4]}], ""),
    ],
)
def test_the_text_is_what_the_user_said_last(messages: list[Any], text: str) -> None:
    assert said(*messages).text == text


@pytest.mark.parametrize(
    ("operation", "payload", "text"),
    [
        ("completion", {"prompt": "once"}, "once"),
        ("completion", {"prompt": ["once", "twice"]}, "once\ntwice"),
        ("completion", {"prompt": [1, 2, 3]}, ""),
        ("embedding", {"input": "word"}, "word"),
        ("embedding", {}, ""),
    ],
)
def test_other_operations_have_a_prompt_or_an_input(operation: Operation, payload: dict[str, Any], text: str) -> None:
    assert features(payload, operation).text == text


@pytest.mark.parametrize(
    ("payload", "output"),
    [
        ({}, None),
        ({"max_tokens": 5}, 5),
        ({"max_tokens": 5, "max_completion_tokens": 9}, 9),
        ({"max_output_tokens": 4}, 4),
        ({"max_tokens": "5"}, None),
        ({"max_tokens": None}, None),
    ],
)
def test_the_longest_answer_is_what_the_request_allows(payload: dict[str, Any], output: int | None) -> None:
    assert features({"messages": [], **payload}).output == output


@pytest.mark.parametrize(
    ("found", "tools"),
    [
        (said(tools=[{}]), True),
        (said(functions=[{}]), True),
        (said({"role": "assistant", "tool_calls": [{}]}), True),
        (said({"role": "tool", "content": "7"}), True),
        (said({"role": "user", "content": "7"}, tools=[]), False),
        (features({"prompt": "x"}, "completion"), False),
    ],
)
def test_tools_are_brought_or_were_called(found: Features, tools: bool) -> None:
    assert found.tools is tools


@pytest.mark.parametrize(
    ("content", "images"),
    [
        ([{"type": "image_url", "image_url": {"url": "u"}}], True),
        ([{"type": "input_image"}], True),
        ([{"type": "text", "text": "image_url"}], False),
        ([{"type": ["image_url"]}, {"type": {}}], False),
        ("image_url", False),
        (None, False),
    ],
)
def test_images_are_parts_of_messages(content: Any, images: bool) -> None:
    assert said({"role": "system"}, {"role": "user", "content": content}).images is images


@pytest.mark.parametrize(
    ("form", "json"),
    [
        ({"type": "json_object"}, True),
        ({"type": "json_schema"}, True),
        ({"type": "text"}, False),
        (None, False),
        ("json_object", False),
    ],
)
def test_json_is_a_form_of_the_answer(form: Any, json: bool) -> None:
    assert said(response_format=form).json is json


def test_the_user_is_whom_the_client_names() -> None:
    assert said(user="u").user == "u"
    assert said(user="u", safety_identifier="s").user == "s"
    assert said(user=5).user == said().user == ""


def test_metadata_is_a_map_or_nothing() -> None:
    assert said(metadata={"a": 1}).metadata == {"a": 1}
    assert said(metadata=["a"]).metadata == said().metadata == {}


@pytest.mark.parametrize("messages", ["abc", None, [1], ["x"], 5, {"a": 1}])
@pytest.mark.parametrize("operation", ["completion", "embedding"])
def test_messages_mean_nothing_but_in_a_chat(operation: Operation, messages: Any) -> None:
    found = features({"prompt": "p", "input": "i", "messages": messages}, operation)
    assert (found.tools, found.images) == (False, False)


def test_headers_are_found_in_any_case() -> None:
    found = features({"messages": []}, headers={b"x-team": b"r\xe9d"})
    assert found.header("X-Team") == found.header("x-team") == "réd"
    assert found.header("x-other") is found.header("ü€") is None


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING))
def test_no_value_of_a_field_breaks_them(payload: dict[str, Any]) -> None:
    found = said({"role": "user", "content": [payload]}, **payload)
    for name in ("text", "tools", "images", "json", "user", "metadata", "output", "embedding", "language", "tokens"):
        getattr(found, name)
