"""The panel of a cascade: when it is believed, when the strong model is asked, and who is paid."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llmctl.testing.asking import USAGE, Client
from llmctl.testing.clock import ManualClock
from tests.gateway.troupe import Part, fails, hangs, play, refuses, says, served, soon, streams

NUMBERS = "kind: cascade, panel: [a, b], strong: c, extract: number"
ONCE: dict[str, Any] = {"resilience": "retry: {attempts_per_model: 1}, probe_every: null"}
PRICED: dict[str, Any] = {
    **ONCE,
    "models": ", ".join(
        f"{name}: {{provider: up, model: {model}}}"
        for name, model in {"a": "gpt-4o-mini", "b": "gpt-4.1-nano", "c": "gpt-4o"}.items()
    ),
    "base_url": "https://api.openai.com/v1",
}
MINI, NANO, STRONG = (7 * 0.15 + 5 * 0.6) / 1e6, (7 * 0.1 + 5 * 0.4) / 1e6, (7 * 2.5 + 5 * 10) / 1e6
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {}}}]


async def test_a_panel_that_agrees_is_believed_and_the_strong_model_not_asked(tmp_path: Path) -> None:
    troupe = play(tmp_path, NUMBERS, ONCE, a=[says("It is 42.")], b=[says("the answer: 42")])
    asked = await troupe.ask()
    assert (asked.client.text, sorted(troupe.called)) == ("It is 42.", ["a", "b"])
    record = asked.record
    assert (record.model, record.provider, record.state, record.degraded) == ("a", "up", "ok", None)
    assert {(one.target, one.why, one.failure) for one in record.attempts} == {("a", "panel", ""), ("b", "panel", "")}
    assert record.decision is not None
    assert record.decision.panel == ("a", "b")
    assert (record.usage.input, record.usage.output) == (2 * USAGE["prompt_tokens"], 2 * USAGE["completion_tokens"])
    assert troupe.quiet()


async def test_where_the_panel_disagrees_the_strong_model_answers(tmp_path: Path) -> None:
    troupe = play(tmp_path, NUMBERS, ONCE, a=[says("41")], b=[says("42")], c=[says("43")])
    asked = await troupe.ask()
    assert (asked.client.text, asked.record.model, asked.record.degraded) == ("43", "c", None)
    assert [one.why for one in asked.record.attempts] == ["panel", "panel", "first"]
    assert (asked.record.usage.input, asked.record.usage.output) == (21, 15)


@pytest.mark.parametrize(
    "b",
    [refuses(500), fails(ConnectionError()), says("no number here"), says(None), says("", tool_calls=[])],
    ids=["fails", "bug", "says nothing comparable", "says nothing", "calls"],
)
async def test_half_a_panel_is_not_believed(tmp_path: Path, b: Part) -> None:
    troupe = play(tmp_path, NUMBERS, ONCE, a=[says("42")], b=[b], c=[says("43")])
    asked = await troupe.ask()
    if b.error is not None:
        assert asked.failure.http_status == 500
        assert [type(one) for one in troupe.bugs] == [ConnectionError]
        return
    assert asked.client.text == "43"
    assert asked.record.usage.input == (14 if b.status == 500 else 21)
    assert len(asked.record.attempts) == 3


async def test_a_client_that_wants_a_stream_gets_the_panel_s_answer_as_one(tmp_path: Path) -> None:
    troupe = play(tmp_path, NUMBERS, ONCE, a=[says("42")], b=[says("= 42")])
    asked = await troupe.ask(stream=True, stream_options={"include_usage": True}, temperature=0)
    assert (asked.client.text, asked.client.finished, asked.client.answer) == ("42", True, None)
    assert (asked.record.stream, asked.record.finish_reason) == (True, "stop")
    assert (asked.record.usage.input, asked.record.usage.output) == (14, 10)
    for _, body in troupe.sent:
        assert not body.get("stream")
        assert "stream_options" not in body
        assert body["temperature"] == 0


async def test_where_the_panel_disagrees_the_strong_model_streams(tmp_path: Path) -> None:
    troupe = play(tmp_path, NUMBERS, ONCE, a=[says("41")], b=[says("42")], c=[streams("4", "3")])
    asked = await troupe.ask(stream=True)
    assert (asked.client.text, troupe.sent[-1][1]["stream"]) == ("43", True)
    assert (asked.record.usage.input, asked.record.usage.output) == (21, 15)


@pytest.mark.parametrize("stream", [False, True])
async def test_each_model_is_paid_for_once_at_its_own_price(tmp_path: Path, stream: bool) -> None:
    agree: dict[str, list[Part]] = {"gpt-4o-mini": [says("42")], "gpt-4.1-nano": [says("42")]}
    asked = await play(tmp_path, NUMBERS, PRICED, **agree).ask(stream=stream)
    assert asked.record.cost.usd == pytest.approx(MINI + NANO)
    assert asked.record.cost.status == "exact"
    strong = streams("43") if stream else says("43")
    differ: dict[str, list[Part]] = {"gpt-4o-mini": [says("41")], "gpt-4.1-nano": [says("42")], "gpt-4o": [strong]}
    asked = await play(tmp_path, NUMBERS, PRICED, **differ).ask(stream=stream)
    assert asked.record.cost.usd == pytest.approx(MINI + NANO + STRONG)
    assert asked.exchange.spent == []


async def test_a_panel_is_paid_for_even_where_nobody_answers_in_the_end(tmp_path: Path) -> None:
    parts: dict[str, list[Part]] = {
        "gpt-4o-mini": [says("41"), refuses(500)],
        "gpt-4.1-nano": [says("42"), refuses(500)],
    }
    asked = await play(tmp_path, NUMBERS, PRICED, **parts, **{"gpt-4o": [refuses(500)]}).ask()
    assert asked.failure.http_status == 500
    assert asked.record.cost.usd == pytest.approx(MINI + NANO)
    assert (asked.record.usage.input, asked.record.usage.output) == (14, 10)


async def test_what_is_not_counted_is_estimated(tmp_path: Path) -> None:
    troupe = play(tmp_path, NUMBERS, ONCE, a=[says("42 " * 4, usage=False)], b=[says("42", usage=False)])
    usage = (await troupe.ask()).record.usage
    assert (usage.output, usage.source) == (3 + 1, "estimated")


async def test_a_request_that_brings_tools_goes_to_the_strong_model_at_once(tmp_path: Path) -> None:
    troupe = play(tmp_path, NUMBERS, ONCE, c=[says("43")])
    assert (await troupe.ask(tools=TOOLS)).client.text == "43"
    assert troupe.called == ["c"]


async def test_the_panel_stands_in_for_a_strong_model_that_fails(tmp_path: Path) -> None:
    troupe = play(tmp_path, NUMBERS, ONCE, a=[says("41"), says("41 again")], b=[says("42")], c=[refuses(500)])
    asked = await troupe.ask()
    assert (asked.client.text, asked.record.model, asked.record.degraded) == ("41 again", "a", "fallback")
    assert [one.why for one in asked.record.attempts] == ["panel", "panel", "first", "fallback"]
    assert asked.record.usage.input == 21


async def test_one_that_hangs_is_given_up_after_the_attempt_timeout(tmp_path: Path) -> None:
    """The transport keeps the time of a whole answer, so this takes a real one."""
    slow: dict[str, Any] = {"text": "42", "faults": [{"kind": "hang"}]}
    async with served(tmp_path, f"{NUMBERS}, attempt_timeout: 0.1", a={"text": "42"}, b=slow, c={"text": "43"}) as rig:
        asked = await rig.troupe.ask()
        assert asked.client.text == "43"
        assert {one.target: one.failure for one in asked.record.attempts} == {"a": "", "b": "timeout", "c": ""}
        await soon(lambda: rig.server.requests[1].outcome == "dropped")


async def test_a_member_that_is_down_is_no_reason_to_pay_the_others(tmp_path: Path) -> None:
    rest = {
        "resilience": "retry: {attempts: 1}, breaker: {minimum_calls: 1}, probe_every: null",
        "clock": ManualClock(),
    }
    troupe = play(tmp_path, NUMBERS, rest, a=[says("42")], b=[refuses(500)], c=[says("43")])
    assert (await troupe.ask()).client.text == "43"
    assert (await troupe.ask()).client.text == "43"
    assert sorted(troupe.called) == ["a", "b", "c", "c"]


async def test_a_client_that_leaves_ends_the_whole_panel(tmp_path: Path) -> None:
    models = ", ".join(f"{name}: {{provider: up, concurrency: 1}}" for name in "abc")
    troupe = play(tmp_path, NUMBERS, {"models": models}, a=[hangs()], b=[hangs()])
    task = asyncio.create_task(troupe.ask(client=Client({})))
    await soon(lambda: len(troupe.called) == 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [record] = troupe.records
    assert (record.state, [one.error for one in record.attempts]) == ("aborted", ["cancelled", "cancelled"])
    assert troupe.quiet()


async def test_what_came_before_the_client_left_is_paid_for(tmp_path: Path) -> None:
    troupe = play(tmp_path, NUMBERS, a=[says("42")], b=[hangs()])
    task = asyncio.create_task(troupe.ask())
    await soon(lambda: bool(troupe.played.responses) and troupe.played.responses[0].closed)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    [record] = troupe.records
    assert sorted(str(one.error) for one in record.attempts) == ["None", "cancelled"]
    assert (record.state, record.usage.input, record.usage.output) == ("aborted", 7, 5)


async def test_two_of_a_panel_of_three_are_not_enough(tmp_path: Path) -> None:
    models = ", ".join(f"{name}: {{provider: up}}" for name in "abcd")
    route = "kind: cascade, panel: [a, b, c], strong: d, extract: number"
    troupe = play(
        tmp_path, route, {**ONCE, "models": models}, a=[says("42")], b=[says("42")], c=[refuses(500)], d=[says("43")]
    )
    asked = await troupe.ask()
    assert (asked.client.text, asked.record.usage.input) == ("43", 21)
