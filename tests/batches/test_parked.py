"""Requests that wait in batches of their provider's: gathered, answered, and after a crash found again, paid once."""

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmctl.batches.parked import Parked
from llmctl.clock import SystemClock
from llmctl.errors import Unavailable, UpstreamTimeout
from llmctl.gateway.pipeline import STOPPING
from llmctl.model.json import JsonObject
from llmctl.net.pool import Pool
from llmctl.net.transport import Request, Transport
from llmctl.providers.base import Call
from llmctl.providers.openai import OpenAI, OpenAIOptions
from llmctl.testing.batch_provider import BatchProvider, answer

STEPS = ("upload", "create", "list", "look", "content")


class Crash(BaseException):
    """The process ends here."""


class Breaking:
    """A transport under which the process dies at its n-th request: before it is sent, or after it was answered."""

    def __init__(self, pool: Pool, at: int, *, after: bool) -> None:
        self._pool, self._left, self._after = pool, at, after
        self.dead = asyncio.Event()

    async def send(self, request: Request) -> Any:
        self._left -= 1
        if self._left < 0 and not self._after:
            await self._die()
        response = await self._pool.send(request)
        if self._left < 0:
            await response.read()
            await self._die()
        return response

    async def _die(self) -> None:
        self.dead.set()
        await asyncio.Event().wait()


def call(text: str, number: int = 0, model: str = "m") -> Call:
    payload = {"model": model, "messages": [{"role": "user", "content": text}]}
    headers = f"x-request-id: req_{number}.1\r\ntraceparent: x\r\n".encode()
    return Call("chat", payload, model, False, SystemClock().monotonic() + 60, None, headers)


class Site:
    """What parks at a provider, over a real transport; waits pass at once, but for what is to gather."""

    def __init__(self, folder: Path, fake: BatchProvider, transport: Transport, **options: Any) -> None:
        self.log: list[dict[str, Any]] = []
        keep = lambda event, **fields: self.log.append({"event": event, **fields})  # noqa: E731
        self.parked = Parked(folder / "parked", transport, SystemClock(), keep, sleep=self._sleep, **options)
        settings_ = {"base_url": fake.base_url, "batch": True, "batch_window": 7, "api_key": "k"}
        self.provider = OpenAI("up", OpenAIOptions(**settings_))
        self.window = 0.02

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(self.window if seconds == 7 else 0.001)

    async def ask(self, text: str, number: int = 0, model: str = "m") -> tuple[int, JsonObject]:
        assert self.provider.batch_api is not None
        door = self.parked.transport("up", self.provider.batch_api, model)
        response = await door.send(self.provider.request(call(text, number, model)))
        return response.status, json.loads(await response.read())

    async def said(self, text: str, number: int = 0) -> str:
        status, body = await self.ask(text, number)
        return str(body["choices"][0]["message"]["content"]) if status == 200 else f"{status} {body['error']['code']}"


@asynccontextmanager
async def at(
    folder: Path, fake: BatchProvider, transport: Transport | None = None, **options: Any
) -> AsyncIterator[Site]:
    pool = Pool(SystemClock())
    site = Site(folder, fake, transport or pool, **options)
    try:
        yield site
    finally:
        await asyncio.wait_for(site.parked.close(), 10)
        pool.close()


async def test_requests_that_gather_are_one_batch_and_each_gets_its_own(tmp_path: Path) -> None:
    async with BatchProvider(polls=3) as fake, at(tmp_path, fake, most=150) as site:
        site.window = 10  # the last of them ends it, however slow the machine
        said = await asyncio.gather(*(site.said(f"q{n}\r\n--x", n) for n in range(150)))
        assert said == [f"re: q{n}\r\n--x" for n in range(150)]
        assert fake.steps == ["upload", "create", "look", "look", "look", "content"]
        assert set(fake.paid.values()) == {1}
        [batch] = fake.batches.values()
        assert (batch["endpoint"], batch["completion_window"]) == ("/v1/chat/completions", "24h")
        assert [one["event"] for one in site.log] == ["provider_batch", "provider_batch_ended"]


