"""Money is reserved before a model is asked, and settled as the record has it, however the exchange ends."""

import asyncio
import json
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.errors import Blocked, OverBudget
from llmctl.gateway.build import build
from llmctl.gateway.stages.budget import dear
from llmctl.limits.budget import Account
from llmctl.model.pricing import Price, Tier
from llmctl.testing.asking import Bench, Client, stream, whole
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedResponse, PlayedTransport, Remember, exchange, surroundings

COST = (7 * 1.0 + 5 * 10.0) / 1e6  # of the answers that a bench plays


def budget(folder: Path, **more: Any) -> str:
    own = {"usd": 1, "assumed_output": 100} | more
    said = ", ".join(f"{key}: {value}" for key, value in own.items())
    return f"{{dir: {folder}/budgets, limits: {{b: {{{said}}}}}}}"


def bench(folder: Path, *answers: Any, prices: str | None = None, **more: Any) -> Bench:
    extra = {"prices": prices or declared("m")}
    return Bench(
        folder, "{preset: none}", *answers, clock=ManualClock(), budgets=budget(folder, **more),
        records="{enabled: false}", **extra,
    )  # fmt: skip


def declared(*models: str) -> str:
    return "{models: {" + ", ".join(f"{model}: {{input: 1.0, output: 10.0}}" for model in models) + "}}"


def account(gateway: Any, at: int = 0) -> Account:
    found: Account = gateway._budgets.accounts[at]
    return found


async def test_what_is_settled_is_the_record_s_cost(tmp_path: Path) -> None:
    one = bench(tmp_path)
    asked = await one.say("hello")
    assert asked.record.cost.usd == pytest.approx(COST)
    standing = account(one.gateway).standing(("default",))
    assert (standing.spent, standing.reserved) == (asked.record.cost.usd, 0.0)
    assert asked.exchange.limits == b""


async def test_over_a_hard_limit_nobody_is_asked(tmp_path: Path) -> None:
    one = bench(tmp_path, usd=COST * 1.5, soft=0.5)
    first = await one.say("hello", max_tokens=2)
    assert first.client.failure is None
    second = await one.say("hello", max_tokens=2)
    assert isinstance(second.failure, OverBudget)
    assert second.failure.code == "insufficient_quota"
    assert second.failure.retry_after == 31 * 86400  # the clock stands at the first of January
    assert b"x-should-retry: false" in second.exchange.limits
    assert b"x-llmctl-budget: b 66%" in second.exchange.limits
    assert (second.sent, second.record.state, second.record.guards[0].action) == ([], "blocked", "block")


def test_an_answer_may_be_thought_which_is_dearer() -> None:
    price = Price((Tier(1.0, 2.0, cached_write=3.0, reasoning=10.0),), "v")
    assert dear(price, 5, 7) == 5 * 3.0 + 7 * 10.0


async def test_a_soft_budget_only_tells(tmp_path: Path) -> None:
    one = bench(tmp_path, usd=COST, hard="false")
    await one.say("hello")
    asked = await one.say("hello")
    assert asked.client.failure is None
    assert asked.exchange.limits.startswith(b"x-llmctl-budget: b ")
    assert asked.record.guards[0].action == "would_block"


async def test_a_new_period_begins_at_nothing(tmp_path: Path) -> None:
    one = bench(tmp_path, usd=COST * 1.2, every="day")
    await one.say("hello", max_tokens=2)
    assert isinstance((await one.say("hello", max_tokens=2)).failure, OverBudget)
    assert isinstance(one.clock, ManualClock)
    one.clock.advance(86400)
    assert (await one.say("hello", max_tokens=2)).client.failure is None


async def test_what_has_no_price_is_counted_or_refused(tmp_path: Path) -> None:
    allowing = bench(tmp_path, prices="{}")
    await allowing.say("hello")
    assert account(allowing.gateway).standing(("default",)).unpriced == 1
    blocking = bench(tmp_path, prices="{}", unpriced="block")
    assert isinstance((await blocking.say("hello")).failure, Blocked)


