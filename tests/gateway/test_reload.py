"""The new gateway goes live only whole, and the old one leaves only when it is done."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmctl.config.load import Loaded, load
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.gateway import reload
from llmctl.gateway.reload import Live
from llmctl.providers.scripted import Scripted
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import CollectingClient, PlayedTransport, Remember, exchange, surroundings

SMALL = "providers: {up: {kind: scripted}}\nmodels: {small: {provider: up}}\n"
LARGE = SMALL.replace("small:", "large:")
SLOW = SMALL.replace("kind: scripted", "kind: scripted, latency: 0.3")
BROKEN = SMALL.replace("scripted", "scriptde")


class Bench:
    """A `Live` over a file, what it logged, and which configurations went live."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "gateway.yaml"
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.applied: list[Loaded] = []
        self.loads = 0
        around = surroundings(PlayedTransport(lambda _: AssertionError()), Remember(), ManualClock())
        self.live = Live(self._load, around, lambda name, **more: self.events.append((name, more)), self.applied.append)

    def _load(self) -> Loaded:
        self.loads += 1
        return load(self.path, Environment({}))

    async def start(self, text: str = SMALL) -> Live:
        self.path.write_text(text)
        await self.live.start(load(self.path, Environment({})))
        return self.live

    @property
    def names(self) -> list[str]:
        return list(self.live.gateway.config.models)


@pytest.fixture(name="bench")
def _bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


async def test_a_changed_file_goes_live(bench: Bench) -> None:
    live = await bench.start()
    before = live.gateway
    bench.path.write_text(LARGE)
    assert await live.reload()
    assert bench.names == ["large"]
    assert live.gateway.policy != before.policy
    await until(lambda: len(bench.events) == 2)
    assert bench.events == [("reloaded", {"policy": live.gateway.policy}), ("drained", {"policy": before.policy})]
    assert [each.digest for each in bench.applied] == [before.policy, live.gateway.policy]
    await live.close(0)


@pytest.mark.parametrize("text", [BROKEN, "nonsense", "a: [", SMALL.replace("provider: up", "provider: down")])
async def test_a_bad_file_leaves_the_old_one_serving_and_says_why(bench: Bench, text: str) -> None:
    live = await bench.start()
    before = live.gateway
    bench.path.write_text(text)
    assert not await live.reload()
    assert live.gateway is before
    assert live.failure is not None
    assert "gateway.yaml:" in live.failure
    assert [name for name, _ in bench.events] == ["reload_failed"]
    assert len(bench.applied) == 1
    bench.path.write_text(LARGE)
    assert await live.reload()
    assert live.failure is None
    await live.close(0)


async def test_a_file_that_has_gone_is_a_bad_file(bench: Bench) -> None:
    live = await bench.start()
    bench.path.unlink()
    assert not await live.reload()
    assert bench.names == ["small"]
    await live.close(0)


