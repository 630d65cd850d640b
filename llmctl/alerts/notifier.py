"""Delivers notices to the sinks of their severity, each in a task of its own: one that is dead delays only its own.

What is undelivered, and what each sink was told of, is kept in a folder, so that a restart still resolves what was
triggered. A notice that was sent may be sent again after a crash; sinks take that.
"""

import asyncio
import os
import socket
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from math import isfinite
from pathlib import Path
from random import Random

from llmctl.alerts.alert import Alert, Notice
from llmctl.alerts.notify import ReceiverOptions
from llmctl.alerts.outbox import MOST, Outbox, Tally
from llmctl.alerts.sinks import TABLE
from llmctl.alerts.sinks.base import NotDelivered, Sink
from llmctl.alerts.slo import Severity
from llmctl.clock import Clock

Log = Callable[..., None]


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long a sink that fails is left alone, in seconds.

    Full jitter over an exponential (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/), on top
    of a Retry-After.
    """

    first: float = 1.0
    most: float = 60.0
    longest_asked: float = 900.0

    def wait(self, failures: int, asked: float | None, random: Random) -> float:
        """After so many failures in a row. Never 0."""
        span: float = min(self.first * 2.0 ** min(failures - 1, 32), self.most)
        return min(asked or 0.0, self.longest_asked) + span * (0.1 + 0.9 * random.random())


@dataclass(slots=True)
class _Lane:
    """One sink of one severity. `early` is what was asked before its file was read; None from then on.

    `dirty` wakes who saves, `woken` who delivers. `closed`: nobody delivers any more.
    """

    severity: Severity
    kind: str
    sink: Sink
    outbox: Outbox
    path: Path
    woken: asyncio.Event = field(default_factory=asyncio.Event)
    early: list[Callable[[Outbox], object]] | None = field(default_factory=list)
    dirty: asyncio.Event = field(default_factory=asyncio.Event)
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)
    failures: int = 0
    full: bool = False
    closed: bool = False
    unwritable: bool = False

    @property
    def name(self) -> str:
        """As in slo.yaml."""
        return f"{self.severity}.{self.kind}"


class Notifier:
    """Sinks by severity. `submit` and `only` are called on the event loop, before or while `run` runs."""

    def __init__(
        self,
        notify: Mapping[Severity, ReceiverOptions],
        clock: Clock,
        log: Log,
        folder: Path,
        *,
        host: str | None = None,
        random: Random | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """Touches nothing on disk or network. `host` is where alerts are said to come from, this machine by default."""
        self._clock, self._log, self._folder = clock, log, folder
        self._random = random or Random()
        self._backoff = backoff or Backoff()
        self._lanes = [
            _lane(severity, kind, TABLE[kind](options, host or socket.gethostname()), folder)
            for severity, receiver in notify.items()
            for kind, options in receiver.given.items()
        ]

    def submit(self, notice: Notice) -> None:
        """Have it delivered. Never blocks and never raises: what finds no room is counted."""
        if not isfinite(notice.alert.value):  # JSON has no such number
            notice = replace(notice, alert=replace(notice.alert, value=0.0))
        for lane in self._lanes:
            if lane.severity == notice.alert.severity:
                self._do(lane, partial(self._put, lane, notice))

    def only(self, alerts: Iterable[Alert]) -> None:
        """After a restart: these incidents, and no others, still go on.

        Ends the others at whoever was told of them, and tells of these whoever was not: whose process died between
        finding an alert and saving it here has told nobody.
        """
        going, at = list(alerts), self._clock.wall()
        keys = frozenset(alert.key for alert in going)
        for lane in self._lanes:
            self._do(lane, lambda outbox: outbox.only(keys, at))
        for alert in going:
            self.submit(Notice("trigger", alert, at))

    def counts(self) -> dict[str, Tally]:
        """Notices by kind of sink."""
        found: dict[str, Tally] = {}
        for lane in self._lanes:
            sum_, more = found.setdefault(lane.kind, Tally()), lane.outbox.tally
            sum_.delivered += more.delivered
            sum_.failed += more.failed
            sum_.dropped += more.dropped
        return found

    async def run(self) -> None:
        """Deliver until cancelled. What is undelivered then is on disk."""
        async with asyncio.TaskGroup() as serving:  # not gather, which when cancelled ends with the first of them
            for lane in self._lanes:
                serving.create_task(self._serve(lane))

    # --- what comes in

    def _do(self, lane: _Lane, what: Callable[[Outbox], object]) -> None:
        if lane.early is None:
            what(lane.outbox)
        elif len(lane.early) < MOST:
            lane.early.append(what)
        else:
            lane.outbox.tally.dropped += 1
        lane.woken.set()
        lane.dirty.set()
        if lane.closed:  # whoever looks may end after who delivers; the next start tells
            with suppress(OSError):
                _write(lane.path, lane.outbox.saved())

    def _put(self, lane: _Lane, notice: Notice, outbox: Outbox) -> None:
        taken = outbox.put(notice)
        if not taken and not lane.full:
            self._log("alert_dropped", sink=lane.name, alert=notice.alert.name, why=f"{MOST} incidents are open")
        lane.full = not taken

    # --- what goes out

    async def _serve(self, lane: _Lane) -> None:
        keeping: asyncio.Task[None] | None = None
        try:
            await self._restore(lane)
            keeping = asyncio.create_task(self._keep(lane))
            while True:
                lane.woken.clear()
                notice = lane.outbox.next(self._clock.wall())
                if notice is None:
                    await lane.woken.wait()
                    continue
                await self._save(lane)  # that there was an attempt
                if (pause := await self._tell(lane, notice)) > 0:
                    await self._pause(lane, pause)
        except Exception as bug:
            self._log("alert_sink_stopped", sink=lane.name, error=str(bug), exc_info=bug)
        finally:
            if keeping is not None:
                keeping.cancel()
            await self._close(lane)

    async def _tell(self, lane: _Lane, notice: Notice) -> float:
        """Seconds to leave the sink alone for."""
        try:
            await lane.sink.deliver(notice)
        except NotDelivered as error:
            return self._missed(lane, notice, error)
        except Exception as bug:
            self._log("alert_sink_broken", sink=lane.name, error=type(bug).__name__, exc_info=bug)
            return self._missed(lane, notice, NotDelivered(type(bug).__name__, retryable=True, uncertain=True))
        lane.outbox.done(notice)
        lane.dirty.set()
        if lane.failures:
            self._log("alert_sink_well", sink=lane.name, after_failures=lane.failures)
        lane.failures = 0
        return 0.0

    def _missed(self, lane: _Lane, notice: Notice, error: NotDelivered) -> float:
        lane.dirty.set()
        about = {"sink": lane.name, "alert": notice.alert.name, "notice": notice.kind, "error": error.message}
        if not error.retryable:
            lane.outbox.never(notice, uncertain=error.uncertain)
            self._log("alert_given_up", **about)
            return 0.0
        if not lane.outbox.later(notice, self._clock.wall(), uncertain=error.uncertain):
            self._log("alert_given_up", **about)
        elif lane.failures == 0:
            self._log("alert_sink_failing", **about)
        lane.failures += 1
        return self._backoff.wait(lane.failures, error.retry_after, self._random)

    async def _pause(self, lane: _Lane, seconds: float) -> None:
        """Leave the sink alone."""
        until = self._clock.monotonic() + seconds
        while (left := until - self._clock.monotonic()) > 0:
            lane.woken.clear()
            with suppress(TimeoutError):  # not wait_for, which in Python 3.11 may lose a cancellation
                async with asyncio.timeout(left):
                    await lane.woken.wait()

    # --- the folder

    async def _restore(self, lane: _Lane) -> None:
        try:
            data = await asyncio.to_thread(_read, lane.path)
            if data is not None:
                lane.outbox.restore(data)
        except (OSError, ValueError) as error:
            lane.outbox.forget()
            self._log("alert_state_damaged", sink=lane.name, file=str(lane.path), error=str(error))
        early, lane.early = lane.early or [], None
        lane.dirty.set()
        for what in early:
            what(lane.outbox)

    async def _keep(self, lane: _Lane) -> None:
        """Save what comes and how it went, also while the sink is being told or left alone."""
        while True:
            await lane.dirty.wait()
            lane.dirty.clear()
            await self._save(lane)

    async def _save(self, lane: _Lane) -> None:
        """A disk that is full costs only what a restart would have to know."""
        async with lane.writing:
            if not lane.outbox.changed:
                return
            # Not to be interrupted: two who write at once would leave neither's.
            writing = asyncio.ensure_future(asyncio.to_thread(_write, lane.path, lane.outbox.saved()))
            try:
                await asyncio.shield(writing)
                lane.unwritable = False
            except asyncio.CancelledError:
                await asyncio.wait([writing])
                lane.outbox.changed = lane.outbox.changed or writing.exception() is not None
                raise
            except OSError as error:
                if not lane.unwritable:
                    self._log("alert_state_unwritable", sink=lane.name, file=str(lane.path), error=error.strerror)
                lane.unwritable = lane.outbox.changed = True

    async def _close(self, lane: _Lane) -> None:
        if lane.early is None:
            await self._save(lane)
            lane.closed = True
        with suppress(Exception):
            await lane.sink.close()


def _lane(severity: Severity, kind: str, sink: Sink, folder: Path) -> _Lane:
    return _Lane(severity, kind, sink, Outbox(sink.repeats), folder / f"told-{severity}-{kind}.json")


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write(path: Path, data: bytes) -> None:
    """Replace the file, and have it on the disk. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
