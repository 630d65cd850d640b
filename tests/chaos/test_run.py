"""Whole experiments: sound gateways pass, broken ones are caught by what is meant to catch them, nothing is left."""

import asyncio
from pathlib import Path
from typing import Any, Self

import pytest

from llmctl.chaos import run as running
from llmctl.chaos.method import Method
from llmctl.chaos.outcome import Outcome
from llmctl.chaos.run import run
from llmctl.chaos.world import World
from llmctl.clock import SystemClock
from tests.chaos.broken import PARTS, broken
from tests.chaos.drills import experiment, outcome

READY = [{"probe": "ready", "at_least": 1}]
SHARED = {"load.shared": 0.5, "load.rate": 100, "world.gateway.cache": {"dir": None}}
TIGHT = {"world.gateway.budgets.limits.each.usd": 0.001, "expect": {"refused": True}}
BROKEN: dict[str, tuple[dict[str, Any], str | None]] = {
    "settle_skipped": ({}, "charged_once"),
    "budget_unchecked": (TIGHT, "within_budget"),
    "partition_removed": (SHARED, "own_answers"),
    "records_lost": ({}, "nothing_lost"),
    "records_doubled": ({}, "one_record"),
    "sound, a tight budget": (TIGHT, None),
    "sound, a shared cache": (SHARED, None),
}
FAILING = [{"action": "fault", "provider": "a", "at": 0.0, "for": 0.5, "faults": [{"kind": "error"}]}]


@pytest.fixture(name="worlds")
def _worlds(monkeypatch: pytest.MonkeyPatch) -> list[World]:
    """Every world that a run makes."""
    made: list[World] = []

    class Kept(World):
        async def __aenter__(self) -> Self:
            made.append(self)
            return await super().__aenter__()

    monkeypatch.setattr(running, "World", Kept)
    return made


def test_that_a_sound_gateway_passes_and_nothing_is_left(tmp_path: Path, worlds: list[World]) -> None:
    found = outcome(tmp_path)
    assert (found.status, found.trouble) == ("passed", [])
    assert (found.requests, found.answered) == (90, 90)
    assert [one.met for one in (*found.before, *found.after)] == [True] * 4
    assert [done.undone for done in found.run] == [True]
    assert found.figures["calls"]["b"] > 20
    assert not worlds[0].folder.exists()
    assert not worlds[0].gateway.running


@pytest.fixture(name="caught", scope="module")
def _caught(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Outcome]:
    """What drills of gateways come to in which one part is broken, all at the same time."""
    folders = {part: tmp_path_factory.mktemp(part) for part in BROKEN}

    async def drilled(part: str) -> Outcome:
        changes, _ = BROKEN[part]
        one = experiment(folders[part], {"load.rate": 60, "steady_state.probes": READY, **changes})
        offset = folders[part] / "clock"
        offset.write_bytes(bytes(8))
        launch = broken(offset, part) if part in PARTS else None
        return await run(one, SystemClock(), launch)

    async def every() -> dict[str, Outcome]:
        return dict(zip(BROKEN, await asyncio.gather(*map(drilled, BROKEN)), strict=True))

    return asyncio.run(every())


@pytest.mark.parametrize("part", BROKEN)
def test_that_a_broken_gateway_is_caught_by_the_invariant_it_breaks(part: str, caught: dict[str, Outcome]) -> None:
    _, invariant = BROKEN[part]
    if invariant is None:
        assert (caught[part].status, caught[part].trouble) == ("passed", [])
    else:
        assert caught[part].status == "failed"
        assert invariant in caught[part].broken


def test_that_a_gateway_without_a_breaker_is_caught(tmp_path: Path) -> None:
    meant = {"expect.calls_per_request": 1.5, "method": FAILING}
    off = {**meant, "world.gateway.resilience.breaker.minimum_calls": 1_000_000}
    assert outcome(tmp_path, meant).trouble == []
    assert "calls for each request" in " ".join(outcome(tmp_path, off).missed)


def test_that_a_fault_which_did_not_strike_is_no_proof(tmp_path: Path) -> None:
    found = outcome(tmp_path, {"expect.seen": {"faulted.b": 1, "calls.b": 1}})
    assert found.missed == ["faulted.b is 0, must be at least 1: what was to go wrong did not"]


def test_that_a_world_which_is_not_steady_is_left_alone(tmp_path: Path) -> None:
    found = outcome(tmp_path, {"world.providers": {"a": {"faults": [{"kind": "error", "status": 400}]}, "b": {}}})
    assert found.status == "not_run"
    assert found.reason.startswith("not run: before anything was done answered is 0")
    assert (found.run, found.requests) == ((), 0)


def test_that_all_is_rolled_back_where_it_is_interrupted(
    tmp_path: Path, worlds: list[World], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def interrupted() -> Outcome:
        one = experiment(tmp_path, {"load.seconds": 30, "method": [{"action": "refuse", "provider": "a", "at": 0.0}]})
        task = asyncio.create_task(run(one, SystemClock()))
        play = Method.play

        async def played(self: Method) -> None:
            await play(self)
            task.cancel()
            asyncio.get_running_loop().call_later(0.001, task.cancel)  # an impatient person presses it twice

        monkeypatch.setattr(Method, "play", played)
        return await task

    found = asyncio.run(interrupted())
    assert found.status == "interrupted"
    assert [(done.action, done.error) for done in found.rollbacks] == [("undo refuse", "")]
    assert not worlds[0].gateway.running
    assert not worlds[0].folder.exists()


def test_that_a_world_which_cannot_be_made_says_why(tmp_path: Path, worlds: list[World]) -> None:
    found = outcome(tmp_path, {"world.gateway.routes.chain.kind": "nonsense"})
    assert found.status == "aborted"
    assert "nonsense" in found.reason
    assert not worlds[0].folder.exists()
