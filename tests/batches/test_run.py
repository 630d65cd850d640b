"""A batch from its file to its results: what is waited for, what ends it, and what a crash leaves to do."""

import asyncio
import json
from pathlib import Path

import pytest

from llmctl.batches.asking import Reply
from llmctl.batches.lines import Line
from llmctl.batches.objects import WINDOW
from llmctl.batches.run import Run
from llmctl.batches.store import Store
from llmctl.config.keys import new_key
from llmctl.errors import RateLimited, Unavailable, UpstreamConnectError
from llmctl.server.asgi import endpoints
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import PlayedResponse
from tests.batches.conftest import Tracks, answer, jsonl, line

PLAIN = "guardrails: {preset: none}\nresilience: {retry: {attempts_per_model: 1}}\n"
LIMIT = "{kind: rate_limit, on_error: block, options: {requests_per_minute: 600, burst_requests: 1}}"
PATTERN = "{kind: pattern, on_error: block, options: {patterns: [{name: x, regex: secret}]}}"
RATE = PLAIN.replace("preset: none", f"preset: none, policies: {{slow: {LIMIT}}}")
GUARDED = PLAIN.replace("preset: none", f"preset: none, policies: {{own: {PATTERN}}}")


async def test_results_and_errors_by_custom_id(track: Tracks) -> None:
    def play(asked: str) -> PlayedResponse:
        return answer(400, b'{"error": {"message": "no"}}') if asked == "b" else answer()

    async with track(play) as running:
        batch = await running.until(running.submit("a", "b", "c"), "completed")
        assert (batch.total, batch.completed, batch.failed, batch.model) == (3, 2, 1, "m")
        good, bad = (running.results(batch, each) for each in (batch.output_file_id, batch.error_file_id))
        assert (set(good), set(bad)) == ({"a", "c"}, {"b"})
        assert (bad["b"]["response"]["status_code"], bad["b"]["error"]) == (400, None)
        assert bad["b"]["response"]["body"]["error"]["message"].endswith("no")
        assert len({one["id"] for one in (*good.values(), *bad.values())}) == 3
        assert [one.batch for one in running.sink.records] == [batch.id] * 3
        assert running.bugs == []


@pytest.mark.parametrize("body", [{"model": "m"}, {"messages": []}, {"model": "none", "messages": []},
                                  {"model": "m", "messages": [], "stream": True}])  # fmt: skip
async def test_a_request_that_is_none_fails_alone(track: Tracks, body: dict[str, object]) -> None:
    async with track(lambda _: answer()) as running:
        data = jsonl(line("a", body=body), line("b"))
        batch = await running.until(running.submit(data=data), "completed")
        assert (batch.completed, batch.failed) == (1, 1)
        status = running.results(batch, batch.error_file_id)["a"]["response"]["status_code"]
        assert status in (400, 404)


async def test_a_limit_of_ours_is_waited_out(track: Tracks) -> None:
    async with track(lambda _: answer(), RATE, concurrency=2) as running:
        submitted = running.submit("a", "b", "c")
        moving = asyncio.create_task(_moving(running.clock))
        batch = await running.until(submitted, "completed")
        moving.cancel()
        assert (batch.completed, batch.failed) == (3, 0)
        assert len(running.asked) == 3
        assert {one.http_status for one in running.sink.records} == {200, 429}


async def _moving(clock: ManualClock) -> None:
    while True:
        await asyncio.sleep(0.01)
        clock.advance(0.1)


async def test_a_model_that_is_down_is_tried_again(track: Tracks) -> None:
    left = ["a"]

    def play(asked: str) -> PlayedResponse | Exception:
        if asked in left:
            left.remove(asked)
            return answer(503, b"{}", retry_after="0")
        return answer()

    async with track(play) as running:
        batch = await running.until(running.submit("a"), "completed")
        assert (batch.completed, running.asked) == (1, ["a", "a"])