async def test_one_that_does_not_start_does_not_go_live(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    async def start(self: Scripted) -> None:
        raise OSError("no such device")

    live = await bench.start()
    monkeypatch.setattr(Scripted, "start", start)
    bench.path.write_text(LARGE.replace("kind: scripted", "kind: scripted, seed: 1"))
    assert not await live.reload()
    assert (bench.names, live.failure, len(bench.applied)) == (["small"], "no such device", 1)
    await live.close(0)


async def test_a_provider_that_did_not_change_is_kept_and_one_that_did_is_replaced(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []

    async def start(self: Scripted) -> None:
        told.append("start")

    async def close(self: Scripted) -> None:
        told.append("close")

    monkeypatch.setattr(Scripted, "start", start)
    monkeypatch.setattr(Scripted, "close", close)
    live = await bench.start()
    bench.path.write_text(LARGE)
    assert await live.reload()
    await until(lambda: len(bench.events) == 2)
    assert told == ["start"]
    bench.path.write_text(LARGE.replace("kind: scripted", "kind: scripted, seed: 1"))
    assert await live.reload()
    await until(lambda: len(bench.events) == 4)
    assert told == ["start", "start", "close"]
    await live.close(0)
    assert told == ["start", "start", "close", "close"]


async def test_the_new_one_waits_until_its_model_has_loaded(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    live = await bench.start()
    loading = ["loading"]
    monkeypatch.setattr(Scripted, "unready", lambda self: loading[0] if loading else None)
    bench.path.write_text(LARGE.replace("kind: scripted", "kind: scripted, seed: 1"))
    reloading = asyncio.create_task(live.reload())
    await asyncio.sleep(0.15)
    assert bench.names == ["small"]
    loading.clear()
    assert await reloading
    assert bench.names == ["large"]
    await live.close(0)


async def test_a_bug_while_going_live_leaves_the_old_one_and_goes_on_watching(bench: Bench) -> None:
    live = await bench.start()
    broken = [True]
    keep = bench.applied.append

    def apply(new: Loaded) -> None:
        if broken:
            raise ZeroDivisionError
        keep(new)

    live._apply = apply
    bench.path.write_text(LARGE)
    assert not await live.reload()
    assert (bench.names, live.failure) == (["small"], "ZeroDivisionError")
    broken.clear()
    assert await live.reload()
    assert (bench.names, live.failure) == (["large"], None)
    await live.close(0)


async def test_back_to_what_is_live_clears_the_failure_and_changes_nothing(bench: Bench) -> None:
    live = await bench.start()
    before = live.gateway
    bench.path.write_text(BROKEN)
    await live.reload()
    bench.path.write_text("# a comment\n" + SMALL)
    assert not await live.reload()
    assert (live.gateway, live.failure) == (before, None)
    await live.close(0)


async def test_a_first_configuration_that_is_bad_is_raised(bench: Bench) -> None:
    with pytest.raises(ConfigError, match="scriptde"):
        await bench.start(BROKEN)


async def test_what_is_under_way_finishes_on_the_old_gateway(bench: Bench) -> None:
    live = await bench.start(SLOW)
    old, client, asked = (
        live.gateway,
        CollectingClient({"model": "small", "messages": [{"role": "user"}]}),
        exchange(ManualClock()),
    )
    asked.deadline = float("inf")
    running = asyncio.create_task(old.run(asked, client))
    await asyncio.sleep(0.05)
    bench.path.write_text(LARGE)
    await live.reload()
    await asyncio.sleep(0.02)  # the old one would be closed by now if nobody waited
    assert (live.gateway.in_flight, old.in_flight) == (0, 1)
    assert "drained" not in dict(bench.events)
    await running
    await until(lambda: "drained" in dict(bench.events))
    assert client.finished
    await live.close(0)


async def test_reloads_do_not_overtake_each_other(bench: Bench) -> None:
    live = await bench.start()
    bench.path.write_text(LARGE)
    assert sorted(await asyncio.gather(*(live.reload() for _ in range(5)))) == [False] * 4 + [True]
    await live.close(0)


@pytest.fixture(name="poll")
def _poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reload, "POLL", 0.02)


@pytest.mark.usefixtures("poll")
async def test_watching_sees_each_change_once(bench: Bench) -> None:
    live = await bench.start()
    watch = asyncio.create_task(live.watch())
    bench.path.write_text(BROKEN)
    await until(lambda: live.failure)
    await asyncio.sleep(0.15)
    assert bench.loads == 1
    bench.path.write_text(LARGE)
    await until(lambda: bench.names == ["large"])
    await asyncio.sleep(0.15)
    assert bench.loads == 2
    watch.cancel()
    await live.close(0)


@pytest.mark.usefixtures("poll")
@pytest.mark.parametrize(
    ("root", "included"),
    [
        (SMALL + "include: [more.yaml]\n", "routes: {any: {kind: nonsense}}\n"),
        ("models: {small: {provider: up}}\ninclude: [more.yaml]\n", "providers: {up: {kind: scripted}}\n"),
    ],
    ids=["cannot be built", "says the same"],
)
async def test_a_new_include_is_read_once(bench: Bench, root: str, included: str) -> None:
    live = await bench.start()
    watch = asyncio.create_task(live.watch())
    bench.path.with_name("more.yaml").write_text(included)
    bench.path.write_text(root)
    await until(lambda: bench.loads)
    await asyncio.sleep(0.2)
    watch.cancel()
    await live.close(0)
    assert bench.loads == 1


@pytest.mark.usefixtures("poll")
async def test_a_new_include_that_is_repaired_goes_live(bench: Bench) -> None:
    live = await bench.start()
    watch = asyncio.create_task(live.watch())
    more = bench.path.with_name("more.yaml")
    more.write_text("routes: [")
    bench.path.write_text(SMALL + "include: [more.yaml]\n")
    await until(lambda: live.failure)
    more.write_text("routes: {any: {kind: fixed, model: small}}\n")
    try:
        async with asyncio.timeout(1):
            while "any" not in live.gateway.config.routes:
                await asyncio.sleep(0.01)
    finally:
        watch.cancel()
        await live.close(0)
