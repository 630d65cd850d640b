"""Batches of a provider's behind `/v1/batches`, with the official `openai` package and `llmctl serve`."""

import asyncio
import json
import signal
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types import Batch

from llmctl.model.record import Record
from llmctl.telemetry.reader import RecordReader
from llmctl.testing.batch_provider import BatchProvider
from llmctl.testing.process import Served, serve

CHAT = "/v1/chat/completions"
CONFIG = """
    server: {{drain_timeout: 1s}}
    guardrails: {{preset: none}}
    providers:
      up: {{kind: openai, base_url: "{url}", batch: true, batch_window: 100ms, batch_poll: 50ms}}
      plain: {{kind: openai, base_url: "{url}"}}
    models: {{m: {{provider: up}}, direct: {{provider: plain}}}}
    prices: {{models: {{m: {{input: 2, output: 4, batch: 0.5}}}}}}
    records: {{dir: records}}
    batches: {{concurrency: 2}}
"""


def line(custom_id: str, model: str = "m") -> dict[str, Any]:
    body = {"model": model, "messages": [{"role": "user", "content": custom_id}]}
    return {"custom_id": custom_id, "method": "POST", "url": CHAT, "body": body}


@asynccontextmanager
async def gateway(folder: Path, fake: BatchProvider) -> AsyncIterator[tuple[Served, AsyncOpenAI]]:
    """A gateway in front of the provider, and a client of it."""
    manager = serve(CONFIG.format(url=fake.base_url), folder)
    served = await asyncio.to_thread(manager.__enter__)
    try:
        async with AsyncOpenAI(base_url=f"{served.url}/v1", api_key="any", max_retries=0, timeout=20) as api:
            yield served, api
    finally:
        await asyncio.to_thread(manager.__exit__, None, None, None)


async def submit(api: AsyncOpenAI, *lines: dict[str, Any], **rest: Any) -> Batch:
    data = b"".join(json.dumps(one).encode() + b"\n" for one in lines)
    file = await api.files.create(file=("questions.jsonl", data), purpose="batch")
    return await api.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **rest
    )


async def ended(api: AsyncOpenAI, batch: Batch) -> Batch:
    async with asyncio.timeout(20):
        while (now := await api.batches.retrieve(batch.id)).status not in ("completed", "failed", "cancelled"):
            await asyncio.sleep(0.05)
    return now


async def results(api: AsyncOpenAI, ident: str | None) -> dict[str, Any]:
    assert ident is not None
    content = await api.files.content(ident)
    return {one["custom_id"]: one for one in map(json.loads, content.content.splitlines())}


async def records(served: Served, batch: Batch, count: int) -> list[Record]:
    async with asyncio.timeout(10):
        while True:
            found = [one for one in RecordReader(served.records).read() if one.batch == batch.id]
            if len(found) >= count:
                return found
            await asyncio.sleep(0.05)


async def test_a_batch_goes_through_the_providers_own_at_its_price(tmp_path: Path) -> None:
    async with BatchProvider(polls=2) as fake, gateway(tmp_path, fake) as (served, api):
        ids = [f"q{n}" for n in range(40)]
        asked = [line(one) for one in ids] + [line("now", "direct")]
        batch = await ended(api, await submit(api, *asked, metadata={"job": "nightly"}))
        assert batch.request_counts is not None
        assert (batch.status, batch.request_counts.completed) == ("completed", 41)
        found = await results(api, batch.output_file_id)
        for one in ids:
            assert found[one]["response"]["body"]["choices"][0]["message"]["content"] == f"re: {one}"
        assert (len(fake.batches), set(fake.paid.values()), len(fake.direct)) == (1, {1}, 1)
        usage = batch.usage
        assert usage is not None
        assert (usage.input_tokens, usage.output_tokens, usage.total_tokens) == (41 * 7, 41 * 5, 41 * 12)
        kept = await records(served, batch, 41)
        assert len({one.id for one in kept}) == len(kept) == 41
        for each in kept:
            assert (each.state, len(each.attempts), each.tags) == ("ok", 1, {"job": "nightly"})
            if each.model == "m":
                assert each.cost.usd == pytest.approx((7 * 1 + 5 * 2) / 1e6)
        answered = await api.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
        assert answered.choices[0].message.content == "re: hi"
        assert len(fake.direct) == 2  # what is no batch does not wait
        assert not served.events("bug")


async def test_a_cancelled_batch_cancels_the_providers(tmp_path: Path) -> None:
    async with BatchProvider(polls=10**6) as fake, gateway(tmp_path, fake) as (served, api):
        batch = await submit(api, *(line(f"q{n}") for n in range(9)))
        async with asyncio.timeout(10):
            while "look" not in fake.steps:
                await asyncio.sleep(0.02)
        await api.batches.cancel(batch.id)
        assert (await ended(api, batch)).status == "cancelled"
        async with asyncio.timeout(10):
            while "cancel" not in fake.steps:
                await asyncio.sleep(0.02)
        assert not served.events("bug")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart_waits_for_the_same_batch(tmp_path: Path, number: signal.Signals) -> None:
    async with BatchProvider(polls=10**6) as fake:
        fake.faults = {"create": deque(["lost"])}
        async with gateway(tmp_path, fake) as (served, api):
            batch = await submit(api, *(line(f"q{n}") for n in range(20)))
            async with asyncio.timeout(15):
                while "look" not in fake.steps:
                    await asyncio.sleep(0.02)
            code = await asyncio.to_thread(served.stop, number)
            assert code == (0 if number == signal.SIGTERM else -signal.SIGKILL)
        fake.polls = 1
        async with gateway(tmp_path, fake) as (served, api):
            done = await ended(api, batch)
            assert done.request_counts is not None
            assert (done.status, done.request_counts.completed) == ("completed", 20)
            assert (fake.steps.count("upload"), len(fake.batches), set(fake.paid.values())) == (1, 1, {1})
