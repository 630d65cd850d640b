from typing import Any

import httpx2
import msgspec
import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.errors import UpstreamProtocolError, UpstreamStatus
from llmctl.model.chat import Chunk
from llmctl.model.json import encode
from llmctl.model.usage import Usage
from llmctl.net.sse import frame
from llmctl.providers.anthropic import Anthropic, AnthropicOptions
from llmctl.providers.anthropic_stream import AnthropicStream
from llmctl.providers.base import Call

USAGE = {"input_tokens": 10, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 20, "output_tokens": 1}
FINAL = {"output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
Block = dict[str, Any]


def events(blocks: list[Block], reason: str = "end_turn", cut: int = 3) -> bytes:
    """What Anthropic would send for these blocks, in pieces of `cut` characters."""
    start = {"id": "m1", "type": "message", "role": "assistant", "model": "c-1", "content": [], "usage": USAGE}
    found: list[Block] = [{"type": "message_start", "message": start}, {"type": "ping"}]
    for index, block in enumerate(blocks):
        empty, deltas = _taken_apart(block, cut)
        found.append({"type": "content_block_start", "index": index, "content_block": empty})
        found += [{"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas]
        found.append({"type": "content_block_stop", "index": index})
    found.append({"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": FINAL})
    found.append({"type": "message_stop"})
    return b"".join(frame(encode(event), event["type"]) for event in found)


def _taken_apart(block: Block, cut: int) -> tuple[Block, list[Block]]:
    def pieces(text: str) -> list[str]:
        return [text[at : at + cut] for at in range(0, len(text), cut)]

    if block["type"] == "text":
        return {**block, "text": ""}, [{"type": "text_delta", "text": piece} for piece in pieces(block["text"])]
    if block["type"] == "thinking":
        deltas = [{"type": "thinking_delta", "thinking": piece} for piece in pieces(block["thinking"])]
        signature = {"type": "signature_delta", "signature": block["signature"]}
        return {**block, "thinking": "", "signature": ""}, [*deltas, signature]
    if block["type"] == "tool_use":
        text = encode(block["input"]).decode() if block["input"] else ""
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in pieces(text)]
    return block, []


def collected(chunks: list[Chunk]) -> dict[str, Any]:
    """The message a client would put together, in the whole answer's shape."""
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "thinking_blocks": [], "tool_calls": []}
    finish, usage = None, None
    for chunk in chunks:
        raw = msgspec.json.decode(chunk.raw)
        usage = raw.get("usage") or usage
        for choice in raw["choices"]:
            finish = choice["finish_reason"] or finish
            change = choice["delta"]
            message["content"] += change.get("content") or ""
            message["reasoning_content"] += change.get("reasoning_content") or ""
            message["thinking_blocks"] += change.get("thinking_blocks") or []
            for call in change.get("tool_calls") or []:
                if "id" in call:
                    message["tool_calls"].append(call)
                else:
                    message["tool_calls"][call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    for item in (*message["tool_calls"], *message["thinking_blocks"]):
        del item["index"]
    return {"message": message, "finish": finish, "usage": usage}


def decoded(data: bytes, sizes: list[int] | None = None) -> tuple[list[Chunk], AnthropicStream]:
    decoder = AnthropicStream("p", "asked-for")
    chunks: list[Chunk] = []
    for size in sizes or []:
        chunks += decoder.feed(data[:size])
        data = data[size:]
    return chunks + decoder.feed(data), decoder


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), min_size=1, max_size=12)
blocks = st.lists(
    st.one_of(
        st.builds(lambda text: {"type": "text", "text": text}, words),
        st.builds(lambda text, sign: {"type": "thinking", "thinking": text, "signature": sign}, words, words),
        st.builds(lambda data: {"type": "redacted_thinking", "data": data}, words),
        st.builds(
            lambda name, value: {"type": "tool_use", "id": f"t{name}", "name": name, "input": value},
            words,
            st.dictionaries(words, words, max_size=2),
        ),
    ),
    max_size=5,
)


@given(blocks, st.lists(st.integers(0, 60), max_size=40), st.integers(1, 5))
def test_a_stream_says_what_the_whole_answer_says(given_: list[Block], sizes: list[int], cut: int) -> None:
    chunks, decoder = decoded(events(given_, cut=cut), sizes)
    whole = {"id": "m1", "model": "c-1", "content": given_, "stop_reason": "end_turn", "usage": {**USAGE, **FINAL}}
    provider = Anthropic("p", AnthropicOptions())
    raw = msgspec.json.decode(provider.answer(Call("chat", {}, "m", False, 0.0), encode(whole)).raw)
    message = {key: value for key, value in raw["choices"][0]["message"].items() if key != "role"}
    empty: dict[str, Any] = {"reasoning_content": "", "thinking_blocks": [], "tool_calls": []}
    expected = {**empty, **message, "content": message["content"] or ""}
    assert collected(chunks) == {"message": expected, "finish": "stop", "usage": raw["usage"]}
    assert decoder.done


