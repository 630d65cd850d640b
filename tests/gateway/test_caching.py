"""The cache over time: restarts, disks that fail, what is learnt, and nobody sees another tenant's."""

import asyncio
import sqlite3
import tempfile
from pathlib import Path
from random import Random

import pytest
from diskcache import Cache as Folder
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from llmctl.cache.entry import Codec
from llmctl.cache.store_disk import BytesDisk
from llmctl.gateway.leases import Leases
from llmctl.testing.clock import ManualClock
from tests.gateway.cached import Cached, Voices, answer_to, soon

MEANING = "{threshold: 0.85, audit: 0.000001}"
FRANCE = "What is the capital of France?"
AGAIN = "What's the capital of France"


def folder(path: Path, more: str = "") -> str:
    return f"{{dir: {path}/cache{more}}}"


def on_disk(path: Path) -> Folder:
    """The folder, as another program would open it."""
    return Folder(str(path / "cache"), disk=BytesDisk)


async def test_answers_survive_a_restart(tmp_path: Path) -> None:
    async with Cached(tmp_path, folder(tmp_path), clock=(clock := ManualClock())) as made:
        first = await made.ask()
    clock.advance(10)
    async with Cached(tmp_path, folder(tmp_path), clock=clock) as made:
        again = [await made.ask(stream=stream) for stream in (False, True)]
        assert [(one.kind, one.text) for one in again] == [("exact", first.text)] * 2
        assert again[0].record.cache is not None
        assert again[0].record.cache.age_s == 10
        assert (await made.ask(key="eve")).kind == "miss"
    clock.advance(3600)
    async with Cached(tmp_path, folder(tmp_path), clock=clock) as made:
        assert (await made.ask()).kind == "miss"


async def test_a_stale_answer_from_the_disk(tmp_path: Path) -> None:
    text = folder(tmp_path, ", ttl: 10, stale_if_error: 100")
    async with Cached(tmp_path, text, clock=(clock := ManualClock())) as made:
        first = await made.ask()
    clock.advance(50)
    async with Cached(tmp_path, text, clock=clock, voices=Voices(failing=True)) as made:
        stale = await made.ask()
        assert (stale.text, stale.kind, stale.record.degraded) == (first.text, "stale", "stale")
        assert (await made.ask(key="eve")).record.state == "failed"


async def test_two_gateways_on_one_folder(tmp_path: Path) -> None:
    async with Cached(tmp_path, folder(tmp_path)) as one, Cached(tmp_path, folder(tmp_path)) as two:
        said = await one.ask()
        await soon(lambda: not one.store._writing)
        await two.store.look_round()
        assert ((got := await two.ask()).kind, got.text, two.calls) == ("exact", said.text, 0)
        await asyncio.gather(*[made.ask(f"question {at}") for at in range(20) for made in (one, two)])
        assert (one.warned, two.warned, one.bugs, two.bugs) == ([], [], [], [])


@pytest.mark.parametrize("what", ["file", "garbage", "taken"])
async def test_a_disk_that_cannot_be_opened_leaves_memory(tmp_path: Path, what: str) -> None:
    place = tmp_path / "cache"
    if what == "file":
        place.write_text("a file")
    else:
        place.mkdir()
        (place / "cache.db").write_bytes(b"x" * 4096) if what == "garbage" else (place / "cache.db").mkdir()
    async with Cached(tmp_path, folder(tmp_path)) as made:
        await made.ask()
        assert (await made.ask()).kind == "exact"
        [warned] = made.warned
        assert ("memory alone" in warned) == (what != "garbage")
        assert ("set aside" in warned) == (what == "garbage")
        assert str(place) in warned
    assert not made.bugs


async def test_a_disk_that_fails_later_is_no_outage(tmp_path: Path) -> None:
    async with Cached(tmp_path, folder(tmp_path)) as made:
        with sqlite3.connect(tmp_path / "cache" / "cache.db") as other:
            other.execute("DROP TABLE Cache")
        assert (await made.ask()).record.state == "ok"
        assert (await made.ask()).kind == "exact"
        await soon(lambda: not made.store._writing)
        assert ["the cache's disk fails" in one for one in made.warned] == [True], "a line a minute, not one a request"
    assert not made.bugs


