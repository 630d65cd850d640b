"""The translation that translates least: what passes untouched, what is exchanged, and when a stream is complete."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.errors import UpstreamProtocolError, UpstreamStatus
from llmctl.model.chat import Chunk, Operation
from llmctl.net.sse import frame
from llmctl.providers.base import Call
from llmctl.providers.openai import OpenAI, OpenAIOptions, OpenAIStream, decode_answer, encode_request

MESSAGES = [{"role": "user", "content": "hi"}]
DONE = frame(b"[DONE]")


def call(model: str = "m", operation: Operation = "chat", *, stream: bool = False, foreign: bool = False,
         raw: bytes | None = None, **fields: Any) -> Call:  # fmt: skip
    payload = {"model": "m", "messages": MESSAGES, **fields}
    return Call(operation, payload, model, stream, 60.0, raw, foreign=foreign)


def sent(asked: Call, *, stream_usage: bool = True) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encode_request(asked, stream_usage=stream_usage))
    return body


def test_the_clients_own_bytes_pass_where_nothing_changes() -> None:
    raw = b'{ "model": "m" }'
    assert encode_request(call(raw=raw), stream_usage=True) is raw
    asked = call(raw=raw, stream=True, stream_options={"include_usage": True})
    assert encode_request(asked, stream_usage=True) is raw
    assert encode_request(call(raw=raw, stream=True), stream_usage=False) is raw


def test_only_the_models_name_is_exchanged() -> None:
    asked = call("upstream-m", raw=b"{}", unknown={"x": [1]}, temperature=0)
    assert sent(asked) == {**asked.payload, "model": "upstream-m"}
    assert asked.payload["model"] == "m"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (None, {"include_usage": True}),
        ({}, {"include_usage": True}),
        ({"include_usage": False}, {"include_usage": True}),
        ({"include_usage": None, "include_obfuscation": False}, {"include_usage": True, "include_obfuscation": False}),
    ],
)
def test_streams_are_asked_to_count(options: dict[str, Any] | None, expected: dict[str, Any]) -> None:
    asked = call(stream=True, stream_options=options)
    before = json.dumps(asked.payload)
    assert sent(asked)["stream_options"] == expected
    assert sent(asked, stream_usage=False)["stream_options"] == options
    assert json.dumps(asked.payload) == before


def test_what_is_no_stream_is_not_asked_to_count() -> None:
    assert "stream_options" not in sent(call())


def test_another_dialects_fields_are_left_out_but_a_clients_own_are_kept() -> None:
    parts = [
        {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}},
        {"type": "thinking", "thinking": "h"},
    ]
    message = {"role": "user", "content": parts, "thinking_blocks": [{}]}
    tools = [{"type": "function", "function": {"name": "f"}, "cache_control": {}}, {"type": "web_search"}]
    fields: dict[str, Any] = {"messages": [message], "tools": tools, "top_k": 3, "seed": 1}
    kept = sent(call(foreign=True, **fields))
    assert kept["messages"] == [{"role": "user", "content": [{"type": "text", "text": "a"}]}]
    assert kept["tools"] == [{"type": "function", "function": {"name": "f"}}]
    assert kept["seed"] == 1
    assert "top_k" not in kept
    assert sent(call(**fields)) == call(**fields).payload


@pytest.mark.parametrize(
    ("operation", "target"),
    [("chat", b"/v1/chat/completions"), ("completion", b"/v1/completions"), ("embedding", b"/v1/embeddings")],
)
def test_paths(operation: Operation, target: bytes) -> None:
    assert OpenAI("up", OpenAIOptions()).request(call(operation=operation)).target == target


def test_azures_dated_api() -> None:
    options = OpenAIOptions(
        base_url="https://x.openai.azure.com/openai", api_key="k", auth="api-key", api_version="2024-10-21"
    )
    request = OpenAI("azure", options).request(call("my gpt/4"))
    assert request.target == b"/openai/deployments/my%20gpt%2F4/chat/completions?api-version=2024-10-21"
    assert b"api-key: k\r\n" in request.headers
    assert b"authorization" not in request.headers


def test_who_pays_is_told() -> None:
    request = OpenAI("up", OpenAIOptions(api_key="k", organization="o", project="p")).request(call())
    for line in (b"authorization: Bearer k", b"openai-organization: o", b"openai-project: p"):
        assert line + b"\r\n" in request.headers


@pytest.mark.parametrize(
    ("operation", "body", "why"),
    [
        ("chat", b"<html>", "not an answer"),
        ("chat", b"\xff", "not an answer"),
        ("chat", b'{"choices":[{"message":{"content":"\xff"}}]}', "not an answer"),
        ("chat", b"{}", "without an answer"),
        ("chat", b'{"choices":[]}', "without an answer"),
        ("chat", b'{"error":{"message":"overloaded"}}', "overloaded"),
        ("embedding", b'{"choices":[{}]}', "without an answer"),
    ],
)
def test_a_200_that_is_no_answer(operation: Operation, body: bytes, why: str) -> None:
    with pytest.raises(UpstreamProtocolError, match=why):
        decode_answer("up", call(operation=operation), body)


def test_answers_pass_as_they_came() -> None:
    body = b'{ "choices": [ {"index": 0, "message": {"content": "hi"}, "extra": 1} ] }'
    assert decode_answer("up", call(), body).raw is body
    vectors = b'{"object":"list","data":[{"embedding":[0.1]}]}'
    assert decode_answer("up", call(operation="embedding"), vectors).raw is vectors


def piece(index: int = 0, text: str = "", finish: str | None = None) -> bytes:
    choice = {"index": index, "delta": {"content": text}, "finish_reason": finish}
    return frame(json.dumps({"choices": [choice]}).encode())


USAGE = frame(b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')


@pytest.mark.parametrize(
    ("choices", "pieces", "done"),
    [
        (1, [], False),
        (1, [piece(text="a")], False),
        (1, [piece(text="a"), DONE], True),
        (1, [piece(text="a"), piece(finish="stop")], True),  # a server that sends no [DONE]
        (2, [piece(0, finish="stop")], False),
        (2, [piece(0, finish="stop"), piece(1, "b")], False),
        (2, [piece(0, finish="stop"), piece(1, finish="length")], True),
        (3, [piece(0, finish="stop"), DONE], True),
        (1, [USAGE], False),
        (1, [b": ping\n\n"], False),
        (1, [b"data: [DONE]"], False),
        (1, [b"event: done\ndata:[DONE]\r\n\r\n"], True),
    ],
)
def test_when_a_stream_is_complete(choices: int, pieces: list[bytes], done: bool) -> None:
    stream = OpenAIStream("up", choices)
    for data in pieces:
        stream.feed(data)
    assert stream.done is done


@pytest.mark.parametrize(
    ("pieces", "done"),
    [
        ([piece(0, finish="stop"), piece(0, finish="stop")], False),
        ([frame(b'{"choices":[{"index":0,"finish_reason":"stop"},{"index":1,"finish_reason":"stop"}]}')], True),
    ],
    ids=["one choice twice", "two choices at once"],
)
def test_each_choice_ends_once(pieces: list[bytes], done: bool) -> None:
    stream = OpenAIStream("up", 2)
    for data in pieces:
        stream.feed(data)
    assert stream.done is done


def test_several_prompts_of_a_completion_have_a_choice_each() -> None:
    stream = OpenAI("up", OpenAIOptions()).decoder(call(operation="completion", stream=True, prompt=["a", "b"]))
    stream.feed(frame(b'{"choices":[{"index":0,"text":"x","finish_reason":"stop"}]}'))
    assert not stream.done


def test_counts_after_the_end_still_come_out() -> None:
    stream = OpenAIStream("up", 1)
    stream.feed(piece(finish="stop"))
    [last] = stream.feed(USAGE + DONE)
    assert last.body.usage is not None


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        ({"message": "busy", "code": 529}, 529, "busy"),
        ({"message": "busy", "code": "server_error"}, 502, "busy"),
        ({"message": "odd", "code": 200}, 502, "odd"),
        ("plain words", 502, "plain words"),
    ],
)
def test_an_error_event(error: Any, status: int, message: str) -> None:
    with pytest.raises(UpstreamStatus, match=message) as caught:
        OpenAIStream("up", 1).feed(frame(json.dumps({"error": error}).encode()))
    assert caught.value.status == status


@pytest.mark.parametrize("data", [b"hello", b"[]", b'{"choices":3}', b"{", b"\xff", b"[DONE]x"])
def test_what_is_no_chunk(data: bytes) -> None:
    with pytest.raises(UpstreamProtocolError, match="up"):
        OpenAIStream("up", 1).feed(frame(data))


def test_data_over_several_lines_goes_out_on_one() -> None:
    [chunk] = OpenAIStream("up", 1).feed(b'data: {"choices":\ndata: [{"delta": {"content": "a"}}]}\n\n')
    assert b"\n" not in chunk.raw
    assert json.loads(chunk.raw) == {"choices": [{"delta": {"content": "a"}}]}


@given(st.lists(st.integers(1, 40), max_size=30))
def test_however_a_stream_is_cut_the_chunks_are_the_same(cuts: list[int]) -> None:
    data = (
        b": ping\r\n\r\n"
        + piece(text="a")
        + piece(text="ä").replace(b"\n", b"\r\n")
        + piece(finish="stop")
        + USAGE
        + DONE
    )
    whole, stream, chunks = OpenAIStream("up", 1), OpenAIStream("up", 1), list[Chunk]()
    rest = data
    for cut in cuts:
        chunks += stream.feed(rest[:cut])
        rest = rest[cut:]
    chunks += stream.feed(rest)
    assert [chunk.raw for chunk in chunks] == [chunk.raw for chunk in whole.feed(data)]
    assert stream.done
