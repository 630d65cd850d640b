"""Notices on their way to real servers on loopback, which fail."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

import pytest

from llmctl.alerts.notifier import Backoff, Notifier
from llmctl.clock import SystemClock
from llmctl.testing.clock import ManualClock
from llmctl.testing.pagerduty import FakePagerDuty
from llmctl.testing.webhook import FakeSlack
from tests.alerts.telling import alert, receiver, resolve, secret, trigger

FAST = Backoff(first=0.002, most=0.02)
KEY = alert().key


class Logged(list[tuple[str, dict[str, Any]]]):
    def __call__(self, event: str, **fields: Any) -> None:
        self.append((event, fields))

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self]


class Scene:
    """A notifier that tells a fake PagerDuty of pages, and a fake Slack too where there is one."""

    def __init__(self, folder: Path, pagerduty: FakePagerDuty, slack: FakeSlack | None = None) -> None:
        self.folder, self.log = folder, Logged()
        self.pagerduty, self.slack = pagerduty, slack

    def made(self, **options: Any) -> Notifier:
        key_file = options.pop("key_file", None) or secret(self.folder, "key")
        told: dict[str, Any] = {"pagerduty": {"routing_key_file": key_file, "url": self.pagerduty.url}}
        if self.slack is not None:
            told["slack"] = {"api_url_file": secret(self.folder, "slack", self.slack.webhook), "channel": "#ops"}
        given: dict[str, Any] = {"clock": SystemClock(), "backoff": FAST, "random": Random(1)} | options
        return Notifier({"page": receiver(**told)}, log=self.log, folder=self.folder / "state", **given)

    @property
    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "state" / "told-page-pagerduty.json").read_text())
        return found


@asynccontextmanager
async def running(notifier: Notifier) -> AsyncIterator[Notifier]:
    task = asyncio.create_task(notifier.run())
    try:
        yield notifier
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(5):
        while not true():
            await asyncio.sleep(0.002)


@pytest.fixture
async def pagerduty() -> AsyncIterator[FakePagerDuty]:
    async with FakePagerDuty() as fake:
        yield fake


@pytest.fixture
def scene(tmp_path: Path, pagerduty: FakePagerDuty) -> Scene:
    return Scene(tmp_path, pagerduty)


async def test_it_triggers_and_resolves(scene: Scene, pagerduty: FakePagerDuty) -> None:
    notifier = scene.made()
    notifier.submit(trigger())  # before it runs: kept
    async with running(notifier):
        await until(lambda: pagerduty.state(KEY) == "triggered")
        notifier.submit(resolve())
        await until(lambda: pagerduty.state(KEY) == "resolved")
        await until(lambda: notifier.counts()["pagerduty"].delivered == 2)
    assert scene.log == []
    assert scene.state["incidents"] == []


async def test_a_refusal_is_given_up_and_logged_without_the_key(tmp_path: Path) -> None:
    async with FakePagerDuty(routing_keys=frozenset()) as pagerduty:
        scene = Scene(tmp_path, pagerduty)
        notifier = scene.made()
        async with running(notifier):
            notifier.submit(trigger())
            await until(lambda: notifier.counts()["pagerduty"].failed == 1)
            notifier.submit(resolve())
            await asyncio.sleep(0.05)
        assert pagerduty.count == 1
    [(event, fields)] = scene.log
    assert (event, fields["sink"], fields["alert"]) == ("alert_given_up", "page.pagerduty", "LlmctlGuardsBurn1h")
    assert fields["error"] == "PagerDuty: answered 400: Event object is invalid: Invalid routing key"


@pytest.mark.parametrize("faults", [[429, 500, 503], ["lost", "lost"], [429, "lost", 502]])
async def test_trouble_is_backed_off_from(scene: Scene, pagerduty: FakePagerDuty, faults: list[Any]) -> None:
    pagerduty.faults.extend(faults)
    notifier = scene.made()
    async with running(notifier):
        notifier.submit(trigger())
        await until(lambda: notifier.counts()["pagerduty"].delivered == 1)
    assert pagerduty.count == len(faults) + 1
    assert [one.dedup_key for one in pagerduty.incidents] == [KEY]
    assert scene.log.events == ["alert_sink_failing", "alert_sink_well"]


async def test_a_retry_after_is_respected(scene: Scene, pagerduty: FakePagerDuty) -> None:
    pagerduty.always, pagerduty.retry_after = 429, "30"
    clock = ManualClock()
    notifier = scene.made(clock=clock)
    async with running(notifier):
        notifier.submit(trigger())
        await until(lambda: scene.log.events == ["alert_sink_failing"])
        pagerduty.always = None
        clock.advance(29.9)
        notifier.submit(trigger("b"))  # wakes it
        await asyncio.sleep(0.02)
        assert pagerduty.count == 1
        clock.advance(0.2)
        notifier.submit(trigger("c"))
        await until(lambda: len(pagerduty.open) == 3)


async def test_an_end_overtakes_a_beginning_that_nobody_heard_of(scene: Scene, pagerduty: FakePagerDuty) -> None:
    pagerduty.always = 429
    notifier = scene.made()
    async with running(notifier):
        notifier.submit(trigger())
        await until(lambda: pagerduty.count > 1)
        notifier.submit(resolve())
        pagerduty.always = None
        notifier.submit(trigger("b"))
        await until(lambda: pagerduty.open)
    assert [event["dedup_key"] for event in pagerduty.events] == [alert("b").key]


async def test_what_was_triggered_is_resolved_after_a_restart(scene: Scene, pagerduty: FakePagerDuty) -> None:
    async with running(scene.made()) as first:
        first.submit(trigger())
        first.submit(trigger("b"))
        await until(lambda: first.counts()["pagerduty"].delivered == 2)
        pagerduty.always = 503
        first.submit(resolve())
        await until(lambda: scene.log.events == ["alert_sink_failing"])
    assert [incident["told"] for incident in scene.state["incidents"]] == ["yes", "yes"]
    assert os.stat(scene.folder / "state" / "told-page-pagerduty.json").st_mode & 0o777 == 0o600
    pagerduty.always = None
    second = scene.made()
    second.only([])
    async with running(second):
        await until(lambda: not pagerduty.open)
    assert [event["event_action"] for event in pagerduty.events] == ["trigger", "trigger", "resolve", "resolve"]


async def test_what_goes_on_and_was_never_saved_is_told_anew(tmp_path: Path, pagerduty: FakePagerDuty) -> None:
    async with FakeSlack() as slack:
        scene = Scene(tmp_path, pagerduty, slack)
        async with running(scene.made()) as first:
            first.submit(trigger())
            await until(lambda: first.counts()["slack"].delivered == first.counts()["pagerduty"].delivered == 1)
        second = scene.made()
        second.only([alert(), alert("b")])  # the evaluator has saved both, and died before `b` got here
        async with running(second):
            await until(lambda: pagerduty.open == [KEY, alert("b").key] and len(slack.messages) == 2)
            await asyncio.sleep(0.01)
    assert [event["dedup_key"] for event in pagerduty.events] == [KEY, alert("b").key]
    assert len(slack.messages) == 2


async def test_killed_in_the_middle_of_an_attempt(scene: Scene, pagerduty: FakePagerDuty) -> None:
    pagerduty.faults.extend([429, "late"])
    async with running(scene.made()) as first:
        first.submit(trigger())
        await until(lambda: pagerduty.events)
        # What is on disk now is what a process that is killed now leaves behind.
        assert [(one["told"], len(one["waiting"])) for one in scene.state["incidents"]] == [("maybe", 1)]
    async with running(scene.made()) as second:
        second.submit(resolve())
        await until(lambda: pagerduty.state(KEY) == "resolved")


async def test_what_comes_during_an_attempt_or_after_the_end_is_kept(scene: Scene, pagerduty: FakePagerDuty) -> None:
    pagerduty.always = "hang"
    first = scene.made()
    async with running(first):
        first.submit(trigger())
        await until(lambda: pagerduty.count)
        first.submit(trigger("b", value=float("inf")))
        await until(lambda: len(scene.state["incidents"]) == 2)
    first.submit(trigger("c"))
    pagerduty.always = None
    async with running(scene.made()):
        await until(lambda: len(pagerduty.open) == 3)


async def test_a_dead_pagerduty_costs_only_its_own(tmp_path: Path, pagerduty: FakePagerDuty) -> None:
    pagerduty.always = "hang"
    async with FakeSlack() as slack:
        scene = Scene(tmp_path, pagerduty, slack)
        async with running(scene.made()) as notifier:
            for name in "abc":
                notifier.submit(trigger(name))
                notifier.submit(trigger(name, repeat=True))
            await until(lambda: notifier.counts()["slack"].delivered == 3)
            notifier.submit(trigger("a", repeat=True))
            notifier.submit(resolve("b"))
            await until(lambda: len(slack.messages) == 5)
            assert (pagerduty.count, notifier.counts()["pagerduty"].delivered) == (1, 0)
    titles = [message["attachments"][0]["title"].partition("]")[0] for message in slack.messages]
    assert sorted(titles) == ["[firing"] * 3 + ["[resolved", "[still firing"]


async def test_a_secret_that_is_missing_degrades_and_heals(scene: Scene, pagerduty: FakePagerDuty) -> None:
    path = scene.folder / "later"
    async with running(scene.made(key_file=str(path))) as notifier:
        notifier.submit(trigger())
        await until(lambda: scene.log.events == ["alert_sink_failing"])
        assert "later: cannot be read (No such file or directory)" in scene.log[0][1]["error"]
        secret(scene.folder, "later")
        await until(lambda: pagerduty.open == [KEY])
    assert "alert_sink_well" in scene.log.events


async def test_a_folder_that_cannot_be_written_stops_no_notice(scene: Scene, pagerduty: FakePagerDuty) -> None:
    (scene.folder / "state").write_text("a file")
    async with running(scene.made()) as notifier:
        notifier.submit(trigger())
        await until(lambda: pagerduty.open == [KEY])
    assert scene.log.events == ["alert_state_damaged", "alert_state_unwritable"]


async def test_a_damaged_file_is_told_of_and_resolves_go_out(scene: Scene, pagerduty: FakePagerDuty) -> None:
    async with running(scene.made()) as first:
        first.submit(trigger())
        await until(lambda: pagerduty.open)
    (scene.folder / "state" / "told-page-pagerduty.json").write_text("{")
    async with running(scene.made()) as second:
        second.submit(resolve())
        await until(lambda: not pagerduty.open)
    assert scene.log.events == ["alert_state_damaged"]


async def test_what_finds_no_room_is_counted_and_told_once(scene: Scene, pagerduty: FakePagerDuty) -> None:
    pagerduty.always = "hang"
    async with running(scene.made()) as notifier:
        await until(lambda: notifier._lanes[0].early is None)
        for number in range(1005):
            notifier.submit(trigger(str(number)))
        assert notifier.counts()["pagerduty"].dropped == 5
        assert scene.log.events == ["alert_dropped"]


async def test_a_sink_with_a_bug_is_no_end(scene: Scene) -> None:
    notifier = scene.made()

    class Broken:
        calls = 0

        async def deliver(self, notice: Any) -> None:
            Broken.calls += 1
            raise KeyError("x")

        async def close(self) -> None: ...

    notifier._lanes[0].sink = Broken()  # type: ignore[assignment]
    async with running(notifier):
        notifier.submit(trigger())
        await until(lambda: Broken.calls > 1)
    assert scene.log.events[0] == "alert_sink_broken"


async def test_it_ends_when_every_sink_has_ended(tmp_path: Path, pagerduty: FakePagerDuty) -> None:
    async with FakeSlack() as slack:
        notifier = Scene(tmp_path, pagerduty, slack).made()
        closed: list[str] = []

        class Slow:
            def __init__(self, name: str, turns: int) -> None:
                self.name, self.turns = name, turns

            async def close(self) -> None:
                for _ in range(self.turns):
                    await asyncio.sleep(0)
                closed.append(self.name)

        for lane, turns in zip(notifier._lanes, (0, 50), strict=True):
            lane.sink = Slow(lane.kind, turns)  # type: ignore[assignment]
        async with running(notifier):
            await until(lambda: all(lane.early is None for lane in notifier._lanes))
        assert closed == ["pagerduty", "slack"]


async def test_severities_are_told_apart(scene: Scene, pagerduty: FakePagerDuty) -> None:
    async with running(scene.made()) as notifier:
        notifier.submit(trigger("t", severity="ticket"))
        notifier.submit(trigger())
        await until(lambda: pagerduty.open)
        await asyncio.sleep(0.01)
    assert pagerduty.open == [KEY]


def test_waits_grow_to_a_limit_and_a_retry_after_is_added() -> None:
    backoff, random = Backoff(), Random(7)
    waits = [[backoff.wait(failures, None, random) for _ in range(200)] for failures in (1, 4, 50)]
    assert [round(max(some)) for some in waits] == [1, 8, 60]
    assert min(map(min, waits)) > 0
    assert 30 < backoff.wait(1, 30.0, random) <= 31
    assert backoff.wait(1, 1e9, random) <= 901
