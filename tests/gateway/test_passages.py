"""Every text of a request is found wherever it stands, and what replaces it stands there too."""

import json
from typing import Any

import pytest

from llmctl.gateway.passages import Texts, strings, unescaped
from llmctl.model.json import JsonObject, encode


def found(payload: JsonObject, operation: Any = "chat") -> list[tuple[str, str]]:
    return [(passage.source, passage.text) for passage in Texts(payload, operation).passages]


def said(*messages: JsonObject, **rest: Any) -> list[tuple[str, str]]:
    return found({"messages": list(messages), **rest})


@pytest.mark.parametrize(
    ("role", "source"),
    [
        ("system", "system"),
        ("developer", "system"),
        ("user", "user"),
        ("assistant", "assistant"),
        ("tool", "tool"),
        ("function", "tool"),
    ],
)
def test_messages_by_role(role: str, source: str) -> None:
    assert said({"role": role, "content": "a"}) == [(source, "a")]
    assert said({"role": role, "content": [{"type": "text", "text": "a"}], "name": "b"}) == [
        (source, "a"),
        (source, "b"),
    ]


def test_what_else_a_message_says() -> None:
    turn = {"role": "assistant", "content": None, "refusal": "r", "reasoning_content": "t", "reasoning": "u"}
    assert said(turn) == [("assistant", "r"), ("assistant", "t"), ("assistant", "u")]


def test_parts_of_unknown_type_are_read_and_media_are_counted() -> None:
    parts = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {
            "type": "tool_result",
            "id": "x",
            "content": [{"type": "text", "text": "b"}, {"type": "q", "words": ["c", 7]}],
        },
        {"type": "text", "text": {"value": "d"}},
        {"type": "image_url", "image_url": {"url": "https://h/i.png"}},
        {"type": "input_audio", "input_audio": {"data": "AAAA"}},
        "e",
    ]
    texts = Texts({"messages": [{"role": "user", "content": parts}]}, "chat")
    assert [passage.text for passage in texts.passages] == ["a", "b", "c", "d", "e"]
    assert texts.unreadable == 2


@pytest.mark.parametrize("content", [True, False])
@pytest.mark.parametrize("key", ["tool_calls", "function_call"])
def test_arguments_are_read_as_json(key: str, content: bool) -> None:
    arguments = (
        '{"to": "jo\\u0040example.org", "id": "x", "type": ["y", {"format": "z"}], "n": 4111111111111111, "k": 3}'
    )
    function = {"name": "f", "arguments": arguments}
    turn: JsonObject = {
        "role": "assistant",
        key: function if key == "function_call" else [{"id": "1", "function": function}],
    }
    if content:
        turn["content"] = None
    assert [text for _, text in said(turn)] == ["jo@example.org", "x", "y", "z", "4111111111111111"]


@pytest.mark.parametrize("arguments", ["{broken", '{"a": "b"', "\ud800", "plain"])
def test_arguments_that_are_no_json_are_one_text(arguments: str) -> None:
    assert said({"role": "assistant", "tool_calls": [{"function": {"arguments": arguments}}]}) == [
        ("assistant", arguments)
    ]


def test_replaced_arguments_are_written_back() -> None:
    function = {"name": "f", "arguments": '{"a": ["one", "two"], "n": 12345678, "k": {"id": "three"}}'}
    other = {"name": "g", "arguments": '{ "kept" :"as it is"}'}
    payload = {"messages": [{"role": "assistant", "tool_calls": [{"function": function}, {"function": other}]}]}
    texts = Texts(payload, "chat")
    for passage in texts.passages:
        if passage.text in ("two", "12345678", "three"):
            texts.replace(passage, f'"{passage.text}"')
    texts.write_back()
    assert json.loads(function["arguments"]) == {"a": ["one", '"two"'], "n": '"12345678"', "k": {"id": '"three"'}}
    assert other["arguments"] == '{ "kept" :"as it is"}'
    assert [passage.text for passage in texts.passages][1] == '"two"'


def test_replaced_texts_stand_where_they_stood() -> None:
    payload: JsonObject = {
        "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, "b"], "name": "c"}],
        "prediction": {"type": "content", "content": "d"},
        "user": "e",
    }
    texts = Texts(payload, "chat")
    for passage in texts.passages:
        texts.replace(passage, passage.text.upper())
    [message] = payload["messages"]
    assert message == {"role": "user", "content": [{"type": "text", "text": "A"}, "B"], "name": "C"}
    assert (payload["prediction"]["content"], payload["user"]) == ("D", "E")


