"""Requests and answers over real sockets: envelopes, headers, bad input, disconnects. One record for each."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from llmctl.net.sse import frame
from llmctl.net.transport import Request
from llmctl.testing.gateway import PlayedResponse, PlayedTransport
from tests.server.conftest import Serve

CONFIG = """
    server: {port: 0, max_body: 64KiB, request_timeout: 20s}
    guardrails: {preset: none}
    providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}
    models: {small: {provider: up}}
"""
QUESTION: dict[str, Any] = {"model": "small", "messages": [{"role": "user", "content": "hello"}]}
ANSWER = b'{"id":"c","model":"m","choices":[{"index":0,"message":{"content":"Hi"},"finish_reason":"stop"}]}'


async def no_wait() -> None:
    return


def answering(body: bytes = ANSWER, status: int = 200) -> PlayedTransport:
    return PlayedTransport(lambda _: PlayedResponse(status, {}, [body], no_wait))


def streaming(*pieces: bytes | Exception, pause: float = 0.0) -> PlayedTransport:
    async def step() -> None:
        await asyncio.sleep(pause)

    headers = {b"content-type": b"text/event-stream"}
    return PlayedTransport(lambda _: PlayedResponse(200, headers, pieces, step))


def delta(text: str, finish: str | None = None) -> bytes:
    return frame(json.dumps({"choices": [{"index": 0, "delta": {"content": text}, "finish_reason": finish}]}).encode())


async def test_an_answer_carries_what_is_known_about_it(serve: Serve) -> None:
    async with serve(CONFIG, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/chat/completions", json=QUESTION, headers={"x-request-id": "abc-1"})
    assert answer.status_code == 200
    assert answer.content == ANSWER
    assert answer.headers["x-request-id"] == answer.headers["x-llmctl-request-id"] == "abc-1"
    assert answer.headers["x-llmctl-model"] == "small"
    assert "x-llmctl-degraded" not in answer.headers
    assert answer.headers["x-llmctl-attempts"] == "1"
    assert float(answer.headers["x-llmctl-overhead-ms"]) < 1000
    assert answer.headers["x-llmctl-policy"] == gateway.live.gateway.policy
    [record] = gateway.sink.records
    assert (record.id, record.state) == ("abc-1", "ok")


async def test_an_answer_says_who_gave_it_where_that_is_not_the_chosen_one(serve: Serve) -> None:
    def play(request: Request) -> PlayedResponse:
        well = json.loads(request.body)["model"] == "other"
        return PlayedResponse(200 if well else 503, {}, [ANSWER if well else b"{}"], no_wait)

    models = "models: {small: {provider: up, fallbacks: [other]}, other: {provider: up}}"
    config = CONFIG.replace("models: {small: {provider: up}}", models)
    async with serve(config, PlayedTransport(play)) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/chat/completions", json=QUESTION)
    assert answer.status_code == 200
    assert (answer.headers["x-llmctl-model"], answer.headers["x-llmctl-degraded"]) == ("other", "fallback")


async def test_a_text_of_the_routes_own_names_no_model(serve: Serve) -> None:
    config = f"{CONFIG}    routes: {{own: {{kind: fixed, model: small, static_answer: sorry}}}}\n"
    broken = PlayedTransport(lambda request: PlayedResponse(501, {}, [b"{}"], no_wait))
    async with serve(config, broken) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/chat/completions", json={**QUESTION, "model": "own"})
    assert (answer.status_code, answer.headers["x-llmctl-degraded"]) == (200, "static")
    assert "x-llmctl-model" not in answer.headers


async def test_trace_context_goes_in_and_out(serve: Serve) -> None:
    transport = answering()
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with serve(CONFIG, transport) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        headers = {"traceparent": parent, "tracestate": "vendor=1"}
        await client.post("/v1/chat/completions", json=QUESTION, headers=headers)
    [record] = gateway.sink.records
    assert (record.trace_id, record.parent_span_id) == (parent[3:35], parent[36:52])
    sent = transport.requests[0].headers
    assert f"traceparent: 00-{record.trace_id}-{record.attempts[0].span_id}-01\r\n".encode() in sent
    assert b"tracestate: vendor=1\r\n" in sent
    assert f"x-request-id: {record.id}\r\n".encode() in sent


@pytest.mark.parametrize(
    ("body", "status", "param", "code"),
    [
        (b"", 400, None, "invalid_json"),
        (b"{", 400, None, "invalid_json"),
        (b"[]", 400, None, "invalid_request"),
        (b'"text"', 400, None, "invalid_request"),
        (b'{"model": "small"}', 400, "messages", "missing_required_parameter"),
        (b'{"model": "small", "messages": []}', 400, "messages", "invalid_request"),
        (b'{"model": "small", "messages": "hi"}', 400, "messages", "invalid_request"),
        (b'{"model": "small", "messages": [{"content": "x"}]}', 400, "messages[0].role", "missing_required_parameter"),
        (b'{"model": "small", "messages": [{"role": "king"}]}', 400, "messages[0].role", "invalid_request"),
        (b'{"model": 3, "messages": [{"role": "user"}]}', 400, "model", "invalid_request"),
        (b'{"model": "small", "messages": [{"role": "user"}], "n": 0}', 400, "n", "invalid_request"),
        (
            b'{"model": "small", "messages": [{"role": "user"}], "temperature": 9}',
            400,
            "temperature",
            "invalid_request",
        ),
        (b'{"model": "small", "x": "\xff\xfe", "messages": [{"role": "user"}]}', 400, None, "invalid_json"),
        (b"[" * 60_000, 400, None, "invalid_json"),
        (b'{"model": "smal", "messages": [{"role": "user"}]}', 404, "model", "model_not_found"),
        (b"x" * 70_000, 413, None, "body_too_large"),
    ],
)
async def test_bad_input_gets_the_envelope_and_a_record(
    serve: Serve, body: bytes, status: int, param: str | None, code: str
) -> None:
    async with serve(CONFIG, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/chat/completions", content=body)
        error = answer.json()["error"]
        assert (answer.status_code, error["param"], error["code"]) == (status, param, code), error
        assert set(error) == {"message", "type", "param", "code"}
        again = await client.post("/v1/chat/completions", json=QUESTION)
        assert again.status_code == 200
    assert [record.state for record in gateway.sink.records] == ["failed", "ok"]
    assert not gateway.bugs


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/chat/completions", 405), ("DELETE", "/v1/messages", 405), ("POST", "/v1/nonsense", 404)],
)
async def test_wrong_paths_and_methods(serve: Serve, method: str, path: str, status: int) -> None:
    async with serve(CONFIG, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.request(method, path)
    assert answer.status_code == status
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)
    assert gateway.sink.records[0].http_status == status


async def test_a_chunked_body_over_the_cap_is_stopped(serve: Serve) -> None:
    async def endless() -> Any:
        for _ in range(100):
            yield b"x" * 4096

    async with serve(CONFIG, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/chat/completions", content=endless())
    assert answer.status_code == 413
    assert answer.headers["connection"] == "close"


async def test_a_stream_ends_with_done_and_withholds_counts_nobody_asked_for(serve: Serve) -> None:
    usage = frame(b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}')
    pieces = [delta("a"), delta("b", "stop"), usage, frame(b"[DONE]")]
    async with serve(CONFIG, streaming(*pieces)) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        plain = await client.post("/v1/chat/completions", json=QUESTION | {"stream": True})
        asked = {"stream": True, "stream_options": {"include_usage": True}}
        counted = await client.post("/v1/chat/completions", json=QUESTION | asked)
    assert plain.headers["content-type"].startswith("text/event-stream")
    assert plain.content == pieces[0] + pieces[1] + frame(b"[DONE]")
    assert counted.content == b"".join(pieces)
    assert [(r.state, r.usage.output) for r in gateway.sink.records] == [("ok", 1), ("ok", 1)]


async def test_a_refusal_before_the_first_chunk_is_json_also_for_streams(serve: Serve) -> None:
    refused = answering(b'{"error": {"message": "slow down"}}', 429)
    async with serve(CONFIG, refused) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/chat/completions", json=QUESTION | {"stream": True})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] == "1"
    assert answer.json()["error"]["type"] == "rate_limit_error"


async def test_a_stream_cut_after_it_began_ends_in_an_error_event(serve: Serve) -> None:
    async with serve(CONFIG, streaming(delta("a"))) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/chat/completions", json=QUESTION | {"stream": True})
    last = answer.content.strip().split(b"\n\n")[-1]
    assert json.loads(last.removeprefix(b"data: "))["error"]["code"] == "upstream_connection_lost"
    assert b"[DONE]" not in answer.content
    assert gateway.sink.records[0].state == "failed"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_client_that_hangs_up_cancels_the_upstream_and_is_recorded(serve: Serve, stream: bool) -> None:
    transport = streaming(delta("a"), delta("b"), delta("c"), pause=0.3)
    body = json.dumps(QUESTION | {"stream": stream}).encode()
    head = b"POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-length: %d\r\n\r\n" % len(body)
    async with serve(CONFIG, transport) as gateway:
        _reader, writer = await asyncio.open_connection("127.0.0.1", gateway.port)
        writer.write(head + body)
        await asyncio.sleep(0.75 if stream else 0.1)
        writer.close()
        for _ in range(100):
            if gateway.sink.records:
                break
            await asyncio.sleep(0.01)
        [record] = gateway.sink.records
        assert record.state == "aborted"
        assert record.failure is not None
        assert record.failure.code == "client_closed_request"
        assert all(response.closed for response in transport.responses)
        assert gateway.live.gateway.in_flight == 0
        if stream:
            assert (record.chunks, record.usage.source) == (1, "estimated")
    assert not gateway.bugs


async def test_without_keys_a_rebound_name_is_refused(serve: Serve) -> None:
    async with serve(CONFIG, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/chat/completions", json=QUESTION, headers={"host": "evil.example"})
        models = await client.get("/v1/models", headers={"host": "evil.example"})
    assert (answer.status_code, models.status_code) == (403, 403)
    assert gateway.sink.records[0].state == "failed"


@pytest.mark.parametrize(
    "headers", [{"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
async def test_without_keys_web_pages_are_refused(serve: Serve, headers: dict[str, str]) -> None:
    async with serve(CONFIG, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/chat/completions", json=QUESTION, headers=headers)
        local = await client.post("/v1/chat/completions", json=QUESTION, headers={"origin": "http://localhost:3000"})
    assert (answer.status_code, local.status_code) == (403, 200)


async def test_a_provider_that_is_cut_off_never_reaches_the_client_as_a_traceback(serve: Serve) -> None:
    def broken(_: Request) -> PlayedResponse:
        raise RuntimeError("hush")

    async with serve(CONFIG, PlayedTransport(broken)) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/chat/completions", json=QUESTION)
    assert answer.status_code == 500
    assert b"hush" not in answer.content
    assert isinstance(gateway.bugs[0], RuntimeError)
