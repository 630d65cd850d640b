"""Copies for a model that is only tried: nobody waits for them, nobody gets them, and nobody pays for them unasked."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from llmctl.model.json import encode
from llmctl.model.record import Decision, Record
from llmctl.testing.asking import Bench, whole
from tests.gateway.routed import MODELS, START, Routed, soon

PRICED = "models: {a: {provider: up, model: gpt-4o}, b: {provider: up, model: gpt-4o-mini}}\n"


def shadow(options: str = "", route: str = "kind: fixed, model: a") -> str:
    return f"routes: {{r: {{{route}, experiment: {{kind: shadow, name: x, model: b{options}}}}}}}"


def copies(routed: Routed) -> list[Record]:
    return [one for one in routed.records if one.shadow_of]


@pytest.mark.parametrize("stream", [False, True])
async def test_a_copy_is_never_returned_and_leaves_its_own_record(tmp_path: Path, stream: bool) -> None:
    routed = Routed(tmp_path, shadow())
    asked = await routed.ask(stream=stream)
    assert asked.client.text == "from a"
    assert asked.client.finished
    await soon(lambda: bool(copies(routed)))
    [copy] = copies(routed)
    assert (copy.id, copy.shadow_of) == ("req_test.shadow", "req_test")
    assert (copy.state, copy.model, copy.stream, copy.requested_model) == ("ok", "b", stream, "r")
    assert copy.decision == Decision("b", "shadow", "mirrors req_test", 1.0, "x", "shadow")
    assert [one.target for one in copy.attempts] == ["b"]
    assert [one.target for one in asked.record.attempts] == ["a"]
    assert asked.record.decision == Decision("a", "fixed", "named")
    assert copy.request == asked.record.request
    assert not routed.bugs


async def test_a_copy_is_paid_for_apart(tmp_path: Path) -> None:
    routed, alone = Routed(tmp_path, shadow(), models=PRICED), Routed(tmp_path, models=PRICED)
    asked, without = await routed.ask(), await alone.ask("a")
    await soon(lambda: bool(copies(routed)))
    [copy] = copies(routed)
    assert asked.record.cost == without.record.cost
    assert asked.record.usage == without.record.usage
    assert copy.cost.usd is not None
    assert asked.record.cost.usd is not None
    assert 0 < copy.cost.usd < asked.record.cost.usd


async def test_copies_count_for_no_rate_limit(tmp_path: Path) -> None:
    limit = "policies: {l: {kind: rate_limit, on_error: block, options: {per: [tenant], requests_per_minute: 3}}}"
    start = START.replace("{preset: none}", f"{{preset: none, {limit}}}")
    routed = Routed(tmp_path, shadow(), start=start)
    assert [(await routed.ask()).record.state for _ in range(4)] == ["ok", "ok", "ok", "blocked"]
    await soon(lambda: len(copies(routed)) == 3)


@pytest.mark.parametrize(("share", "least", "most"), [(0, 0, 0), (0.5, 10, 30), (1, 40, 40)])
async def test_a_share_of_requests_is_copied(tmp_path: Path, share: float, least: int, most: int) -> None:
    routed = Routed(tmp_path, shadow(f", share: {share}"))
    for _ in range(40):
        await routed.ask()
    assert least <= routed.models.called.count("b") <= most
    assert routed.models.called.count("a") == 40


async def test_only_the_experiments_route_is_copied(tmp_path: Path) -> None:
    routed = Routed(tmp_path, shadow())
    await routed.ask("a")
    assert routed.models.called == ["a"]


async def test_copies_that_hang_hold_nobody_up_and_are_bounded(tmp_path: Path) -> None:
    routed = Routed(tmp_path, shadow(", max_in_flight: 2"))
    routed.models.hanging.add("b")
    for _ in range(5):
        assert (await asyncio.wait_for(routed.ask(), 1)).client.text == "from a"
    assert routed.models.called.count("b") == 2
    await routed.gateway.close()


async def test_closing_stops_copies_and_each_leaves_its_record(tmp_path: Path) -> None:
    routed = Routed(tmp_path, shadow())
    routed.models.hanging.add("b")
    await routed.gateway.start()
    await routed.ask()
    await routed.ask()
    await routed.gateway.close()
    assert [(one.state, one.model) for one in copies(routed)] == [("aborted", "b")] * 2
    assert routed.standing("b").health.inflight == 0


async def test_a_copy_that_fails_harms_no_answer_and_falls_back_to_nobody(tmp_path: Path) -> None:
    routed = Routed(tmp_path, shadow(route="kind: fixed, model: a, fallbacks: [c], static_answer: sorry"))
    routed.models.failing.add("b")
    assert (await routed.ask()).client.text == "from a"
    await soon(lambda: bool(copies(routed)))
    [copy] = copies(routed)
    assert (copy.state, copy.degraded, {one.target for one in copy.attempts}) == ("failed", None, {"b"})
    assert "c" not in routed.models.called


async def test_copies_spend_no_clients_retries(tmp_path: Path) -> None:
    budget = "retry: {backoff: 0}, retry_budget: {ratio: 0, per_second: 0, burst: 1}"
    start = START.replace("retry: {backoff: 0}", budget)
    routed = Routed(tmp_path, shadow(), start=start)
    routed.models.failing |= {"b", "c"}
    await routed.ask()
    await soon(lambda: bool(copies(routed)))
    await routed.ask("c")
    assert routed.models.called.count("c") == 2


async def test_a_client_takes_a_copys_place_in_the_queue(tmp_path: Path) -> None:
    models = MODELS.replace("b: {provider: up}", "b: {provider: up, concurrency: 1, max_queue: 1}")
    routed = Routed(tmp_path, shadow(), models=models)
    slots = routed.standing("b").slots
    assert slots is not None
    async with slots.acquire():
        await routed.ask()
        await soon(lambda: slots.depth == 1)
        client = asyncio.create_task(routed.ask("b"))
        await soon(lambda: bool(copies(routed)))
    assert copies(routed)[0].state == "failed"
    assert (await client).client.text == "from b"


async def test_a_copy_goes_where_an_experiments_other_keys_do_not_matter(tmp_path: Path) -> None:
    """The route's own strategy decides for the client; the copy has its own model, able or not."""
    rules = "kind: weighted, weights: {a: 1, c: 1}, rules: [{kind: fixed, model: c, when: {tools: true}}]"
    routed = Routed(tmp_path, shadow(route=rules))
    tools: list[dict[str, Any]] = [{"type": "function", "function": {"name": "f"}}]
    assert (await routed.ask(tools=tools)).client.text == "from c"
    await soon(lambda: bool(copies(routed)))
    assert routed.models.called == ["c", "b"] or routed.models.called == ["b", "c"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("action", "state", "kept"), [("redact", "ok", True), ("block", "blocked", False)])
