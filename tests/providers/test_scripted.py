"""The scripted provider, in memory: an equal citizen to the pool."""

import asyncio
import time
from typing import Any

import pytest

from llmctl.errors import UpstreamError, UpstreamLost, UpstreamProtocolError, UpstreamStatus, UpstreamTimeout
from llmctl.model.chat import Chunk, Operation
from llmctl.net.transport import Response
from llmctl.providers.base import Call, Provider
from llmctl.providers.scripted import Scripted, ScriptedOptions


def provider(**options: Any) -> Provider:
    return Scripted("imitation", ScriptedOptions.model_validate(options))


def call(*, stream: bool = False, operation: Operation = "chat", within: float = 5.0, **fields: Any) -> Call:
    payload = {"model": "m", "messages": [{"role": "user", "content": "one two"}], "stream": stream, **fields}
    return Call(operation, payload, "m", stream, time.monotonic() + within)


async def send(to: Provider, this: Call) -> Response:
    assert to.transport is not None
    return await to.transport.send(to.request(this))


async def streamed(to: Provider, this: Call) -> tuple[list[Chunk], bool]:
    response = await send(to, this)
    assert response.status == 200
    decoder, chunks = to.decoder(this), []
    async for data in response.stream():
        chunks += decoder.feed(data)
        if decoder.failure is not None:
            raise decoder.failure
    return chunks, decoder.done


async def test_a_whole_answer() -> None:
    this, to = call(), provider(text="well said")
    response = await send(to, this)
    answer = to.answer(this, await response.read())
    assert answer.body.choices[0].message is not None
    assert answer.body.choices[0].message.content == "well said"
    assert (answer.usage.input, answer.usage.output) == (2, 2)
    assert int(response.headers[b"content-length"]) == len(answer.raw)


async def test_a_stream_asks_for_usage_and_gets_it() -> None:
    chunks, done = await streamed(provider(text="well said"), call(stream=True))
    assert done
    deltas = [chunk.body.choices[0].delta for chunk in chunks[:-1]]
    assert "".join(str(delta.content or "") for delta in deltas if delta) == "well said"
    assert chunks[-1].body.usage is not None


async def test_embeddings() -> None:
    this = Call("embedding", {"model": "m", "input": "hi"}, "m", False, time.monotonic() + 5)
    to = provider(embedding_dim=4)
    answer = to.answer(this, await (await send(to, this)).read())
    assert b'"embedding":[' in answer.raw


async def test_pace_is_kept_on_the_whole() -> None:
    began = time.monotonic()
    await streamed(provider(tokens=21, token_rate=100, latency=0.05), call(stream=True))
    assert 0.24 < time.monotonic() - began < 0.5


async def test_it_is_ready_and_needs_nothing() -> None:
    to = provider()
    await to.start()
    assert to.unready() is None
    await to.close()


@pytest.mark.parametrize(("status", "retry_after"), [(503, 2.0), (429, 1.0)])
async def test_refusals(status: int, retry_after: float) -> None:
    kind = "rate_limit" if status == 429 else "error"
    to = provider(faults=[{"kind": kind, "status": status, "retry_after": retry_after}])
    response = await send(to, call())
    error = to.error(response.status, response.headers, await response.read())
    assert isinstance(error, UpstreamStatus)
    assert (error.status, error.retry_after, error.retryable) == (status, retry_after, True)


LATE = {"first_byte_timeout": 0.03, "idle_timeout": 0.03}


@pytest.mark.parametrize(
    ("options", "within", "phase"),
    [
        ({"faults": [{"kind": "hang"}], **LATE}, 5, "first_byte"),
        ({"latency": 1, **LATE}, 5, "first_byte"),
        ({"faults": [{"kind": "hang", "after_chunks": 2}], **LATE}, 5, "idle"),
        ({"token_rate": 1, "tokens": 5, **LATE}, 5, "idle"),
        ({"faults": [{"kind": "hang"}]}, 0.03, "total"),
        ({"token_rate": 20, "tokens": 50}, 0.12, "total"),
        ({}, -1, "total"),
    ],
)
async def test_timeouts_name_their_phase(options: dict[str, Any], within: float, phase: str) -> None:
    began = time.monotonic()
    with pytest.raises(UpstreamTimeout) as caught:
        await streamed(provider(**options), call(stream=True, within=within))
    assert caught.value.phase == phase
    assert time.monotonic() - began < 0.5


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "reset"}, UpstreamLost),
        ({"kind": "reset", "after_chunks": 1}, UpstreamLost),
        ({"kind": "cut"}, UpstreamLost),
        ({"kind": "cut", "after_chunks": 0}, UpstreamLost),
        ({"kind": "garbage"}, UpstreamProtocolError),
        ({"kind": "malformed_chunk"}, UpstreamProtocolError),
        ({"kind": "error", "after_chunks": 1}, UpstreamStatus),
    ],
)
async def test_faults_raise_what_the_pool_would(fault: dict[str, Any], kind: type[UpstreamError]) -> None:
    with pytest.raises(kind):
        await streamed(provider(faults=[fault]), call(stream=True))


async def test_a_cut_whole_answer_is_lost() -> None:
    response = await send(provider(faults=[{"kind": "cut"}]), call())
    with pytest.raises(UpstreamLost):
        await response.read()


async def test_an_unfinished_stream_ends_without_being_done() -> None:
    chunks, done = await streamed(provider(faults=[{"kind": "unfinished"}]), call(stream=True))
    assert chunks
    assert not done


async def test_a_dripped_answer_arrives() -> None:
    to, this = provider(faults=[{"kind": "drip", "delay": 0.0005}], text="drop by drop"), call()
    assert b"drop by drop" in (await (await send(to, this)).read())


async def test_an_answer_over_the_cap_is_refused() -> None:
    response = await send(provider(tokens=500, max_response=100), call())
    with pytest.raises(UpstreamProtocolError, match="max_response"):
        await response.read()


async def test_a_closed_answer_says_no_more() -> None:
    response = await send(provider(tokens=100, token_rate=1000), call(stream=True))
    parts = []
    async for part in response.stream():
        parts.append(part)
        response.close()
        response.close()
    assert len(parts) == 1


async def test_a_cancelled_call_leaves_nothing_behind() -> None:
    task = asyncio.create_task(send(provider(latency=60), call()))
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
