"""What the wire types let in, and token counts that neither vanish nor double."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.model import chat
from llmctl.model.chat import (
    ChatRequest,
    CompletionRequest,
    CompletionTokens,
    EmbeddingRequest,
    PromptTokens,
    WireUsage,
)
from llmctl.model.json import compact
from llmctl.model.usage import NO_USAGE

HI = [{"role": "user", "content": "hi"}]
CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
COUNTS = st.none() | st.integers(0, 2**53)
USAGES = st.builds(
    WireUsage,
    COUNTS,
    COUNTS,
    st.none() | st.builds(PromptTokens, COUNTS, COUNTS),
    st.none() | st.builds(CompletionTokens, COUNTS),
)


def decode(kind: Any, body: object) -> Any:
    return msgspec.json.decode(json.dumps(body), type=kind)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (ChatRequest, {"messages": HI}),
        (ChatRequest, {"messages": [{"role": "assistant", "content": None, "tool_calls": CALLS}]}),
        (ChatRequest, {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
        (ChatRequest, {"messages": HI, "temperature": 2, "top_p": 0, "n": 128, "stop": ["a", "b"]}),
        (ChatRequest, {"messages": HI, "temperature": None, "n": None, "stream": None, "tools": None}),
        (ChatRequest, {"messages": HI, "reasoning": {"effort": "high"}, "seed": "not looked at"}),
        (CompletionRequest, {"prompt": "hi", "max_tokens": 0}),
        (CompletionRequest, {"prompt": [[1, 2], [3]]}),
        (EmbeddingRequest, {"input": "hi", "dimensions": 64}),
        (EmbeddingRequest, {"input": ["a", "b"]}),
    ],
)
def test_what_is_accepted(kind: Any, body: dict[str, Any]) -> None:
    assert decode(kind, {"model": "m", **body}).model == "m"


@pytest.mark.parametrize(
    ("kind", "body", "where"),
    [
        (ChatRequest, {"model": "", "messages": HI}, "$.model"),
        (ChatRequest, {"model": "m" * 257, "messages": HI}, "$.model"),
        (ChatRequest, {"model": None, "messages": HI}, "$.model"),
        (ChatRequest, {"messages": []}, "$.messages"),
        (ChatRequest, {"messages": [{"role": "king", "content": "x"}]}, "$.messages[0].role"),
        (ChatRequest, {"messages": [{"role": "user", "content": 3}]}, "$.messages[0].content"),
        (ChatRequest, {"messages": [{"role": "user", "content": ["x"]}]}, "$.messages[0].content[0]"),
        (ChatRequest, {"messages": [{"role": "assistant", "tool_calls": [{}]}]}, "$.messages[0].tool_calls[0]"),
        (ChatRequest, {"messages": HI, "temperature": 2.01}, "$.temperature"),
        (ChatRequest, {"messages": HI, "top_p": -0.1}, "$.top_p"),
        (ChatRequest, {"messages": HI, "n": 129}, "$.n"),
        (ChatRequest, {"messages": HI, "max_tokens": 0}, "$.max_tokens"),
        (ChatRequest, {"messages": HI, "stream": "yes"}, "$.stream"),
        (ChatRequest, {"messages": HI, "stream_options": {"include_usage": 1}}, "$.stream_options.include_usage"),
        (ChatRequest, {"messages": HI, "tools": {}}, "$.tools"),
        (CompletionRequest, {"prompt": None}, "$.prompt"),
        (EmbeddingRequest, {"input": ""}, "$.input"),
        (EmbeddingRequest, {"input": []}, "$.input"),
    ],
)
def test_what_is_refused_says_where(kind: Any, body: dict[str, Any], where: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        decode(kind, {"model": "m", **body})
    assert f"`{where}" in str(caught.value)


@given(USAGES)
def test_the_buckets_partition_the_totals(wire: WireUsage) -> None:
    usage = wire.partition()
    buckets = (usage.input, usage.cached_read, usage.cached_write, usage.output, usage.reasoning)
    assert min(buckets) >= 0
    assert (usage.prompt, usage.completion) == (wire.prompt_tokens or 0, wire.completion_tokens or 0)
    assert usage.source == "provider"


@pytest.mark.parametrize(
    "wire",
    [WireUsage(-5), WireUsage(5, -1), WireUsage(5, 0, PromptTokens(-3)), WireUsage(0, 5, None, CompletionTokens(-1))],
)  # fmt: skip
def test_no_bucket_is_ever_negative(wire: WireUsage) -> None:
    usage = wire.partition()
    assert min(usage.input, usage.cached_read, usage.cached_write, usage.output, usage.reasoning) >= 0


def test_details_split_the_totals() -> None:
    wire = WireUsage(100, 50, PromptTokens(60, 10), CompletionTokens(20))
    usage = wire.partition()
    assert (usage.input, usage.cached_read, usage.cached_write) == (30, 60, 10)
    assert (usage.output, usage.reasoning) == (30, 20)


def test_an_answer_without_counts_has_no_usage() -> None:
    assert chat.answer(b'{"choices":[]}').usage is NO_USAGE
    assert chat.answer(b'{"choices":[],"usage":null}').usage is NO_USAGE
    assert chat.answer(b'{"usage":{"prompt_tokens":3}}').usage.prompt == 3


@pytest.mark.parametrize("raw", [b"", b"[]", b"null", b'{"choices":{}}', b'{"usage":{"prompt_tokens":"3"}}'])
def test_what_is_no_answer(raw: bytes) -> None:
    for read in (chat.answer, chat.chunk):
        with pytest.raises(msgspec.MsgspecError):
            read(raw)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, st.sampled_from([None, 0, 2, "\t"]), st.sampled_from(["\n", "\r\n", "\r"]))
def test_compact_is_one_line_and_the_same_value(value: object, indent: Any, line_end: str) -> None:
    raw = json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", line_end).encode("utf-8", "replace")
    one = compact(raw)
    assert b"\n" not in one
    assert b"\r" not in one
    assert json.loads(one) == json.loads(raw)


def test_compact_leaves_one_line_as_it_is() -> None:
    raw = b'{ "a" :  1.0 }'
    assert compact(raw) is raw