def test_chunks_one_by_one() -> None:
    given_ = [{"type": "thinking", "thinking": "hm", "signature": "s"}, {"type": "text", "text": "ab"}]
    chunks, _ = decoded(events(given_, "max_tokens"))
    raws = [msgspec.json.decode(chunk.raw) for chunk in chunks]
    assert [raw["choices"][0]["delta"] for raw in raws[:-1]] == [
        {"role": "assistant", "content": ""},
        {"reasoning_content": "hm"},
        {"thinking_blocks": [{"index": 0, "type": "thinking", "thinking": "hm", "signature": "s"}]},
        {"content": "ab"},
        {},
    ]
    assert raws[-2]["choices"][0]["finish_reason"] == "length"
    assert raws[-1]["choices"] == []
    assert chunks[-1].body.usage is not None
    assert chunks[-1].body.usage.partition() == Usage(10, 100, 20, 5, 4, "provider")
    assert {(raw["id"], raw["model"], raw["object"]) for raw in raws} == {("m1", "c-1", "chat.completion.chunk")}


def test_a_tool_without_arguments_has_an_empty_object() -> None:
    chunks, _ = decoded(events([{"type": "tool_use", "id": "t", "name": "f", "input": {}}], "tool_use"))
    assert collected(chunks)["message"]["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


def test_a_stream_that_is_cut_is_not_done() -> None:
    data = events([{"type": "text", "text": "ab"}])
    end = data.index(b"event: message_stop")
    chunks, decoder = decoded(data[:end])
    assert not decoder.done
    assert collected(chunks)["message"]["content"] == "ab"
    assert decoder.feed(data[end:]) == []
    assert decoder.done


def test_blocks_and_events_nobody_knows_are_passed_over() -> None:
    search: list[Block] = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "server_tool_use", "id": "s"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": "{}"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_delta", "index": 7, "delta": {"type": "text_delta", "text": "nowhere"}},
        {"type": "brand_new", "anything": [1]},
    ]
    data = b"".join(frame(encode(event), event["type"]) for event in search)
    assert decoded(data)[0] == []


@pytest.mark.parametrize(
    ("kind", "status", "retryable"),
    [
        ("overloaded_error", 529, True),
        ("rate_limit_error", 429, True),
        ("api_error", 500, True),
        ("invalid_request_error", 400, False),
        ("unheard_of", 502, True),
    ],
)
def test_error_events(kind: str, status: int, retryable: bool) -> None:
    data = frame(encode({"type": "error", "error": {"type": kind, "message": "why"}}), "error")
    with pytest.raises(UpstreamStatus, match=r"provider p.*why") as caught:
        decoded(data)
    assert (caught.value.status, caught.value.retryable) == (status, retryable)


@pytest.mark.parametrize("data", [b"data: {\n\n", b"data: []\n\n", b'data: {"type": 3}\n\n', b"data: \xff\n\n"])
def test_garbage(data: bytes) -> None:
    with pytest.raises(UpstreamProtocolError, match="provider p"):
        decoded(data)


def test_openai_s_own_client_puts_the_stream_together() -> None:
    given_: list[Block] = [
        {"type": "thinking", "thinking": "one", "signature": "s1"},
        {"type": "redacted_thinking", "data": "xx"},
        {"type": "thinking", "thinking": "two", "signature": "s2"},
        {"type": "text", "text": "text"},
        {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}, "caller": {"type": "direct"}},
        {"type": "tool_use", "id": "t2", "name": "f", "input": {}},
    ]
    data = b"".join(frame(chunk.raw) for chunk in decoded(events(given_, "tool_use"))[0]) + b"data: [DONE]\n\n"

    def respond(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=data)

    with (
        httpx2.Client(transport=httpx2.MockTransport(respond)) as http,
        openai.OpenAI(api_key="k", http_client=http, max_retries=0) as client,
        client.chat.completions.stream(model="m", messages=[{"role": "user", "content": "a"}]) as stream,
    ):
        choice = stream.get_final_completion().choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content == "text"
    assert [call.function.arguments for call in choice.message.tool_calls or []] == ['{"a":1}', "{}"]
    extra = choice.message.model_extra or {}
    blocks = [{key: block[key] for key in block if key != "index"} for block in extra["thinking_blocks"]]
    assert blocks == given_[:3]
    assert extra["reasoning_content"] == "onetwo"