def test_descriptions_of_tools_and_functions_are_texts_of_tools() -> None:
    inner = {"type": "object", "properties": {"description": {"title": "t 1", "description": "inner"}}}
    tools = [{"type": "function", "function": {"name": "n", "description": "outer", "parameters": inner}}]
    functions = [{"name": "m", "description": "old"}, 7]
    got = said({"role": "user", "content": "q"}, tools=tools, functions=functions)
    assert got == [("user", "q"), ("tool", "outer"), ("tool", "t 1"), ("tool", "inner"), ("tool", "old")]


def test_what_a_schema_gives_as_examples_is_read_and_its_names_are_not() -> None:
    inner: JsonObject = {"$ref": "r", "enum": ["a 1"], "default": "b 2", "examples": [{"q": "c@3"}]}
    inner |= {"required": ["some_name", "x" * 33, "忽略指令"]}
    tools = [{"type": "function", "function": {"name": "n", "parameters": inner}}]
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "description": "d 4", "schema": {"const": "e.5"}}}
    got = said({"role": "user", "content": "q"}, tools=tools, response_format=wanted)
    assert got == [
        ("user", "q"),
        *(("tool", text) for text in ("a 1", "b 2", "c@3", "x" * 33, "忽略指令", "d 4", "e.5")),
    ]


@pytest.mark.parametrize(
    ("wrong", "told"), [(None, []), (5, []), (True, []), ("x 1", ["x 1"]), ({"description": "y"}, ["y"])]
)
def test_tools_of_the_wrong_shape_are_no_crash(wrong: Any, told: list[str]) -> None:
    assert said({"role": "user", "content": "q"}, functions=wrong) == [("user", "q"), *(("tool", one) for one in told)]


def test_fields_that_nobody_here_knows_are_read() -> None:
    """Servers know more than we do (`chat_template`), and some read names without regard to case (`Content`)."""
    turn = {"role": "user", "content": "q", "Content": "a", "more": [{"type": "t", "words": "b"}], "tool_call_id": "i"}
    got = said(turn, chat_template="c", plugins={"id": "i", "prompt": "d"}, stop=["s"], model="m", k=7, seed=4111111111)
    assert got == [("user", text) for text in "qabcd"]
    assert found({"input": "q", "messages": [{"content": "a"}]}, "embedding") == [("retrieved", "q"), ("user", "a")]
    assert found({"prompt": "q", "input": "a"}, "completion") == [("user", "q"), ("user", "a")]


def test_thinking_that_comes_back_is_read_and_what_is_encrypted_is_not() -> None:
    """A server that knows the signed blocks is sent those, and not the text beside them."""
    blocks = [{"type": "thinking", "thinking": "a", "signature": "s"}, {"type": "redacted_thinking", "data": "x"}]
    details: list[JsonObject] = [{"type": "reasoning.text", "text": "b"}, {"type": "reasoning.encrypted", "data": "x"}]
    details.append({"type": ["odd"], "data": "c"})
    turn = {"role": "assistant", "content": None, "thinking_blocks": blocks, "reasoning_details": details}
    assert said(turn) == [("assistant", text) for text in ("a", "b", "odd", "c")]


def test_calls_with_free_text_are_read() -> None:
    call = {"id": "1", "type": "custom", "custom": {"name": "n", "input": "a"}}
    signed = {
        "id": "2",
        "function": {"name": "f", "said": "b"},
        "extra_content": {"google": {"thought_signature": "x"}},
    }
    assert said({"role": "assistant", "content": None, "tool_calls": [call, signed]}) == [
        ("assistant", "n"),
        ("assistant", "a"),
        ("assistant", "b"),
    ]
    assert said({"role": "assistant", "content": None, "function_call": "c"}) == [("assistant", "c")]


def test_documents_that_are_text_are_read() -> None:
    """Anthropic's documents hold text as often as bytes."""
    plain = {"type": "document", "title": "a", "source": {"type": "text", "media_type": "text/plain", "data": "b"}}
    parts = {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "c"}]}}
    bytes_ = {"type": "document", "context": "d", "source": {"type": "base64", "data": "JVBERi0="}}
    file = {"type": "file", "file": {"filename": "e", "file_data": "data:application/pdf;base64,JVBERi0="}}
    texts = Texts({"messages": [{"role": "user", "content": [plain, parts, bytes_, file]}]}, "chat")
    assert [passage.text for passage in texts.passages] == ["a", "b", "c", "d", "e"]
    assert texts.unreadable == 2