@pytest.mark.parametrize("how", ["flipped", "foreign", "other key", "other tenant", "old"])
async def test_entries_that_were_tampered_with(tmp_path: Path, how: str) -> None:
    """Whoever writes the folder can make nobody read another tenant's answer."""
    async with Cached(tmp_path, folder(tmp_path)) as made:
        await made.ask()
        [mine] = [entry.key for entry in made.store._memory]
        await made.ask(key="eve")
        [theirs] = [entry.key for entry in made.store._memory if entry.key != mine]
    with on_disk(tmp_path) as disk:
        data: bytes = disk.get(mine)
        entry = Codec().decode(data, mine)
        match how:
            case "flipped":
                disk.set(theirs, data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
            case "foreign":
                disk.set(theirs, b"\x80\x04evil pickle")
            case "other key":
                disk.set(theirs, data)
            case "other tenant":
                disk.set(theirs, Codec().encode(structs.replace(entry, key=theirs)))
            case "old":
                disk.set(theirs, b"LCE\x00" + data[4:])
    async with Cached(tmp_path, folder(tmp_path)) as made:
        assert (await made.ask(key="eve")).kind == "miss"
        assert made.calls == 1
        assert (await made.ask()).kind == "exact"
    assert len(made.warned) >= 1
    assert all(str(tmp_path / "cache") in one for one in made.warned)
    assert not made.bugs


async def test_with_a_secret_nobody_else_writes_entries(tmp_path: Path) -> None:
    async with Cached(tmp_path, folder(tmp_path)) as made:
        await made.ask()
    secret = folder(tmp_path, ", secret: 0123456789abcdef0123")
    async with Cached(tmp_path, secret) as made:
        assert (await made.ask()).kind == "miss"
        assert made.warned
    async with Cached(tmp_path, secret) as made:
        assert (await made.ask()).kind == "exact"
        assert not made.warned


def meaning(path: Path | None, semantic: str = MEANING) -> str:
    return f"{{dir: {'null' if path is None else path / 'cache'}, semantic: {semantic}}}"


async def test_answers_are_found_by_meaning_and_after_a_restart(tmp_path: Path) -> None:
    async with Cached(tmp_path, meaning(tmp_path)) as made:
        first = await made.ask(FRANCE)
        await made.quiet()
        hit = await made.ask(AGAIN, stream=True)
        assert (hit.kind, hit.text, made.calls) == ("semantic", first.text, 1)
        assert (await made.ask("How do I bake bread?")).kind == "miss"
    async with Cached(tmp_path, meaning(tmp_path)) as made:
        await soon(lambda: not made.cache._waiting or len(made.cache._waiting) == 1)
        await soon(lambda: made.cache._keeper is not None and made.store._disk is not None)
        await asyncio.sleep(0.05)
        again = await made.ask(AGAIN)
        assert (again.kind, again.text, made.calls) == ("semantic", first.text, 0)
        assert again.record.cache is not None
        assert 0.85 < (again.record.cache.similarity or 0) < 1
        assert (await made.ask(AGAIN, key="eve")).kind == "miss"
    assert not made.bugs


async def test_what_was_fetched_anew_is_found_by_meaning_still(tmp_path: Path) -> None:
    async with Cached(tmp_path, meaning(tmp_path)) as made:
        await made.ask(FRANCE)
        await made.quiet()
        made.voices.says = lambda body: "Paris, of course."
        assert (await made.ask(FRANCE, wish="refresh")).kind == "refresh"
        assert (await made.ask(AGAIN)).text == "Paris, of course."
    async with Cached(tmp_path, meaning(tmp_path)) as made:
        await asyncio.sleep(0.05)
        assert ((got := await made.ask(AGAIN)).kind, got.text) == ("semantic", "Paris, of course.")


async def test_what_a_policy_has_learnt_survives_a_restart(tmp_path: Path) -> None:
    text = meaning(tmp_path, "{max_error: 0.02}")
    async with Cached(tmp_path, text) as made:
        for at in range(30):
            await made.ask(f"question number {at} about cats")
        await made.quiet()
        before = made.cache.reports()["acme", "m"]
        assert before.requests == 30
    async with Cached(tmp_path, text) as made:
        await asyncio.sleep(0.05)
        await made.ask("question number 1 about cats")
        after = made.cache.reports()["acme", "m"]
        assert (after.requests, after.hits, after.audits) == (31, before.hits, before.audits)
    other = text.replace("0.02", "0.03")
    async with Cached(tmp_path, other) as made:
        await asyncio.sleep(0.05)
        await made.ask("question number 1 about cats")
        assert made.cache.reports()["acme", "m"].requests == 1


async def test_a_reload_keeps_shelves_and_flights(tmp_path: Path) -> None:
    leases = Leases()
    async with Cached(tmp_path, meaning(None), leases=leases) as old:
        first = await old.ask(FRANCE)
        await old.quiet()
        more = "server: {request_timeout: 77}\n"
        new = Cached(tmp_path, meaning(None).replace("null", "null, ttl: 7200"), leases=leases, more=more)
        await new.gateway.start()
        assert new.cache is old.cache
    got = await new.ask(AGAIN)
    assert (got.kind, got.text, new.calls) == ("semantic", first.text, 0)
    assert (await new.ask(FRANCE)).kind == "exact"
    await new.gateway.close()
    await new.gateway.close()


async def test_shelves_are_of_those_that_asked_alone(tmp_path: Path) -> None:
    async with Cached(tmp_path, meaning(None)) as made:
        for at in range(5):
            exchange, client = made.open(model=f"nobody-{at}")
            await made.run(exchange, client)
        assert not made.cache._shelves
        for key in ("ann", "bob", "eve"):
            await made.ask(key=key)
        assert sorted(key[:2] for key in made.cache._shelves) == [("acme", "m"), ("evil", "m")]


@pytest.mark.parametrize("semantic", [MEANING, "{threshold: -1, audit: 0.000001}"])
async def test_another_tenant_gets_nothing(tmp_path: Path, semantic: str) -> None:
    text = f"{{dir: {tmp_path}/cache, ttl: 10, stale_while_revalidate: 100, stale_if_error: 100, semantic: {semantic}}}"
    async with Cached(tmp_path, text, clock=(clock := ManualClock())) as made:
        made.voices.says = lambda body: "the secret of acme"
        await made.ask(FRANCE)
        await made.quiet()
        made.voices.says = answer_to
        for question in (FRANCE, AGAIN, "anything"):
            for stream in (False, True):
                got = await made.ask(question, key="eve", stream=stream, wish=None)
                assert "secret of acme" not in got.text
                assert (await made.ask(question + "!", key="eve", wish="only")).text != "the secret of acme"
        clock.advance(20)
        made.voices.failing = True
        await asyncio.gather(*[made.ask(FRANCE, key=key) for key in ("ann", "eve", "ann", "eve")])
        for question in (FRANCE, AGAIN):
            assert "secret of acme" not in (await made.ask(question, key="eve")).text
        assert (await made.ask(FRANCE)).text == "the secret of acme"


async def test_work_that_is_too_much_is_left(tmp_path: Path) -> None:
    async def work(done: list[int]) -> None:
        await asyncio.sleep(0)
        done.append(1)

    async with Cached(tmp_path) as made:
        done: list[int] = []
        for _ in range(1_000):
            made.cache.soon(work(done))
        await made.quiet()
        assert len(done) == 512


async def test_work_that_fails_is_told(tmp_path: Path) -> None:
    async def work() -> None:
        raise ValueError("odd")

    async with Cached(tmp_path) as made:
        made.cache.soon(work())
        await made.quiet()
        assert made.warned == ["learning from an answer failed: ValueError: odd"]


async def test_closing_with_copies_under_way(tmp_path: Path) -> None:
    for turns in (0, 1, 3):
        text = "{dir: null, ttl: 10, stale_while_revalidate: 100}"
        made = Cached(tmp_path, text, clock=(clock := ManualClock()))
        await made.gateway.start()
        await made.ask()
        clock.advance(20)
        made.voices.step = asyncio.Event().wait  # type: ignore[assignment]
        assert (await made.ask()).kind == "stale"
        for _ in range(turns):
            await asyncio.sleep(0)
        await made.gateway.close()
        assert not made.cache.flights
        assert [copy.state for copy in made.copies] == ["aborted"]
        await made.gateway.close()


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["a", "b"]),
        st.sampled_from(["ann", "bob", "eve"]),
        st.booleans(),
        st.sampled_from([None, None, None, "refresh", "no-store", "only"]),
        st.one_of(st.none(), st.integers(1, 12)),
        st.integers(0, 8),
    ),
    min_size=1,
    max_size=14,
)


