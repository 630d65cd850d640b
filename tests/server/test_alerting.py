"""The evaluator as a task of a worker: one of several, handed over, and never in the loop's way."""

import asyncio
import errno
import fcntl
import io
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import pytest

from llmctl.alerts.alert import Notice
from llmctl.alerts.slo import AvailabilitySlo, Slos
from llmctl.config.schema_telemetry import AlertsConfig
from llmctl.server.alerting import Alerting
from llmctl.telemetry.log import make_logger
from llmctl.telemetry.redact import Redactor
from llmctl.testing.clock import ManualClock
from tests.alerts.metrics import Gateway

SLOS = Slos("llmctl", {}, {"up": AvailabilitySlo(objective=0.99, severity="page", runbook="runbooks/a.md")}, {}, 600.0)


class Worker:
    """A worker's evaluator with all that it is handed, stepped by hand; time passes only here."""

    def __init__(self, folder: Path, gateway: Gateway, clock: ManualClock, lock: Path | None = None) -> None:
        self.clock, self.gateway, self.out = clock, gateway, io.StringIO()
        self.told: list[Notice] = []
        config = AlertsConfig(slos="slo.yaml", every=15, state=str(folder))
        log = make_logger("json", Redactor(), self.out, clock)
        self.going: list[list[str]] = []
        self.alerting = Alerting(
            config,
            SLOS,
            lambda: gateway.families,
            clock,
            log,
            self.told.append,
            lambda going: self.going.append([alert.key for alert in going]),
            lock,
        )

    def step(self, seconds: float = 1.0, good: float = 0, bad: float = 0) -> None:
        self.clock.advance(seconds)
        self.gateway.requests(good, bad)
        self.alerting._step()
        if self.alerting._tell():
            self.alerting._save()

    def close(self) -> None:
        self.alerting._close()

    def kinds(self) -> list[str]:
        return [notice.kind for notice in self.told]

    def logged(self) -> list[str]:
        return [json.loads(line)["event"] for line in self.out.getvalue().splitlines()]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def trouble(*_: object) -> NoReturn:
    raise RuntimeError("gone")


def burn(worker: Worker) -> None:
    """An hour and an outage; at this pace in seconds."""
    worker.step()
    for _ in range(8):
        worker.step(1, 1000)
    for _ in range(4):
        worker.step(1, 500, 500)


def test_an_outage_is_told_counted_and_listed(tmp_path: Path, clock: ManualClock) -> None:
    worker = Worker(tmp_path, Gateway(), clock)
    assert (worker.alerting.open_alerts(), worker.alerting.counts()) == ([], {"page": 0, "ticket": 0})
    burn(worker)
    assert worker.kinds() == ["trigger"]
    assert worker.alerting.counts() == {"page": 1, "ticket": 0}
    assert [alert.slo for alert in worker.alerting.open_alerts()] == ["up"]
    assert worker.told[0].at == pytest.approx(clock.wall(), abs=5)
    assert worker.logged() == []


def test_one_worker_looks_and_another_takes_over(tmp_path: Path, clock: ManualClock) -> None:
    gateway, lock = Gateway(), tmp_path / "metrics"
    one, other = (Worker(tmp_path / "state", gateway, clock, lock) for _ in range(2))
    one.step()
    other.step()
    burn(one)
    other.step(0.01)
    assert (one.kinds(), other.kinds()) == (["trigger"], [])
    # The other one shows what is open, and does not count it twice.
    assert [alert.key for alert in other.alerting.open_alerts()] == [one.told[0].alert.key]
    assert other.alerting.counts() == {"page": 0, "ticket": 0}
    assert (one.going, other.going) == ([[]], [])
    one.close()
    other.step()
    assert other.going == [[one.told[0].alert.key]]
    for _ in range(3000):
        other.step(2, 1000)
    assert other.kinds()[0] == "resolve"
    assert other.told[0].alert.key == one.told[0].alert.key
    assert other.alerting.open_alerts() == []


def test_a_restart_does_not_tell_again_what_goes_on(tmp_path: Path, clock: ManualClock) -> None:
    gateway = Gateway()
    one = Worker(tmp_path, gateway, clock)
    burn(one)
    one.close()
    two = Worker(tmp_path, gateway, clock)
    two.step(1, 500, 500)
    two.step(1, 500, 500)
    assert two.kinds() == []
    assert len(two.alerting.open_alerts()) == 1


def test_a_damaged_state_is_told_once_and_started_over(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "state.jsonl").write_text("{")
    worker = Worker(tmp_path, Gateway(), clock)
    burn(worker)
    assert worker.logged() == ["alerts_state_damaged"]
    assert worker.kinds() == ["trigger"]