async def test_a_batch_has_one_model_and_no_more_than_its_bounds(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake, most=3) as site:
        await asyncio.gather(*(site.ask("q", n, f"m{n % 2}") for n in range(8)))
        sizes = sorted(len(data.splitlines()) for name, data in fake.files.items() if name.startswith("file-"))
        assert sizes == [1, 1, 3, 3]
    async with BatchProvider() as fake, at(tmp_path / "b", fake, most_bytes=1000) as site:
        await asyncio.gather(*(site.ask("q" * 300, n) for n in range(4)))
        assert len(fake.batches) == 2


def wrong(line: JsonObject) -> tuple[int, JsonObject] | None:
    text = line["body"]["messages"][0]["content"]
    if text == "none":
        return None
    return (400, {"error": {"code": "bad", "message": "no"}}) if text == "bad" else answer(line)


@pytest.mark.parametrize(
    ("ends", "missing"),
    [("completed", "502 batch_result_missing"), ("expired", "504 batch_expired"), ("cancelled", "502 batch_cancelled")],
)
async def test_what_a_batch_says_of_each(tmp_path: Path, ends: str, missing: str) -> None:
    async with BatchProvider(ends=ends, fate=wrong) as fake, at(tmp_path, fake) as site:
        said = await asyncio.gather(*(site.said(one, n) for n, one in enumerate(("a", "bad", "none"))))
        assert said == ["re: a", "400 bad", missing]


@pytest.mark.parametrize(
    ("errors", "said"),
    [
        ([{"code": "token_limit_exceeded", "message": "full"}], ["429 token_limit_exceeded"] * 2),
        ([{"code": "invalid_url", "message": "no"}], ["400 invalid_url"] * 2),
        ([{"code": "bad_line", "message": "no", "line": 2}], ["503 batch_failed", "400 bad_line"]),
        ([], ["400 batch_failed"] * 2),
    ],
)
async def test_a_batch_that_failed(tmp_path: Path, errors: list[JsonObject], said: list[str]) -> None:
    async with BatchProvider(ends="failed") as fake, at(tmp_path, fake) as site:
        fake.errors = errors
        assert [*await asyncio.gather(site.said("a", 1), site.said("b", 2))] == said
        fake.ends = "completed"
        assert await site.said("a", 1) == "re: a"  # who asks again is asked anew


async def test_a_folder_that_cannot_be_made_is_tried_later(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake) as site:
        (tmp_path / "parked").write_bytes(b"")  # a file in its place
        with pytest.raises(Unavailable):
            await site.ask("a")
        (tmp_path / "parked").unlink()
        assert await site.said("a") == "re: a"


async def test_a_refused_upload_is_told_as_it_is(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake) as site:
        fake.faults = {"upload": deque([401])}
        status, _ = await site.ask("a")
        assert status == 401
        assert fake.steps == ["upload"]


@pytest.mark.parametrize("step", STEPS[:2] + STEPS[3:])
@pytest.mark.parametrize("fault", [500, 429, "lost"])
async def test_what_passes_is_tried_again_and_nothing_is_made_twice(
    tmp_path: Path, step: str, fault: int | str
) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake) as site:
        fake.faults = {step: deque([fault] * 2), "list": deque([503])}
        assert await site.said("a") == "re: a"
        assert (len(fake.batches), fake.paid["a"]) == (1, 1)


async def test_a_provider_that_is_down_for_long_leaves_its_batch_to_the_lane(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake) as site:
        fake.faults = {"upload": deque(["lost"] * 99)}
        assert await site.said("a") == "503 batch_not_made"


async def test_a_batch_that_the_provider_forgot_is_asked_anew(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake) as site:
        fake.faults = {"look": deque([404])}
        assert await site.said("a") == "503 batch_lost"
        assert await site.said("a") == "re: a"


async def test_who_is_late_gets_an_answer_from_the_same_batch(tmp_path: Path) -> None:
    async with BatchProvider() as fake:
        async with at(tmp_path, fake) as site:
            await asyncio.gather(site.said("a", 1), site.said("b", 2))
            assert await site.said("a", 1) == "re: a"
        async with at(tmp_path, fake) as site:
            assert await site.said("b", 2) == "re: b"
            assert await site.said("b", 3) == "re: b"  # another request that says the same
        assert (fake.paid["a"], fake.paid["b"], len(fake.batches)) == (1, 2, 2)


