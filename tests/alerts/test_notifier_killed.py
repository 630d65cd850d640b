"""A notifier killed at any moment, between an evaluator that forgets nothing and a PagerDuty that fails."""

import asyncio
import tempfile
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.alerts.notifier import Backoff, Notifier
from llmctl.clock import SystemClock
from llmctl.testing.pagerduty import FakePagerDuty
from tests.alerts.telling import alert, receiver, resolve, secret, trigger

FILE = "told-page-pagerduty.json"
steps = st.one_of(
    st.tuples(st.just("toggle"), st.sampled_from("abc")),
    st.tuples(st.just("fault"), st.sampled_from([429, 500, "lost", None])),
    st.tuples(st.just("pass"), st.integers(0, 8)),
    st.tuples(st.just("kill"), st.none()),
)


class Life:
    """One notifier after the other; each goes on from what the disk held when the one before was killed."""

    def __init__(self, folder: Path, pagerduty: FakePagerDuty) -> None:
        self.folder, self.pagerduty = folder, pagerduty
        self.lives = 0
        self.firing: set[str] = set()
        self.begin()

    def begin(self) -> None:
        told = {"routing_key_file": secret(self.folder, "key"), "url": self.pagerduty.url}
        self.notifier = Notifier(
            {"page": receiver(pagerduty=told)},
            SystemClock(),
            lambda event, **fields: None,
            self.state,
            random=Random(3),
            backoff=Backoff(first=0.001, most=0.004),
        )
        self.notifier.only([alert(name) for name in self.firing])
        self.task = asyncio.create_task(self.notifier.run())

    @property
    def state(self) -> Path:
        return self.folder / f"state{self.lives}"

    async def kill(self) -> None:
        before = self.state
        self.lives += 1
        self.state.mkdir()
        with suppress(FileNotFoundError):  # as it is at this moment, whatever the one that dies may still write
            (self.state / FILE).write_bytes((before / FILE).read_bytes())
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task
        await asyncio.sleep(0.002)  # a new process starts later than what the old one sent arrives
        self.begin()

    async def play(self, step: str, what: Any) -> None:
        if step == "toggle":
            self.notifier.submit(resolve(what) if what in self.firing else trigger(what))
            self.firing ^= {what}
        elif step == "fault":
            self.pagerduty.faults.append(what)
        elif step == "pass":
            for _ in range(what):
                await asyncio.sleep(0.0005)
        else:
            await self.kill()

    def right(self) -> bool:
        [lane] = self.notifier._lanes
        going = {alert(name).key for name in self.firing}
        return lane.early is None and set(self.pagerduty.open) == going and lane.outbox.open == len(going)


@settings(max_examples=25, deadline=None)
@given(st.lists(steps, max_size=14))
def test_incidents_end_in_the_right_state(script: list[tuple[str, Any]]) -> None:
    async def live(folder: Path) -> None:
        async with FakePagerDuty() as pagerduty:
            life = Life(folder, pagerduty)
            for step, what in script:
                await life.play(step, what)
            pagerduty.faults.clear()
            await life.kill()
            async with asyncio.timeout(5):
                while not life.right():
                    await asyncio.sleep(0.001)
            await asyncio.sleep(0.003)
            assert life.right()
            assert pagerduty.refused == []
            life.task.cancel()
            with suppress(asyncio.CancelledError):
                await life.task

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(Path(folder)))