async def test_a_day_of_limits_costs_no_try(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = ManualClock()
    store = Store(tmp_path, 1.0, clock)
    replies = [RateLimited("later", retry_after=1.0)] * 1_100 + [Unavailable("down")] * 29 + [None]
    waited: list[float] = []

    async def ask(*_: object) -> Reply:
        failure = replies.pop(0)
        return Reply(200 if failure is None else failure.http_status, "req", b"{}", failure)

    async def at_once(run: Run, seconds: float) -> bool:
        waited.append(seconds)
        return False

    monkeypatch.setattr(Run, "_ended_within", at_once)
    shelf, turns = store.shelf("t"), asyncio.Semaphore(1)
    batch = shelf.new_batch("t", "k", 0, "/v1/chat/completions", "file-x")
    run = Run(batch, shelf, endpoints()[batch.endpoint], ask, clock, turns=turns, places=turns, width=1, limits=(1, 1))
    reply = await run._final(Line(1, "a", b"{}"))
    assert reply is not None
    assert (reply.status, replies, len(waited), max(waited)) == (200, [], 1_129, 60.0)


async def test_a_failure_that_does_not_pass_is_kept(track: Tracks) -> None:
    async with track(lambda _: UpstreamConnectError("nobody there")) as running:
        batch = await running.until(running.submit("a"), "completed")
        kept = running.results(batch, batch.error_file_id)["a"]["response"]
        assert (kept["status_code"], running.asked) == (502, ["a"])


async def test_the_window_ends_it(track: Tracks) -> None:
    release = asyncio.Event()

    def play(_: str) -> PlayedResponse:
        played = answer()
        played.step = release.wait  # type: ignore[assignment]
        return played

    async with track(play, concurrency=1) as running:
        submitted = running.submit("a", "b", "c")
        while not running.asked:
            await asyncio.sleep(0.005)
        running.clock.advance(WINDOW)
        await asyncio.sleep(0.05)
        running.lane.wake()
        await asyncio.sleep(0.05)
        release.set()
        batch = await running.until(submitted, "expired")
        assert (running.asked, batch.completed, batch.failed) == (["a"], 1, 2)
        late = running.results(batch, batch.error_file_id)
        assert {one["error"]["code"] for one in late.values()} == {"batch_expired"}
        assert {one["response"] for one in late.values()} == {None}
        assert batch.expired_at is not None


async def test_one_that_expired_unseen(track: Tracks) -> None:
    async with track(lambda _: answer()) as running:
        running.lane.stop()
    submitted = running.submit("a", "b")
    running.clock.advance(WINDOW + 1)
    async with track(lambda _: answer(), clock=running.clock) as again:
        batch = await again.until(submitted, "expired")
        assert (batch.failed, again.asked) == (2, [])


@pytest.mark.parametrize("fate", ["expires", "is removed"])
async def test_a_key_that_is_one_no_more_ends_it(track: Tracks, fate: str) -> None:
    _, entry = new_key()
    until = ', expires: "2026-01-01T01:00:00Z"' if fate == "expires" else ""
    ident = entry["id"] if fate == "expires" else "gone1234"
    keys = f'keys: [{{id: {entry["id"]}, hash: "{entry["hash"]}", tenant: acme{until}}}]\n'
    async with track(lambda _: answer(), PLAIN + keys) as running:
        if fate == "expires":
            done = await running.until(running.submit("a", tenant="acme", key=ident), "completed")
            assert done.completed == 1
            running.clock.advance(3600)
        batch = await running.until(running.submit("b", "c", tenant="acme", key=ident), "failed")
        code = "expired_api_key" if fate == "expires" else "invalid_api_key"
        assert [one.code for one in batch.errors] == [code]
        assert (batch.output_file_id, "b" in running.asked) == (None, False)


async def test_a_key_asks_only_for_its_models(track: Tracks) -> None:
    _, entry = new_key()
    keys = f'keys: [{{id: {entry["id"]}, hash: "{entry["hash"]}", models: [other]}}]\n'
    keys += "routes: {other: {kind: fixed, model: m}}\n"
    async with track(lambda _: answer(), PLAIN + keys) as running:
        batch = await running.until(running.submit("a", key=entry["id"]), "completed")
        assert running.results(batch, batch.error_file_id)["a"]["response"]["status_code"] == 403
        assert running.asked == []


async def test_guards_apply(track: Tracks) -> None:
    async with track(lambda _: answer(), GUARDED) as running:
        batch = await running.until(running.submit("a", "secret"), "completed")
        assert (batch.completed, batch.failed, running.asked) == (1, 1, ["a"])


async def test_a_torn_result_is_asked_again_and_the_rest_is_not(track: Tracks) -> None:
    async with track(lambda _: answer()) as running:
        running.lane.stop()
    submitted = running.submit("a", "b")
    folder = running.store.shelf("default").folder(submitted.id)
    done = {"id": "x", "custom_id": "a", "response": {"status_code": 200, "request_id": "r", "body": {}}, "error": None}
    (folder / "output.jsonl").write_bytes(json.dumps(done).encode() + b'\n{"id": "y", "custom_id": "b", "resp')
    async with track(lambda _: answer(), clock=running.clock) as again:
        batch = await again.until(submitted, "completed")
        assert again.asked == ["b"]
        assert set(again.results(batch, batch.output_file_id)) == {"a", "b"}


async def test_a_crash_at_the_end_asks_nothing_again(track: Tracks) -> None:
    async with track(lambda _: answer()) as running:
        batch = await running.until(running.submit("a"), "completed")
    shelf = running.store.shelf("default")
    unfinished = batch.on("finalizing", 0, completed_at=None, ending="completed")
    shelf.save(unfinished)
    shelf._queue.joinpath(batch.id).write_text(shelf.name)
    async with track(lambda _: answer(), clock=running.clock) as again:
        ended = await again.until(batch, "completed")
        assert (again.asked, ended.output_file_id) == ([], batch.output_file_id)
        assert set(again.results(ended, ended.output_file_id)) == {"a"}
