"""Limits on the path: a place is taken on the way in, and given back however the exchange ends."""

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import Blocked, ConfigError, RateLimited, UpstreamLost
from llmctl.gateway.build import build
from llmctl.gateway.stages.limits import output
from llmctl.testing.asking import USAGE, Asked, Bench, Client, event, stream, whole
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from llmctl.testing.gateway import exchange

USED = sum(USAGE.values())


def limit(name: str = "l", mode: str = "enforce", scope: str = "", **options: Any) -> str:
    inner = ", ".join(f"{key}: {value}" for key, value in options.items())
    return f"{name}: {{kind: rate_limit, on_error: block, mode: {mode}, {scope} options: {{{inner}}}}}"


def bench(folder: Path, *policies: str, answer: Any = None, **rest: str) -> tuple[Bench, ManualClock]:
    clock = ManualClock()
    answers = [answer] if answer is not None else []
    return Bench(folder, f"{{preset: none, policies: {{{', '.join(policies)}}}}}", *answers, clock=clock, **rest), clock


def left(asked: Asked, what: str) -> int:
    found = re.search(rb"x-ratelimit-remaining-%b: (\d+)\r\n" % what.encode(), asked.exchange.limits)
    assert found is not None
    return int(found[1])


async def test_over_the_limit_is_a_429_with_the_time_to_come_back(tmp_path: Path) -> None:
    made, clock = bench(tmp_path, limit(requests_per_minute=2))
    first, second, third = [await made.say("q") for _ in range(3)]
    assert (left(first, "requests"), left(second, "requests")) == (1, 0)
    assert b"x-ratelimit-limit-requests: 2\r\n" in first.exchange.limits
    assert re.search(rb"x-ratelimit-reset-requests: [0-9.]+s\r\n", first.exchange.limits)
    assert isinstance(third.failure, RateLimited)
    assert (third.failure.http_status, third.failure.retryable) == (429, True)
    assert third.failure.retry_after == pytest.approx(30, abs=0.01)
    assert "'l'" in third.failure.message
    assert (third.record.state, third.sent, third.record.request) == ("blocked", [], None)
    assert [(one.verdict, one.action, one.category) for one in third.record.verdicts()] == [
        ("block", "block", "requests")
    ]
    assert [(one.verdict, one.action) for one in first.record.verdicts()] == [("allow", "allow")]
    assert third.exchange.notices == ["input.l=block"]
    clock.advance(third.failure.retry_after or 0)
    assert (await made.say("q")).record.state == "ok"


async def test_what_was_used_is_charged_instead_of_what_was_reserved(tmp_path: Path) -> None:
    made, _ = bench(tmp_path, limit(tokens_per_minute=1000, assumed_output=300))
    first = await made.say("q")
    reserved = 1000 - left(first, "tokens")
    assert 300 < reserved < 400
    second = await made.say("q")
    assert 1000 - left(second, "tokens") == USED + reserved
    assert 1000 - left(await made.say("q", max_tokens=50, n=3), "tokens") == pytest.approx(
        2 * USED + reserved - 150, abs=12
    )


ENDS: list[tuple[str, Any, int | None]] = [
    ("whole", whole(), USED),
    ("stream", stream(["fine"]), USED),
    ("no counts", whole(usage=False), None),
    ("upstream fails", UpstreamLost("gone"), 0),
    ("breaks", [event({"content": "ab cd "}), UpstreamLost("gone")], None),
    ("blocked answer", whole("forbidden"), USED),
    ("blocked request", whole(), 0),
]


@pytest.mark.parametrize(("how", "answer", "used"), ENDS)
async def test_every_end_settles(tmp_path: Path, how: str, answer: Any, used: int | None) -> None:
    own = "own: {kind: pattern, on_error: block, options: {patterns: [{name: x, regex: forbidden}]}}"
    made, _ = bench(tmp_path, limit(tokens_per_minute=100_000, concurrency=1), own, answer=answer)
    text = "forbidden" if how == "blocked request" else "q"
    first = await made.say(text, stream=isinstance(answer, list))
    assert first.record.state == {"upstream fails": "failed", "breaks": "failed"}.get(how, first.record.state)
    assert first.exchange.reservations == []
    total = first.record.usage.prompt + first.record.usage.completion
    assert total == used if used is not None else total > 0
    made.answers = [whole()]
    second = await made.say("q", max_tokens=1)
    assert second.record.state == "ok"
    assert 100_000 - left(second, "tokens") <= total + 40