@settings(deadline=None, max_examples=80)
@given(STEPS, st.booleans(), st.integers(0, 2**32))
def test_every_answer_is_the_models_whatever_happens(
    steps: list[tuple[str, str, bool, str | None, int | None, int]], stale: bool, seed: int
) -> None:
    """Requests, streams, wishes, departures in any order; the model's answer is a function of the request."""

    async def run(path: Path) -> None:
        rng = Random(seed)
        clock = ManualClock()

        async def step() -> None:
            for _ in range(rng.randrange(4)):
                await asyncio.sleep(0)

        text = "{dir: null, ttl: 10, stale_while_revalidate: 1000}" if stale else "{dir: null}"
        async with Cached(path, text, voices=Voices(step=step), clock=clock) as made:
            opened = []
            for text, key, stream, wish, leaves, later in steps:
                exchange, client = made.open(text, key=key, stream=stream, wish=wish)
                task = asyncio.create_task(made.run(exchange, client))
                opened.append((task, exchange, client))
                if stale and later > 6:
                    clock.advance(11)
                for turn in range(later):
                    await asyncio.sleep(0)
                    if turn == leaves:
                        task.cancel()
            await asyncio.wait([task for task, _, _ in opened])
            await made.quiet()
            for _, exchange, client in opened:
                record = made.record(exchange.id)
                if record.state == "ok":
                    assert client.text == answer_to(exchange.payload)
                else:
                    assert record.state == "aborted" or record.http_status == 504
            mine = {exchange.id for _, exchange, _ in opened}
            assert all(copy.shadow_of in mine for copy in made.copies)
            assert not made.cache.flights
            assert not made.bugs
            assert made.gateway.in_flight == 0
        assert [task for task in asyncio.all_tasks() if task is not asyncio.current_task()] == []

    with tempfile.TemporaryDirectory() as path:
        asyncio.run(run(Path(path)))
