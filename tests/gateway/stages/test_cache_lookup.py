"""What is found, by whom, and what a client may wish."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llmctl.model.record import CacheOutcome
from llmctl.model.usage import NO_USAGE, Usage
from llmctl.testing.asking import USAGE
from llmctl.testing.clock import ManualClock
from tests.gateway.cached import KEYS, MODELS, Cached, Voices, answer_to, soon

SAVED = Usage(input=USAGE["prompt_tokens"], output=USAGE["completion_tokens"], source="provider")
STALE = "{dir: null, ttl: 10, stale_while_revalidate: 5, stale_if_error: 20}"
FAQ = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
async def test_the_same_request_is_answered_once(tmp_path: Path, first: bool, second: bool) -> None:
    async with Cached(tmp_path) as made:
        asked, again = await made.ask(stream=first), await made.ask(stream=second)
    assert (asked.kind, again.kind, made.calls) == ("miss", "exact", 1)
    assert asked.text == again.text == answer_to(made.voices.calls[0])
    assert bool(again.client.chunks) is second
    assert again.client.finished
    assert len(made.sink.records) == 2
    assert not made.bugs


async def test_a_hit_costs_nothing_and_says_what_it_saved(tmp_path: Path) -> None:
    priced = "models: {m: {provider: up, model: gpt-4o}, n: {provider: up}}\n"
    async with Cached(tmp_path, models=priced, clock=(clock := ManualClock())) as made:
        asked = await made.ask()
        clock.advance(3)
        for stream in (False, True):
            hit = (await made.ask(stream=stream)).record
            assert hit.cache == CacheOutcome("exact", None, 3.0, SAVED)
            assert (hit.usage, hit.cost.usd or 0, hit.attempts, hit.decision) == (NO_USAGE, 0, [], None)
            assert (hit.model, hit.provider, hit.state, hit.http_status) == ("m", "up", "ok", 200)
            assert [stage.name for stage in hit.stages][-2:] == ["cache_lookup", "respond"]
    assert asked.record.usage == SAVED
    assert (asked.record.cost.usd or 0) > 0


@pytest.mark.parametrize(
    "other",
    [
        {"key": "eve"},
        {"model": "r"},
        {"model": "n"},
        {"messages": FAQ},
        {"temperature": 0.5},
        {"max_tokens": 7},
        {"seed": 1},
        {"n": 2},
        {"tools": [{"type": "function", "function": {"name": "f"}}]},
        {"response_format": {"type": "json_object"}},
        {"some_new_parameter": True},
        {"llmctl": {"context": ["a document"]}},
        {"operation": "completion", "prompt": "hello"},
    ],
    ids=lambda other: next(iter(other)),
)
async def test_what_parts_answers(tmp_path: Path, other: dict[str, Any]) -> None:
    async with Cached(tmp_path) as made:
        await made.ask()
        asked = await made.ask(**other)
    assert (asked.kind, made.calls) == ("miss", 2)


@pytest.mark.parametrize(
    "other",
    [
        {"key": "bob"},
        {"stream": True},
        {"user": "u-1"},
        {"metadata": {"a": "b"}},
        {"stream": True, "stream_options": {"include_usage": True}},
        {"messages": [{"content": "hello", "role": "user"}]},
    ],
    ids=str,
)
async def test_what_does_not(tmp_path: Path, other: dict[str, Any]) -> None:
    async with Cached(tmp_path) as made:
        asked = await made.ask()
        again = await made.ask(**other)
    assert (again.kind, again.text, made.calls) == ("exact", asked.text, 1)


async def test_a_key_never_gets_answers_of_a_model_it_may_not_use(tmp_path: Path) -> None:
    async with Cached(tmp_path) as made:
        await made.ask()
        for wish in (None, "only", "refresh"):
            refused = await made.ask(key="few", wish=wish)
            assert (refused.text, refused.kind) == ("", None)
            assert refused.record.http_status in (403, 504)
        fine = await made.ask(key="few", model="n")
    assert fine.record.state == "ok"


async def test_an_unknown_model_is_told_as_ever(tmp_path: Path) -> None:
    async with Cached(tmp_path) as made:
        asked = await made.ask(model="nobody")
    assert (asked.record.http_status, asked.kind) == (404, None)


async def test_an_expired_key_gets_nothing(tmp_path: Path) -> None:
    async with Cached(tmp_path) as made:
        await made.ask()
        exchange, client = made.open()
        exchange.credential = "llmctl_nobody_" + "x" * 43
        got = await made.run(exchange, client)
    assert (got.record.http_status, got.text) == (401, "")


@pytest.mark.parametrize("by", ["header", "body"])
async def test_no_store_leaves_the_cache_alone(tmp_path: Path, by: str) -> None:
    def wish(word: str) -> dict[str, Any]:
        return {"wish": word} if by == "header" else {"llmctl": {"cache": word}}

    async with Cached(tmp_path) as made:
        assert (await made.ask(**wish("no-store"))).kind == "bypass"
        assert made.kept == 0
        only = await made.ask(**wish("only"))
        assert (only.record.http_status, only.client.failure and only.client.failure.code) == (504, "not_cached")
        assert (await made.ask(**wish("refresh"))).kind == "refresh"
        assert (await made.ask(**wish("only"))).kind == "exact"
        made.voices.says = lambda body: "another"
        assert (await made.ask(**wish("no-store"))).text == "another"
        assert (await made.ask()).text == answer_to(made.voices.calls[0])
        assert (await made.ask(**wish("refresh"))).text == "another"
        assert (await made.ask()).text == "another"
        bad = await made.ask(**wish("always"))
    assert (bad.record.http_status, bad.text) == (400, "")
    assert made.calls == 4
    assert not made.cache.flights


async def test_only_without_a_cache_says_so(tmp_path: Path) -> None:
    async with Cached(tmp_path, "") as made:
        asked = await made.ask(wish="only")
    assert asked.record.http_status == 504


async def test_a_header_is_heard_before_the_body(tmp_path: Path) -> None:
    async with Cached(tmp_path) as made:
        assert (await made.ask(wish=" No-Store ", llmctl={"cache": "refresh"})).kind == "bypass"


async def test_an_answer_past_its_time_is_not_served(tmp_path: Path) -> None:
    async with Cached(tmp_path, "{dir: null, ttl: 10}", clock=(clock := ManualClock())) as made:
        kinds = []
        for seconds in (0, 9.9, 0.2, 0):
            clock.advance(seconds)
            kinds.append((await made.ask()).kind)
    assert kinds == ["miss", "exact", "miss", "exact"]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stale_answer_is_served_while_one_copy_fetches_anew(tmp_path: Path, stream: bool) -> None:
    async with Cached(tmp_path, STALE, clock=(clock := ManualClock())) as made:
        first = await made.ask()
        clock.advance(11)
        go = asyncio.Event()
        made.voices.says, made.voices.step = lambda body: "new", lambda: _wait(go)
        served = [await made.ask(stream=stream) for _ in range(5)]
        assert [(one.kind, one.text) for one in served] == [("stale", first.text)] * 5
        assert served[0].record.cache == CacheOutcome("stale", None, 11.0, SAVED)
        assert served[0].record.degraded is None
        await soon(lambda: made.calls == 2)
        go.set()
        await made.quiet()
        [copy] = made.copies
        assert (copy.shadow_of, copy.cache, copy.state) == (served[0].record.id, CacheOutcome("revalidation"), "ok")
        assert copy.usage == SAVED
        again = await made.ask()
    assert (again.kind, again.text, made.calls) == ("exact", "new", 2)
    assert not made.cache.flights
    assert not made.bugs


async def test_a_refresh_that_fails_is_tried_again_and_harms_nobody(tmp_path: Path) -> None:
    async with Cached(tmp_path, STALE, clock=(clock := ManualClock())) as made:
        await made.ask()
        clock.advance(11)
        made.voices.failing = True
        for _ in range(2):
            assert (await made.ask()).kind == "stale"
            await made.quiet()
        assert [copy.state for copy in made.copies] == ["failed"] * 2
        assert not made.cache.flights


@pytest.mark.parametrize("stream", [False, True])
async def test_where_all_models_are_down_a_stale_answer_is_given(tmp_path: Path, stream: bool) -> None:
    async with Cached(tmp_path, STALE, clock=(clock := ManualClock())) as made:
        first = await made.ask()
        clock.advance(16)
        made.voices.failing = True
        stale = await made.ask(stream=stream)
        assert (stale.kind, stale.text, stale.record.degraded) == ("stale", first.text, "stale")
        assert (stale.record.state, stale.record.http_status, len(stale.record.attempts)) == ("ok", 200, 1)
        assert stale.record.usage == NO_USAGE
        made.voices.status = 400
        told = await made.ask(stream=stream)
        assert (told.record.http_status, told.text) == (400, "")
        made.voices.status = 500
        clock.advance(15)
        assert (await made.ask(stream=stream)).record.state == "failed"
        made.voices.failing = False
        assert (await made.ask(stream=stream)).kind == "miss"
    assert not made.cache.flights
    assert not made.bugs


async def test_a_stale_answer_does_not_become_fresh(tmp_path: Path) -> None:
    async with Cached(tmp_path, STALE, clock=(clock := ManualClock())) as made:
        await made.ask()
        clock.advance(16)
        made.voices.failing = True
        assert [(await made.ask()).kind for _ in range(2)] == ["stale"] * 2


async def _wait(go: asyncio.Event) -> None:
    await go.wait()


@pytest.mark.parametrize("folder", [False, True])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_hundred_identical_requests_are_one_call(tmp_path: Path, stream: bool, folder: bool) -> None:
    place = f"{{dir: {tmp_path}/cache}}" if folder else "{dir: null}"
    async with Cached(tmp_path, place) as made:
        got = await asyncio.gather(*[made.ask(stream=stream or not at % 2) for at in range(100)])
    assert made.calls == 1
    assert {one.text for one in got} == {answer_to(made.voices.calls[0])}
    kinds = [one.kind for one in got]
    assert kinds.count("miss") == 1
    assert set(kinds) <= {"miss", "shared", "exact"}
    assert all(one.record.cache.saved == SAVED for one in got if one.kind != "miss" and one.record.cache)
    assert sum(one.record.usage.completion for one in got) == SAVED.completion
    assert len(made.sink.records) == 100
    assert not made.cache.flights


async def test_one_call_also_where_the_disk_has_an_answer_of_long_ago(tmp_path: Path) -> None:
    """All of them wait for the disk; the first may have its answer before the others have looked."""
    place = f"{{dir: {tmp_path}/cache}}"
    async with Cached(tmp_path, place, clock=(clock := ManualClock())) as made:
        await made.ask()
    clock.advance(4_000)
    async with Cached(tmp_path, place, clock=clock) as made:
        got = await asyncio.gather(*[made.ask() for _ in range(100)])
    assert made.calls == 1
    assert {one.text for one in got} == {answer_to(made.voices.calls[0])}


async def test_without_single_flight_each_asks(tmp_path: Path) -> None:
    async with Cached(tmp_path, "{dir: null, single_flight: false}") as made:
        await asyncio.gather(*[made.ask() for _ in range(5)])
    assert made.calls == 5


async def test_tenants_share_no_flight(tmp_path: Path) -> None:
    async with Cached(tmp_path) as made:
        await asyncio.gather(*[made.ask(key=key) for key in ("ann", "eve", "bob", "eve")])
    assert made.calls == 2


async def test_a_leader_whose_client_leaves_disturbs_nobody(tmp_path: Path) -> None:
    go = asyncio.Event()
    async with Cached(tmp_path, voices=Voices(step=lambda: _wait(go))) as made:
        tasks = [asyncio.create_task(made.ask()) for _ in range(4)]
        await soon(lambda: made.calls == 1)
        tasks[0].cancel()
        await asyncio.wait([tasks[0]])
        go.set()
        rest = await asyncio.gather(*tasks[1:])
    assert [one.text for one in rest] == [answer_to(made.voices.calls[0])] * 3
    assert not made.cache.flights
    assert sorted(one.state for one in made.sink.records) == ["aborted", "ok", "ok", "ok"]


async def test_a_leader_that_fails_is_no_error_of_others(tmp_path: Path) -> None:
    go = asyncio.Event()
    voices = Voices(step=lambda: _wait(go), failing=True)
    async with Cached(tmp_path, voices=voices) as made:
        tasks = [asyncio.create_task(made.ask()) for _ in range(4)]
        await soon(lambda: made.calls == 1)
        voices.failing = False
        go.set()
        got = await asyncio.gather(*tasks)
    assert [one.record.state for one in got] == ["failed", "ok", "ok", "ok"]
    assert not made.cache.flights


async def test_a_follower_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    go = asyncio.Event()
    async with Cached(tmp_path, voices=Voices(step=lambda: _wait(go))) as made:
        leader = asyncio.create_task(made.ask())
        await soon(lambda: made.calls == 1)
        exchange, client = made.open(within=1.0)
        late = asyncio.create_task(made.run(exchange, client))
        await soon(lambda: made.calls == 2)  # it asks for itself, with half of its time left
        assert 0.3 < exchange.deadline - made.clock.monotonic() < 0.6
        assert not leader.done()
        go.set()
        assert [(await task).record.state for task in (leader, late)] == ["ok", "ok"]
    assert not made.cache.flights


async def test_what_a_name_does_differently(tmp_path: Path) -> None:
    text = "{dir: null, ttl: 100, routes: {r: {enabled: false}, n: {ttl: 5}}}"
    async with Cached(tmp_path, text, clock=(clock := ManualClock())) as made:
        for model in ("m", "n", "r"):
            await made.ask(model=model)
        assert [(await made.ask(model=model)).kind for model in ("m", "n", "r")] == ["exact", "exact", None]
        clock.advance(6)
        assert [(await made.ask(model=model)).kind for model in ("m", "n", "r")] == ["exact", "miss", None]


async def test_embeddings_are_cached_too(tmp_path: Path) -> None:
    async with Cached(tmp_path) as made:
        asked, again = [await made.ask(operation="embedding") for _ in range(2)]
    assert (asked.kind, again.kind, made.calls) == ("miss", "exact", 1)
    assert asked.client.answer is not None
    assert again.client.answer is not None
    assert asked.client.answer.raw == again.client.answer.raw


async def test_rules_part_answers_that_they_would_have_others_make(tmp_path: Path) -> None:
    rule = f"{{kind: fixed, model: n, when: {{keys: [{KEYS['bob'][1]['id']}]}}}}"
    models = MODELS.replace("model: m}", f"model: m, rules: [{rule}]}}")
    async with Cached(tmp_path, models=models) as made:
        found = [(await made.ask(model="r", key=key)).kind for key in ("ann", "bob", "ann", "bob")]
    assert found == ["miss", "miss", "exact", "exact"]
    assert [body["model"] for body in made.voices.calls] == ["m", "n"]


async def test_a_follower_heeds_the_routes_own_timeout(tmp_path: Path) -> None:
    go = asyncio.Event()
    models = MODELS.replace("model: m}", "model: m, timeout: 0.6}")
    async with Cached(tmp_path, models=models, voices=Voices(step=lambda: _wait(go))) as made:
        tasks = [asyncio.create_task(made.ask(model="r")) for _ in range(2)]
        await soon(lambda: made.calls == 2)  # the second asks for itself, long before a minute is over
        go.set()
        assert [(await task).record.state for task in tasks] == ["ok", "ok"]