def waiting(site: Site, *texts: str) -> list[asyncio.Task[str]]:
    return [asyncio.create_task(site.said(text, n)) for n, text in enumerate(texts)]


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.002)


async def test_with_the_last_of_them_a_batch_is_cancelled(tmp_path: Path) -> None:
    async with BatchProvider(polls=10**6) as fake, at(tmp_path, fake) as site:
        a, b = waiting(site, "a", "b")
        await until(lambda: "look" in fake.steps)
        a.cancel()
        await asyncio.sleep(0.02)
        assert "cancel" not in fake.steps
        b.cancel()
        await until(lambda: "cancel" in fake.steps)


async def test_who_goes_while_it_gathers_is_not_sent(tmp_path: Path) -> None:
    async with BatchProvider() as fake, at(tmp_path, fake) as site:
        site.window = 0.1
        a, b = waiting(site, "a", "b")
        await asyncio.sleep(0.02)
        a.cancel()
        assert await b == "re: b"
        assert fake.paid == {"b": 1}
    async with BatchProvider() as fake, at(tmp_path / "x", fake) as site:
        [a] = waiting(site, "a")
        await asyncio.sleep(0.01)
        a.cancel()
        await asyncio.sleep(0.05)
        assert fake.steps == []


async def test_a_deadline_ends_the_wait(tmp_path: Path) -> None:
    async with BatchProvider(polls=10**6) as fake, at(tmp_path, fake) as site:
        assert site.provider.batch_api is not None
        door = site.parked.transport("up", site.provider.batch_api, "m")
        asked = call("a")
        asked = Call("chat", asked.payload, "m", False, SystemClock().monotonic() + 0.1, None, asked.headers)
        with pytest.raises(UpstreamTimeout):
            await door.send(site.provider.request(asked))
        await until(lambda: "cancel" in fake.steps)


async def test_a_stop_leaves_the_batch_alone_and_the_next_start_finds_it(tmp_path: Path) -> None:
    async with BatchProvider(polls=10**6) as fake:
        async with at(tmp_path, fake) as site:
            tasks = waiting(site, "a", "b")
            await until(lambda: "look" in fake.steps)
            for task in tasks:
                task.cancel(STOPPING)
            await asyncio.gather(*tasks, return_exceptions=True)
        assert "cancel" not in fake.steps
        fake.polls = 1
        async with at(tmp_path, fake) as site:
            assert await asyncio.gather(*waiting(site, "a", "b")) == ["re: a", "re: b"]
        assert (fake.steps.count("upload"), len(fake.batches)) == (1, 1)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    crashes=st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=4),
    faults=st.dictionaries(st.sampled_from(STEPS), st.lists(st.sampled_from([500, "lost"]), max_size=2)),
)
def test_wherever_it_crashes_each_request_is_answered_and_paid_once(
    tmp_path_factory: pytest.TempPathFactory, crashes: list[tuple[int, bool]], faults: dict[str, list[int | str]]
) -> None:
    folder = tmp_path_factory.mktemp("crash")
    asyncio.run(_crashing(folder, crashes, faults))


async def _crashing(folder: Path, crashes: list[tuple[int, bool]], faults: dict[str, list[int | str]]) -> None:
    async with BatchProvider(polls=2) as fake:
        fake.faults = {step: deque(each) for step, each in faults.items()}
        pool = Pool(SystemClock())
        for number, after in crashes:
            breaking = Breaking(pool, number, after=after)
            site = Site(folder, fake, breaking)
            site.window = 0.002
            tasks = [*waiting(site, "a", "b", "c")]
            dead = asyncio.create_task(breaking.dead.wait())
            everything = asyncio.ensure_future(asyncio.gather(*tasks, return_exceptions=True))
            ends: list[asyncio.Future[Any]] = [dead, everything]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            dead.cancel()
            for task in tasks:  # as a process that ends: nobody is told, nothing is cancelled at the provider
                task.cancel(STOPPING)
            with suppress(asyncio.CancelledError):
                await everything
            await site.parked.close()
        async with at(folder, fake, pool) as site:
            assert await asyncio.gather(*waiting(site, "a", "b", "c")) == ["re: a", "re: b", "re: c"]
        assert fake.paid == {"a": 1, "b": 1, "c": 1}
        assert len(fake.batches) == 1
        pool.close()