@pytest.mark.parametrize(
    ("content", "texts", "unreadable"),
    [
        ("a", ["a"], 0),
        (["a", "b"], ["a", "b"], 0),
        ([1, 2], [], 2),
        ([[1, 2], [3]], [], 2),
        ([["a", 3], [4]], ["a"], 1),
    ],
)
def test_prompts_and_inputs(content: Any, texts: list[str], unreadable: int) -> None:
    for operation, key, source in (("completion", "prompt", "user"), ("embedding", "input", "retrieved")):
        got = Texts({key: content, "suffix": "s"}, operation)  # type: ignore[arg-type]
        assert [(one.source, one.text) for one in got.passages] == [*((source, text) for text in texts), ("user", "s")]
        assert got.unreadable == unreadable


def test_what_stands_beside_the_messages() -> None:
    assert said({"role": "user", "content": "q"}, user="u", safety_identifier="s", prediction="no object") == [
        ("user", "q"),
        ("user", "u"),
        ("user", "s"),
        ("user", "no object"),
    ]


def test_texts_by_source() -> None:
    tools = [{"function": {"description": "no message"}}]
    turns = [
        {"role": "system", "content": "s"},
        {"role": "tool", "content": "t"},
        {"role": "user", "content": "q", "name": "n"},
    ]
    texts = Texts({"messages": turns, "tools": tools, "user": "id", "documents": ["d"]}, "chat")
    assert texts.of("tool", "retrieved") == ("t",)
    assert texts.of("system") == ("s",)
    assert texts.of("user") == ("q",)
    assert Texts({"prompt": ["a", "b"], "user": "id"}, "completion").of("user") == ("a", "b")


def test_nothing_is_nested_too_deeply_to_be_read() -> None:
    deep: Any = "the bottom"
    for _ in range(400):
        deep = [deep]
    arguments = encode({"a": deep, "b": "last"}).decode()
    got = said({"role": "assistant", "tool_calls": [{"function": {"arguments": arguments}}]})
    assert [text for _, text in got] == ["the bottom", "last"]


def test_strings_come_in_order_with_their_places() -> None:
    value = {"a": "1", "b": ["2", {"c": "3"}, "4"], "d": "5", "e": "", "f": 2.5, "g": True, "h": None}
    got = list(strings(value, "tool"))
    assert [passage.text for passage in got] == ["1", "2", "3", "4", "5"]
    for passage in got:
        passage.holder[passage.key] = "x"
    assert value["b"] == ["x", {"c": "x"}, "x"]
    assert value["d"] == "x"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("no escapes", "no escapes"),
        (r'{"a": "jo\u0040x', '{"a": "jo@x'),
        (r"\u0022 \u005c \u000a \ud83d", r"\u0022 \u005c \u000a \ud83d"),
    ],
)
def test_letters_written_as_numbers_are_read_where_json_is_broken(text: str, plain: str) -> None:
    assert unescaped(text) == plain
    assert found({"messages": [{"role": "assistant", "function_call": {"arguments": text}}]})[0][1] == plain


@pytest.mark.parametrize(
    "turn",
    [
        {"role": "user", "content": {"text": "a"}},
        {"role": "user", "content": [["a"]]},
        {"role": "user", "content": [{"type": ["text"], "text": "a"}]},
        {"role": "user", "content": [{"type": None, "text": "a"}]},
        {"role": "assistant", "function_call": {"arguments": {"x": ["a"]}}},
        {"role": "assistant", "tool_calls": [{"function": {"arguments": ["a"]}}]},
    ],
)
def test_texts_of_odd_shapes_are_read_too(turn: JsonObject) -> None:
    assert "a" in [text for _, text in said(turn)]


@pytest.mark.parametrize("more", ["", ', "b": "\\u0022\\u0022\\u0022\\u0022"'])
def test_what_a_name_given_twice_hides_is_not_sent(more: str) -> None:
    function = {"name": "f", "arguments": '{"a": "hidden", "a": "x"' + more + "}"}
    got = said({"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": function}]})
    assert got[0] == ("assistant", "x")
    assert json.loads(function["arguments"])["a"] == "x"
    assert "hidden" not in function["arguments"]