def mixed(folder: Path, script: list[str], route: str, usd: float = 1e6) -> tuple[Any, Any, Remember]:
    """A gateway with a shadow copy, a hedge, fallbacks, and an upstream that plays what `script` says in turn."""
    left = iter(script * 50)

    def play(request: Any) -> PlayedResponse | Exception:
        body = json.loads(request.body)
        what = next(left)

        async def step() -> None:
            for _ in range({"late": 30}.get(what, 1)):
                await asyncio.sleep(0)

        if what == "refuse":
            return PlayedResponse(500, {}, [b"{}"], step)
        if body.get("stream"):
            pieces = stream(["a", "bad" if what == "bad" else "b", "c"], usage=what != "bare")
            pieces = [*pieces[:3], ConnectionError("gone")] if what == "break" else pieces
            return PlayedResponse(200, {b"content-type": b"text/event-stream"}, pieces, step)
        answer = whole("bad" if what == "bad" else "fine", usage=what != "bare")
        return PlayedResponse(200, {b"content-type": b"application/json"}, [answer], step)

    sink, clock = Remember(), ManualClock()
    around = surroundings(PlayedTransport(play), sink, clock, [])
    config = (
        f"guardrails: {{preset: none, policies: {{{BAD if route == ROUTES['guarded'] else ''}}}}}\n"
        f'providers: {{up: {{kind: openai, base_url: "http://127.0.0.1:9/v1"}}}}\n'
        "models: {a: {provider: up}, b: {provider: up}, c: {provider: up}}\n"
        f"routes: {{r: {{{route}}}}}\nresilience: {{retry: {{backoff: 0}}, probe_every: null}}\n"
        f"budgets: {budget(folder, usd=usd, soft=1)}\nrecords: {{enabled: false}}\nprices: {declared('a', 'b')}\n"
        f"{'cache: {dir: null}' if route == ROUTES['cached'] else ''}\n"
    )
    return build(loaded(config, folder), around), clock, sink


BAD = "bad: {kind: pattern, on_error: block, direction: output, options: {patterns: [{name: bad, regex: bad}]}}"
ROUTES = {
    "cached": "kind: fixed, model: a, fallbacks: [b]",
    "guarded": "kind: fixed, model: a, fallbacks: [c]",
    "plain": "kind: fixed, model: a, fallbacks: [b, c], experiment: {kind: shadow, name: s, model: b, share: 1}",
    "hedge": "kind: fixed, model: a, fallbacks: [b], hedge: {after: 0.001, share: 1, burst: 100}, resume: true",
    "cascade": "kind: cascade, panel: [a, b], strong: c, extract: number",
}
KINDS = ["ok", "bare", "late", "refuse", "break", "bad"]


@pytest.mark.parametrize("route", ROUTES)
@given(
    script=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    asks=st.lists(st.tuples(st.booleans(), st.one_of(st.none(), st.integers(1, 40))), min_size=1, max_size=6),
    usd=st.sampled_from([1e6, 0.004]),
)
@settings(max_examples=30, deadline=None)
def test_sum_of_records_is_sum_of_budgets(
    route: str, script: list[str], asks: list[tuple[bool, int | None]], usd: float
) -> None:
    async def go(folder: Path) -> None:
        gateway, clock, sink = mixed(folder, script, ROUTES[route], usd)
        tasks = []
        for streamed, cancelled_after in asks:
            client = Client({"model": "r", "messages": [{"role": "user", "content": "hi"}], "stream": streamed})
            task = asyncio.create_task(gateway.run(exchange(clock), client))
            tasks.append(task)
            if cancelled_after is not None:
                for _ in range(cancelled_after):
                    await asyncio.sleep(0)
                task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for copies in gateway._beside.copies:
            await copies.close()
        row = account(gateway).sums.rows.get(("default",))
        spent, held, holds = (row.spent, row.held, row.holds) if row is not None else (0.0, 0.0, 0)
        assert (held, holds) == (0.0, 0)
        assert len([one for one in sink.records if not one.shadow_of]) == len(asks)
        assert spent == pytest.approx(sum(record.cost.usd or 0.0 for record in sink.records), abs=1e-12)

    with TemporaryDirectory() as folder:
        asyncio.run(go(Path(folder)))


async def test_200_concurrent_clients_never_overspend_by_more_than_one_reservation(tmp_path: Path) -> None:
    rng, usd = Random(0), 0.01
    one = bench(tmp_path, usd=usd)

    async def ask() -> None:
        client = Client({"model": "m", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 20})

        async def pause() -> None:
            for _ in range(rng.randrange(5)):
                await asyncio.sleep(0)

        client.pause = pause
        for _ in range(5):
            await one.gateway.run(exchange(one.clock), client)

    await asyncio.gather(*(ask() for _ in range(200)))
    assert account(one.gateway).standing(("default",)).spent <= usd
    while not isinstance((await one.say("hi", max_tokens=20)).client.failure, OverBudget):
        pass  # what was reserved and not used is there for those who come later
    standing = account(one.gateway).standing(("default",))
    reservation = (20 * 10 + 30) / 1e6
    assert usd - reservation < standing.spent <= usd + reservation
    assert standing.reserved == 0
    assert sum(record.cost.usd or 0 for record in one.sink.records) == pytest.approx(standing.spent)