async def test_a_client_that_leaves_gives_its_place_back(tmp_path: Path) -> None:
    made, _ = bench(tmp_path, limit(concurrency=1), answer=stream(["fine"]))
    waiting = asyncio.Event()

    async def pause() -> None:
        if client.chunks or waiting.is_set():
            return
        waiting.set()
        await asyncio.sleep(20)

    client = Client({"model": "m", "messages": [{"role": "user", "content": "q"}], "stream": True})
    asked = exchange(made.clock)
    task = asyncio.create_task(made.gateway.run(asked, client))
    await asyncio.sleep(0)
    client.pause = pause
    await asyncio.wait_for(waiting.wait(), 5)
    busy = await made.say("q", stream=True)
    assert isinstance(busy.failure, RateLimited)
    assert busy.failure.retry_after == pytest.approx(1.0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert asked.reservations == []
    assert (await made.say("q", stream=True)).record.state == "ok"


async def test_what_can_never_pass_is_a_400(tmp_path: Path) -> None:
    made, _ = bench(tmp_path, limit(tokens_per_minute=100))
    asked = await made.say("q", max_tokens=200)
    assert isinstance(asked.failure, Blocked)
    assert (asked.failure.http_status, asked.failure.retryable) == (400, False)
    assert "'l'" in asked.failure.message
    assert (await made.say("q", max_tokens=20)).record.state == "ok"


async def test_in_shadow_nobody_is_refused(tmp_path: Path) -> None:
    made, _ = bench(tmp_path, limit(mode="shadow", requests_per_minute=1))
    for action in ("allow", "would_block", "would_block"):
        asked = await made.say("q")
        assert (asked.record.state, asked.guard("l").action, asked.exchange.notices) == ("ok", action, [])


async def test_a_request_that_one_limit_refuses_is_charged_to_none(tmp_path: Path) -> None:
    made, clock = bench(tmp_path, limit("wide", requests_per_minute=3), limit("small", requests_per_minute=1))
    assert (await made.say("q")).record.state == "ok"
    for _ in range(5):
        refused = await made.say("q")
        assert [(one.policy, one.action) for one in refused.record.verdicts()] == [
            ("small", "block"),
            ("wide", "allow"),
        ]
    clock.advance(60)
    assert left(await made.say("q"), "requests") == 0  # of the smaller
    standing = made.gateway._pipeline._stages[2]._limits[0].limiter.standing(("",))  # type: ignore[attr-defined]
    assert standing[0].remaining == 2


@pytest.mark.parametrize(("per", "shared"), [("[]", True), ("[key]", True), ("[model]", False)])
async def test_who_shares_a_limit(tmp_path: Path, per: str, shared: bool) -> None:
    made, _ = bench(tmp_path, limit(per=per, requests_per_minute=1), routes="{other: {kind: fixed, model: m}}")
    assert (await made.say("q")).record.state == "ok"
    other = await made.ask({"model": "other", "messages": [{"role": "user", "content": "q"}]})
    assert (other.record.state == "blocked") is shared


async def test_names_that_clients_make_up_share_one_allowance(tmp_path: Path) -> None:
    made, _ = bench(tmp_path, limit(per="[model]", requests_per_minute=1))
    asked = [await made.ask({"model": f"made up {n}", "messages": []}) for n in range(2)]
    assert [one.failure.http_status for one in asked] == [404, 429]


async def test_limits_are_for_routes_where_they_say_so(tmp_path: Path) -> None:
    made, _ = bench(
        tmp_path, limit(scope="routes: [other],", requests_per_minute=1), routes="{other: {kind: fixed, model: m}}"
    )
    assert [(await made.say("q")).record.state for _ in range(3)] == ["ok"] * 3
    payload = {"model": "other", "messages": [{"role": "user", "content": "q"}]}
    assert [(await made.ask(payload)).record.state for _ in range(2)] == ["ok", "blocked"]


async def test_a_reload_keeps_what_was_used(tmp_path: Path) -> None:
    made, _ = bench(tmp_path, limit(requests_per_minute=1))
    assert (await made.say("q")).record.state == "ok"
    made.gateway = build(made.loaded, made.around)
    assert (await made.say("q")).record.state == "blocked"
    changed = f"guardrails: {{preset: none, policies: {{{limit(requests_per_minute=2)}}}}}\n"
    text = (tmp_path / "gateway.yaml").read_text().split("guardrails:")[0] + changed
    made.gateway = build(loaded(text, tmp_path), made.around)
    assert (await made.say("q")).record.state == "ok"


def test_workers_that_would_count_apart_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        bench(tmp_path, limit(requests_per_minute=1), server="{workers: 2}")
    [line] = caught.value.findings
    assert re.match(r".*gateway\.yaml:3: guardrails\.policies\.l: .*workers", line)


@pytest.mark.parametrize(
    ("options", "where"),
    [({"requests_per_minute": '"many"'}, ".options.requests_per_minute"), ({"burst_tokens": 3}, ".options"),
     ({"concurency": 3}, ".options.concurency"), ({}, ".options")],
)  # fmt: skip
def test_wrong_options_are_said_with_their_place(tmp_path: Path, options: dict[str, Any], where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        bench(tmp_path, limit(**options))
    assert re.match(rf".*gateway\.yaml:3: guardrails\.policies\.l{re.escape(where)}", caught.value.findings[0])


async def test_a_picture_counts_as_a_picture(tmp_path: Path) -> None:
    made, _ = bench(tmp_path, limit(tokens_per_minute=2000, assumed_output=10))
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 10**6}}
    parts = [{"type": "text", "text": "q"}, image]
    first = await made.say({"role": "user", "content": parts})
    assert first.record.state == "ok"
    assert 1000 < 2000 - left(first, "tokens") < 1100
    text = {"type": "document", "source": {"type": "text", "data": "A" * 10**6}}
    assert isinstance((await made.say({"role": "user", "content": [text]})).failure, Blocked)


async def test_nothing_is_reserved_for_the_answer_to_an_embedding(tmp_path: Path) -> None:
    made, _ = bench(tmp_path, limit(tokens_per_minute=100, assumed_output=512), answer=b'{"data":[{}],"usage":{}}')
    assert (await made.ask({"model": "m", "input": "q"}, "embedding")).record.state == "ok"


@pytest.mark.parametrize(
    ("payload", "tokens"),
    [({}, 7), ({"max_tokens": 5}, 5), ({"max_tokens": 5, "n": 3}, 15), ({"max_tokens": 5, "n": 2, "best_of": 4}, 20)],
)
def test_tokens_that_an_answer_may_have(payload: dict[str, Any], tokens: int) -> None:
    assert output(payload, 7) == tokens
