"""Every text of an answer is found, and can be replaced without touching the rest."""

import json
from typing import Any

import pytest

from llmctl.gateway.spoken import Place, resaid, said
from llmctl.model import chat
from llmctl.model.json import JsonObject, encode


def places(*choices: JsonObject) -> list[tuple[Place, tuple[int, str, int], str]]:
    return [tuple(one) for one in said(chat.chunk(encode({"choices": list(choices)})).body.choices)]  # type: ignore[misc]


CALLS = [
    {"index": 3, "function": {"name": "f", "arguments": "{}"}},
    {"function": {"name": "g", "arguments": "[1]"}},
    {"index": 4, "function": {"name": "nothing said"}},
    {"index": 5},
]


@pytest.mark.parametrize("key", ["message", "delta"])
def test_all_texts_are_found(key: str) -> None:
    spoken = {"content": "c", "refusal": "no", "reasoning_content": "why", "reasoning": "because"}
    got = places({"index": 2, key: {**spoken, "tool_calls": CALLS, "function_call": {"arguments": "{1}"}}})
    assert got == [
        (Place(0, "content"), (2, "content", 0), "c"),
        (Place(0, "reasoning_content"), (2, "reasoning_content", 0), "why"),
        (Place(0, "reasoning"), (2, "reasoning", 0), "because"),
        (Place(0, "refusal"), (2, "refusal", 0), "no"),
        (Place(0, "arguments", 0), (2, "arguments", 3), "{}"),
        (Place(0, "arguments", 1), (2, "arguments", 1), "[1]"),
        (Place(0, "function_call"), (2, "function_call", 0), "{1}"),
    ]


def test_legacy_text_and_several_choices() -> None:
    got = places({"index": 1, "text": "b"}, {"index": 0, "text": "a"})
    assert got == [(Place(0, "text"), (1, "text", 0), "b"), (Place(1, "text"), (0, "text", 0), "a")]


@pytest.mark.parametrize(
    "empty", [{}, {"delta": {}}, {"delta": {"content": ""}}, {"text": ""}, {"delta": {"role": "a"}}]
)
def test_nothing_said(empty: JsonObject) -> None:
    assert places({"index": 0, **empty}) == []


def test_content_in_parts_is_one_text() -> None:
    parts: list[Any] = [
        {"type": "text", "text": "a"},
        "b",
        {"type": "thinking", "thinking": [{"type": "t", "text": "c"}]},
    ]
    assert places({"delta": {"content": parts}}) == [(Place(0, "content"), (0, "content", 0), "abc")]
    [choice] = json.loads(resaid(encode({"choices": [{"delta": {"content": parts}}]}), {Place(0, "content"): "x"}))[
        "choices"
    ]
    assert choice["delta"]["content"] == "x"


def body() -> JsonObject:
    logs = {"content": [{"token": "old", "logprob": -1.5}]}
    choices = [
        {"index": i, "message": {"content": "old", "x": [1.0]}, "logprobs": logs, "finish_reason": "stop"}
        for i in (0, 1)
    ]
    return {"id": "c", "choices": choices, "usage": {"prompt_tokens": 1}, "x_unknown": {"a": None}}


def test_only_what_changed_is_changed_and_its_log_probabilities_go() -> None:
    expected = body()
    expected["choices"][1]["message"]["content"] = "new"
    del expected["choices"][1]["logprobs"]
    assert json.loads(resaid(encode(body()), {Place(1, "content"): "new"})) == expected


@pytest.mark.parametrize(
    ("place", "path"),
    [
        (Place(0, "arguments", 1), ("message", "tool_calls", 1, "function", "arguments")),
        (Place(0, "function_call"), ("message", "function_call", "arguments")),
        (Place(0, "text"), ("text",)),
        (Place(0, "reasoning"), ("message", "reasoning")),
        (Place(0, "refusal"), ("message", "refusal")),
    ],
)
def test_each_place_is_written(place: Place, path: tuple[Any, ...]) -> None:
    message = {"tool_calls": CALLS, "function_call": {"arguments": "o"}, "reasoning": "o", "refusal": "o"}
    value: Any = json.loads(resaid(encode({"choices": [{"text": "o", "message": message}]}), {place: "new"}))[
        "choices"
    ][0]
    for key in path:
        value = value[key]
    assert value == "new"


def test_what_repeats_the_reasoning_is_left_out() -> None:
    delta = {"thinking_blocks": [{"thinking": "s"}], "reasoning_details": [{"text": "s"}], "content": "c"}
    raw = encode({"choices": [{"delta": delta}]})
    assert json.loads(resaid(raw, {}, without_thinking=True)) == {"choices": [{"delta": {"content": "c"}}]}
    assert json.loads(resaid(raw, {})) == {"choices": [{"delta": delta}]}


def test_calls_with_free_text_are_found_and_replaced() -> None:
    calls = [{"index": 3, "custom": {"name": "f", "input": "a"}}, {"custom": {"name": "g"}}]
    assert places({"delta": {"tool_calls": calls}}) == [(Place(0, "input", 0), (0, "input", 3), "a")]
    raw = resaid(encode({"choices": [{"delta": {"tool_calls": calls}}]}), {Place(0, "input", 0): "x"})
    assert json.loads(raw)["choices"][0]["delta"]["tool_calls"][0]["custom"] == {"name": "f", "input": "x"}