async def test_what_a_copy_is_answered_is_guarded_before_it_is_kept(
    tmp_path: Path, action: str, state: str, kept: bool, stream: bool
) -> None:
    patterns = f"{{patterns: [{{name: x, regex: 'from b', action: {action}}}]}}"
    policy = f"policies: {{own: {{kind: pattern, on_error: block, direction: output, options: {patterns}}}}}"
    routed = Routed(tmp_path, shadow(), start=START.replace("{preset: none}", f"{{preset: none, {policy}}}"))
    assert (await routed.ask(stream=stream)).client.text == "from a"
    await soon(lambda: bool(copies(routed)))
    [copy] = copies(routed)
    assert (copy.state, [one.action for one in copy.guards]) == (state, [action])
    assert b"from b" not in encode(copy)
    assert (b"choices" in encode(copy.response)) is kept
    assert copy.usage.completion > 0


async def test_a_copy_of_the_wrong_form_is_not_asked_for_again(tmp_path: Path) -> None:
    form = "{kind: schema, on_error: block, options: {json_schema: {type: object}}, mode: enforce}"
    start = START.replace("{preset: none}", f"{{preset: none, policies: {{form: {form}}}}}")
    routed = Routed(tmp_path, shadow(), start=start)
    assert (await routed.ask()).record.state == "blocked"
    await soon(lambda: bool(copies(routed)))
    assert (copies(routed)[0].state, sorted(routed.models.called)) == ("blocked", ["a", "a", "b"])


async def test_no_placeholder_means_two_things_in_a_copys_record(tmp_path: Path) -> None:
    routes = "{r: {kind: fixed, model: m, experiment: {kind: shadow, name: x, model: m}}}"
    pii = "{preset: none, policies: {pii: {kind: pii, on_error: block}}}"
    made = Bench(tmp_path, pii, whole("ask bo@example.org"), routes=routes)
    await made.ask({"model": "r", "messages": [{"role": "user", "content": "write to jo@example.org"}]})
    await soon(lambda: len(made.sink.records) == 2)
    for record in made.sink.records:
        assert b"[EMAIL_1]" in encode(record.request)
        assert b"ask [EMAIL_2]" in encode(record.response)