def test_a_wall_clock_that_jumps_changes_nothing(tmp_path: Path, clock: ManualClock) -> None:
    worker = Worker(tmp_path, Gateway(), clock)
    burn(worker)
    clock.set_wall(clock.wall() + 1e6)
    worker.step(0.1, 500, 500)
    clock.set_wall(clock.wall() - 2e6)
    worker.step(0.1, 500, 500)
    assert worker.kinds() == ["trigger"]
    worker.close()
    # A restart with a clock that is far behind: counts are dropped, what is open is ended.
    again = Worker(tmp_path, Gateway(), clock)
    again.step(1, 1000)
    assert again.logged() == ["alerts_from_the_future"]
    assert again.kinds() == ["resolve"]


def test_a_clock_somewhat_behind_goes_on_from_what_was_saved(tmp_path: Path, clock: ManualClock) -> None:
    gateway = Gateway()
    one = Worker(tmp_path, gateway, clock)
    burn(one)
    one.close()
    clock.set_wall(clock.wall() - 60)
    two = Worker(tmp_path, gateway, clock)
    two.step(1, 500, 500)
    assert (two.logged(), two.kinds(), len(two.alerting.open_alerts())) == ([], [], 1)


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path: Path, clock: ManualClock) -> None:
    (tmp_path / "file").write_text("")
    worker = Worker(tmp_path / "file" / "state", Gateway(), clock, tmp_path / "lock")
    burn(worker)
    assert worker.kinds() == ["trigger"]
    assert worker.logged() == ["alerts_state_damaged", "alerts_not_saved"]


def test_what_goes_wrong_in_a_look_does_not_end_it(tmp_path: Path, clock: ManualClock) -> None:
    worker = Worker(tmp_path, Gateway(), clock)
    families: Callable[[], Any] = worker.alerting._families
    worker.alerting._families = trouble
    worker.step()
    worker.alerting._families = families
    burn(worker)
    assert worker.logged() == ["alerts_failed"]
    assert worker.kinds() == ["trigger"]


def test_a_lock_that_cannot_be_had_is_told_once_and_keeps_no_file_open(
    tmp_path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(fd: int, operation: int) -> NoReturn:
        raise OSError(errno.ENOLCK, "No locks available")

    worker = Worker(tmp_path, Gateway(), clock)
    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        worker.step()
    assert len(os.listdir("/proc/self/fd")) == before
    assert worker.logged() == ["alerts_not_locked"]


def test_a_beginning_that_fails_is_tried_again_with_the_same_lock(tmp_path: Path, clock: ManualClock) -> None:
    worker = Worker(tmp_path, Gateway(), clock)
    worker.alerting._clock = SimpleNamespace(wall=trouble)
    worker.alerting._step()
    worker.alerting._clock = clock
    burn(worker)
    assert worker.logged() == ["alerts_failed"]
    assert worker.kinds() == ["trigger"]


def test_who_tells_may_be_in_trouble(tmp_path: Path, clock: ManualClock) -> None:
    worker = Worker(tmp_path, Gateway(), clock)
    worker.alerting._notify = worker.alerting._began = trouble
    burn(worker)
    assert worker.logged() == ["alerts_failed", "alert_not_told"]
    assert worker.alerting.counts()["page"] == 1


async def test_the_task_looks_until_it_is_cancelled_and_saves(tmp_path: Path, clock: ManualClock) -> None:
    worker = Worker(tmp_path, Gateway(), clock)
    looked = asyncio.Event()
    families = worker.alerting._families
    loop = asyncio.get_running_loop()

    def observed() -> Any:
        loop.call_soon_threadsafe(looked.set)
        return families()

    worker.alerting._families = observed
    task = asyncio.create_task(worker.alerting.run())
    async with asyncio.timeout(5):
        await looked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (tmp_path / "state.jsonl").exists()
    assert worker.alerting.open_alerts() == []
    # The lock is free again.
    other = Worker(tmp_path, Gateway(), clock)
    other.step()
    assert other.alerting._engine is not None


def test_promises_that_were_reloaded_are_not_passed_over_in_silence(tmp_path: Path, clock: ManualClock) -> None:
    worker = Worker(tmp_path, Gateway(), clock)
    other = AvailabilitySlo(objective=0.95, severity="page", runbook="runbooks/a.md")
    for slos in (SLOS, replace(SLOS), None, replace(SLOS, slos={"up": other})):
        worker.alerting._promised = lambda slos=slos: slos  # type: ignore[misc]
        for _ in range(2):
            worker.step()
        assert worker.logged() == ([] if slos is None or slos == SLOS else ["needs_restart"])


def test_a_drill_looks_more_often_than_configured(tmp_path: Path, clock: ManualClock) -> None:
    assert Worker(tmp_path, Gateway(), clock).alerting._every == 1.0
