from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.errors import UpstreamProtocolError, UpstreamStatus
from llmctl.model.chat import Chunk
from llmctl.model.json import encode
from llmctl.model.usage import Usage
from llmctl.net.sse import frame
from llmctl.providers.base import Call
from llmctl.providers.gemini import Gemini, GeminiOptions
from llmctl.providers.gemini_stream import GeminiStream

META = {"promptTokenCount": 10, "candidatesTokenCount": 4, "thoughtsTokenCount": 2, "cachedContentTokenCount": 6}
Part = dict[str, Any]


def reply(parts: list[Part], finish: str | None = None, index: int = 0, **more: Any) -> dict[str, Any]:
    candidate: dict[str, Any] = {"content": {"role": "model", "parts": parts}, "index": index}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "usageMetadata": META, "modelVersion": "g-1", "responseId": "r1", **more}


def decoded(data: bytes, sizes: list[int] | None = None, candidates: int = 1) -> tuple[list[Chunk], GeminiStream]:
    decoder = GeminiStream("p", "asked-for", candidates)
    chunks: list[Chunk] = []
    for size in sizes or []:
        chunks += decoder.feed(data[:size])
        data = data[size:]
    return chunks + decoder.feed(data), decoder


def collected(chunks: list[Chunk]) -> dict[str, Any]:
    message: dict[str, Any] = {"content": "", "reasoning_content": "", "tool_calls": []}
    finish, usage = None, None
    for chunk in chunks:
        raw = msgspec.json.decode(chunk.raw)
        usage = raw.get("usage") or usage
        for choice in raw["choices"]:
            finish = choice["finish_reason"] or finish
            message["content"] += choice["delta"].get("content") or ""
            message["reasoning_content"] += choice["delta"].get("reasoning_content") or ""
            for call in choice["delta"].get("tool_calls") or []:
                assert call.pop("index") == len(message["tool_calls"])
                message["tool_calls"].append(call)
    return {"message": message, "finish": finish, "usage": usage}


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=12)
answers = st.lists(
    st.one_of(
        st.builds(lambda text, thought: {"text": text, "thought": thought}, words, st.booleans()),
        st.builds(
            lambda name, value, sign: {"functionCall": {"name": name, "args": value}, **sign},
            words,
            st.dictionaries(words, words, max_size=2),
            st.sampled_from([{}, {"thoughtSignature": "s"}]),
        ),
    ),
    max_size=6,
)


@given(answers, st.lists(st.integers(0, 60), max_size=40))
def test_a_stream_says_what_the_whole_answer_says(parts: list[Part], sizes: list[int]) -> None:
    replies = [reply([part]) for part in parts] + [reply([], "STOP")]
    chunks, decoder = decoded(b"".join(frame(encode(item)) for item in replies), sizes)
    provider = Gemini("p", GeminiOptions())
    whole = provider.answer(Call("chat", {}, "m", False, 0.0), encode(reply(parts, "STOP")))
    raw = msgspec.json.decode(whole.raw)
    message = {key: value for key, value in raw["choices"][0]["message"].items() if key != "role"}
    empty: dict[str, Any] = {"reasoning_content": "", "tool_calls": []}
    expected = {**empty, **message, "content": message["content"] or ""}
    assert collected(chunks) == {
        "message": expected,
        "finish": raw["choices"][0]["finish_reason"],
        "usage": raw["usage"],
    }
    assert decoder.done
    assert [chunk.body.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)


def test_usage_comes_once_and_last() -> None:
    chunks, _ = decoded(frame(encode(reply([{"text": "a"}]))) + frame(encode(reply([{"text": "b"}], "STOP"))))
    assert chunks[-1].body.usage is not None
    assert chunks[-1].body.usage.partition() == Usage(4, 6, 0, 4, 2, "provider")


def test_what_follows_a_complete_answer_is_not_read() -> None:
    last = frame(encode(reply([{"text": "a"}], "STOP")))
    chunks, _ = decoded(last + last + b"data: garbage\n\n")
    assert collected(chunks)["message"]["content"] == "a"
    assert sum(chunk.body.usage is not None for chunk in chunks) == 1


def test_every_candidate_must_finish() -> None:
    first = frame(encode(reply([{"text": "a"}], "STOP", 0)))
    chunks, decoder = decoded(first, candidates=2)
    assert not decoder.done
    chunks += decoder.feed(frame(encode(reply([{"text": "b"}], "MAX_TOKENS", 1))))
    assert decoder.done
    said = [(choice.index, choice.finish_reason) for chunk in chunks for choice in chunk.body.choices]
    assert (0, "stop") in said
    assert (1, "length") in said


def test_a_stream_that_is_cut_is_not_done() -> None:
    chunks, decoder = decoded(frame(encode(reply([{"text": "a"}]))))
    assert not decoder.done
    assert collected(chunks)["message"]["content"] == "a"


def test_a_blocked_prompt() -> None:
    chunks, decoder = decoded(frame(encode({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": META})))
    assert decoder.done
    choice = chunks[0].body.choices[0]
    assert choice.finish_reason == "content_filter"
    assert choice.delta is not None
    assert "SAFETY" in (choice.delta.refusal or "")


def test_errors_and_garbage() -> None:
    with pytest.raises(UpstreamStatus, match=r"provider p.*busy") as caught:
        decoded(frame(encode({"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}})))
    assert caught.value.status == 503
    for data in (b"data: {\n\n", b'data: {"candidates": 3}\n\n', frame(encode(reply([], index=4)))):
        with pytest.raises(UpstreamProtocolError, match="provider p"):
            decoded(data)
    with pytest.raises(UpstreamProtocolError, match="MALFORMED"):
        decoded(frame(encode(reply([], "MALFORMED_FUNCTION_CALL"))))
