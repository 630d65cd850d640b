"""Calls of a provider's batch API: what is tried again, how often, and after how long."""

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from llmctl.batches.remote import MOST_WAIT, TRIES, Refused, Remote
from llmctl.clock import SystemClock
from llmctl.errors import UpstreamLost, UpstreamProtocolError
from llmctl.net.pool import Pool
from llmctl.providers.openai import BatchApi, OpenAIOptions
from llmctl.testing.batch_provider import BatchProvider


@asynccontextmanager
async def remote(fake: BatchProvider, waits: list[float]) -> AsyncIterator[Remote]:
    async def pause(seconds: float) -> None:
        waits.append(seconds)

    pool = Pool(SystemClock())
    api = BatchApi.of(OpenAIOptions(base_url=fake.base_url, batch=True))
    yield Remote(api, pool, SystemClock(), pause)
    pool.close()


async def test_a_batch_from_upload_to_content() -> None:
    waits: list[float] = []
    async with BatchProvider(polls=2) as fake, remote(fake, waits) as up:
        data = b'{"custom_id":"a","body":{"messages":[{"content":"hi"}]}}\n'
        file = await up.upload("n", data)
        assert fake.files[file] == data
        made = await up.create(file, "/v1/chat/completions", before=False)
        assert await up.find(file) == made
        assert await up.find("other") is None
        assert not (await up.look(made.id)).ended
        found = await up.look(made.id)
        assert found.ended
        assert found.output_file_id is not None
        assert b"re: hi" in b"".join([piece async for piece in up.content(found.output_file_id)])
        with pytest.raises(Refused):
            [piece async for piece in up.content("none")]
        await up.cancel(made.id)
        assert fake.batches[made.id]["status"] == "cancelled"
        assert waits == []


async def test_waits_grow_to_a_bound_and_end() -> None:
    waits: list[float] = []
    async with BatchProvider() as fake, remote(fake, waits) as up:
        fake.faults = {"upload": deque([503] * TRIES)}
        with pytest.raises(Refused) as refused:
            await up.upload("n", b"")
        assert refused.value.status == 503
        assert waits == [2, 4, 8, 16, 32, 64, 128, 256, MOST_WAIT][: TRIES - 1]


async def test_a_refusal_is_final() -> None:
    waits: list[float] = []
    async with BatchProvider() as fake, remote(fake, waits) as up:
        fake.faults = {"create": deque([400])}
        with pytest.raises(Refused):
            await up.create("f", "/v1/x", before=False)
        assert (fake.steps, waits) == (["create"], [])


@pytest.mark.parametrize("fault", ["lost", 500])
async def test_what_may_have_been_made_is_looked_for_first(fault: int | str) -> None:
    async with BatchProvider() as fake, remote(fake, []) as up:
        fake.faults = {"create": deque([fault])}
        made = await up.create("f", "/v1/x", before=False)
        assert made.input_file_id == "f"
        assert len(fake.batches) == 1
        assert fake.steps[:2] == ["create", "list"]


async def test_what_does_not_speak_openai_is_told() -> None:
    async with BatchProvider() as fake, remote(fake, []) as up:
        fake.batches["b"] = {"status": "in_progress"}
        with pytest.raises(UpstreamProtocolError, match="/v1/batches"):
            await up.find("f")
        fake.faults = {"look": deque(["lost"])}
        with pytest.raises(UpstreamLost):
            await up.look("b")
