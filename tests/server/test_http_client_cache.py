"""Cached answers over real sockets: headers, and every dialect replays what another one had made."""

import json
from typing import Any

import httpx
import pytest

from llmctl.net.transport import Request
from llmctl.testing.asking import stream, whole
from llmctl.testing.gateway import PlayedResponse, PlayedTransport
from tests.gateway.cached import EVENTS
from tests.server.conftest import Serve
from tests.server.test_http_client import CONFIG, QUESTION, no_wait

CACHED = CONFIG + "    cache: {dir: null, semantic: {threshold: 0.85, audit: 0.000001}}\n"
CHAT, MESSAGES, RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"
TEXT = "Paris, of course."
USE: dict[str, Any] = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": '{"in": "Oslo"}'}}


def counting(calls: list[Any], **message: Any) -> PlayedTransport:
    def play(request: Request) -> PlayedResponse:
        body = json.loads(request.body)
        calls.append(body)
        if body.get("stream"):
            return PlayedResponse(200, dict(EVENTS), stream(["Paris, ", "of course."]), no_wait)
        made = whole(TEXT if not message else None, **message)
        return PlayedResponse(200, {}, [made.replace(b'"stop"', b'"tool_calls"') if message else made], no_wait)

    return PlayedTransport(play)


def asking(path: str, *, streaming: bool) -> dict[str, Any]:
    """The same request in three dialects; one maximum, as Anthropic's must have one."""
    if path == RESPONSES:
        return {"model": "small", "input": "Which?", "max_output_tokens": 99, "stream": streaming}
    said = {"messages": [{"role": "user", "content": "Which?"}]}
    most = "max_tokens" if path == MESSAGES else "max_completion_tokens"
    return {"model": "small", **said, most: 99, "stream": streaming}


def text_in(path: str, answer: httpx.Response, *, streaming: bool) -> str:
    """What the answer says, by the rules of its dialect."""
    if not streaming:
        body = answer.json()
        if path == CHAT:
            return str(body["choices"][0]["message"]["content"])
        if path == MESSAGES:
            return "".join(block["text"] for block in body["content"])
        return "".join(part["text"] for item in body["output"] for part in item["content"])
    data = [line[6:] for line in answer.text.splitlines() if line.startswith("data: ") and line[6:] != "[DONE]"]
    events = [json.loads(one) for one in data]
    if path == CHAT:
        return "".join(choice["delta"].get("content") or "" for one in events for choice in one["choices"])
    if path == MESSAGES:
        assert [one["type"] for one in events][-1] == "message_stop"
        return "".join(one["delta"]["text"] for one in events if one["type"] == "content_block_delta")
    assert [one["type"] for one in events][-1] == "response.completed"
    return "".join(one["delta"] for one in events if one["type"] == "response.output_text.delta")


async def test_headers_say_what_the_cache_did(serve: Serve) -> None:
    calls: list[Any] = []
    other = {**QUESTION, "messages": [{"role": "user", "content": "hello!"}]}
    async with serve(CACHED, counting(calls)) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        first = await client.post(CHAT, json=QUESTION)
        again = await client.post(CHAT, json=QUESTION)
        near = await client.post(CHAT, json={**other, "stream": True})
        left = await client.post(CHAT, json=QUESTION, headers={"X-Llmctl-Cache": "no-store"})
        anew = await client.post(CHAT, json=QUESTION, headers={"x-llmctl-cache": "refresh"})
        none = await client.post(CHAT, json={**QUESTION, "seed": 1}, headers={"x-llmctl-cache": "only"})
        body = await client.post(CHAT, json={**QUESTION, "llmctl": {"cache": "only"}})
        bad = await client.post(CHAT, json=QUESTION, headers={"x-llmctl-cache": "sometimes"})
        worse = await client.post(CHAT, json={**QUESTION, "llmctl": {"cache": 7}})
    assert [one.headers.get("x-llmctl-cache") for one in (first, again, near, left, anew)] == [
        "miss", "exact", "semantic", "bypass", "refresh",
    ]  # fmt: skip
    assert again.content == first.content
    assert (again.headers["age"], again.headers["x-llmctl-model"]) == ("0", "small")
    assert 0.85 <= float(near.headers["x-llmctl-cache-similarity"]) <= 1.0001
    assert "x-llmctl-cache-similarity" not in again.headers
    assert "age" not in first.headers
    assert "x-llmctl-attempts" not in again.headers
    assert (none.status_code, none.json()["error"]["code"]) == (504, "not_cached")
    assert body.headers["x-llmctl-cache"] == "exact"
    assert (bad.status_code, worse.status_code) == (400, 400)
    assert len(calls) == 3
    assert all("llmctl" not in call for call in calls)


@pytest.mark.parametrize("made_streaming", [False, True])
@pytest.mark.parametrize("streaming", [False, True])
@pytest.mark.parametrize("made", [CHAT, MESSAGES, RESPONSES])
async def test_every_dialect_replays_what_another_had_made(
    serve: Serve, made: str, streaming: bool, made_streaming: bool
) -> None:
    calls: list[Any] = []
    kinds = set()
    async with serve(CACHED, counting(calls)) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        await client.post(made, json=asking(made, streaming=made_streaming))
        for path in (CHAT, MESSAGES, RESPONSES):
            answer = await client.post(path, json=asking(path, streaming=streaming))
            assert answer.status_code == 200
            assert text_in(path, answer, streaming=streaming) == TEXT
            kinds.add(answer.headers["x-llmctl-cache"])
    assert (kinds, len(calls)) == ({"exact"}, 1)
    assert not gateway.bugs


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_tool_call_comes_back_in_anthropics_words(serve: Serve, streaming: bool) -> None:
    tool = {"name": "weather", "input_schema": {"type": "object"}}
    asked = {**asking(MESSAGES, streaming=False), "tools": [tool]}
    transport = counting([], tool_calls=[USE])
    async with serve(CACHED, transport) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        first = await client.post(MESSAGES, json=asked)
        again = await client.post(MESSAGES, json={**asked, "stream": streaming})
    assert again.headers["x-llmctl-cache"] == "exact"
    [block] = first.json()["content"]
    assert (block["type"], block["input"]) == ("tool_use", {"in": "Oslo"})
    if not streaming:
        assert again.json()["content"] == [block]
        return
    events = [json.loads(line[6:]) for line in again.text.splitlines() if line.startswith("data: ")]
    [begun] = [one["content_block"] for one in events if one["type"] == "content_block_start"]
    given = "".join(one["delta"]["partial_json"] for one in events if one["type"] == "content_block_delta")
    assert (begun["name"], begun["id"], json.loads(given)) == ("weather", block["id"], {"in": "Oslo"})


@pytest.mark.parametrize("wanted", [False, True])
async def test_a_replayed_stream_has_counts_if_the_client_wants_them(serve: Serve, wanted: bool) -> None:
    options = {"stream": True, "stream_options": {"include_usage": wanted}}
    async with serve(CACHED, counting([])) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        fresh = await client.post(CHAT, json={**QUESTION, **options})
        again = await client.post(CHAT, json={**QUESTION, **options})
    assert again.headers["x-llmctl-cache"] == "exact"
    assert [b'"prompt_tokens":7' in one.content for one in (fresh, again)] == [wanted, wanted]
    assert again.text.rstrip().endswith("data: [DONE]")
