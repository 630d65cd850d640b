"""Alerts in the gateway itself: looks at the metrics now and then, and hands on what is to be told.

Of several workers one looks, at the sum of all: whoever holds the kernel's lock on a file, which is free again however
that worker ends. The next one goes on from what was saved. Time is the wall clock's at the start and the monotonic
clock's from then on, so that a corrected wall clock neither fires nor ends anything.
"""

import asyncio
import fcntl
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from structlog.typing import FilteringBoundLogger

from llmctl.alerts.alert import Alert, Notice
from llmctl.alerts.engine import Engine, Kept, State
from llmctl.alerts.rules import PAIRS
from llmctl.alerts.slo import Slos
from llmctl.alerts.state import Damaged, load, save
from llmctl.clock import Clock
from llmctl.config.schema_telemetry import AlertsConfig
from llmctl.gateway.promises import served_histograms
from llmctl.telemetry.series import Families

TAKE_OVER = 5.0
"""Seconds between two tries of a worker that does not look."""
SAVE_EVERY = 60.0
"""Seconds; what is told is saved at once."""
AHEAD = 3600.0
"""Seconds that what was saved may be ahead of the clock; more than that and one of them was wrong."""
LOOKS = 5
"""In the shortest window, at least."""


class Alerting:
    """`notify` is called on the event loop; `families` in a thread, as it takes milliseconds."""

    def __init__(
        self,
        config: AlertsConfig,
        slos: Slos,
        families: Callable[[], Families],
        clock: Clock,
        log: FilteringBoundLogger,
        notify: Callable[[Notice], None],
        began: Callable[[Sequence[Alert]], None] = lambda going: None,
        lock_folder: Path | None = None,
        promised: Callable[[], Slos | None] = lambda: None,
    ) -> None:
        """`began` is told, on the loop, that it is this worker that looks, and the incidents that go on.

        `lock_folder` is one that all workers share, the state's unless given. `config.state` is taken as it is.
        `promised` is what the configuration that serves says now; where it is not `slos`, the log says what to do.
        """
        self._slos = self._latest = slos
        self._promised = promised
        self._families = families
        self._clock = clock
        self._log = log
        self._notify = notify
        self._began: Callable[[Sequence[Alert]], None] | None = began
        self._state = Path(config.state)
        self._lock_path = (lock_folder or self._state) / "alerts.lock"
        shortest = min(pair.short for pair in PAIRS) * 60 / slos.pace
        self._every = min(config.every, max(1.0, shortest / LOOKS))
        self._fd = -1
        self._engine: Engine | None = None
        self._offset = 0.0
        self._saved_at = float("-inf")
        self._untold: deque[Notice] = deque()
        self._busy = threading.Lock()
        self._elsewhere: list[Alert] = []
        self._going: list[Alert] = []
        self._complained: set[str] = set()
        self._closed = False

    async def run(self) -> None:
        """Look until cancelled, then save."""
        try:
            while True:
                await asyncio.to_thread(self._step)
                if self._tell():
                    await asyncio.to_thread(self._save)
                await asyncio.sleep(self._every if self._engine is not None else TAKE_OVER)
        finally:
            self._close()

    def counts(self) -> dict[str, float]:
        """Open incidents by severity, for a gauge that is summed over all workers: one of them has any."""
        found = {"page": 0.0, "ticket": 0.0}
        for alert in [] if self._engine is None else self._engine.open():
            found[alert.severity] += 1
        return found

    def open_alerts(self) -> list[Alert]:
        """Open incidents, in any worker; in those that do not look as they were some seconds ago."""
        return list(self._elsewhere) if self._engine is None else self._engine.open()

    def _step(self) -> None:
        """In a thread: look, or see whether to begin with it."""
        with self._busy:
            if self._closed:
                return
            try:
                if self._engine is None and not self._begin():
                    return
                assert self._engine is not None
                self._compare()
                now = self._clock.monotonic() + self._offset
                self._untold += self._engine.look(now, self._families())
                if now - self._saved_at >= SAVE_EVERY:
                    self._write(now)
            except Exception:  # whatever it is, the next look may do better, and nobody else would say so
                self._log.exception("alerts_failed")

    def _compare(self) -> None:
        """Say that promises which were reloaded wait for a restart, once for each reload."""
        latest = self._promised()
        if latest is not None and latest is not self._latest:
            self._latest = latest
            if latest != self._slos:
                self._log.warning("needs_restart", settings=["alerts.slos"])

    def _begin(self) -> bool:
        """Take over, if nobody else looks."""
        if self._fd < 0:  # else it was taken by a try that failed later
            self._fd = self._locked()
        state, kept = self._loaded(histories=self._fd >= 0)
        self._elsewhere = [incident.alert for incident in state.open]
        if self._fd < 0:
            return False
        wall = self._clock.wall()
        if state.looked > wall + AHEAD:
            self._log.warning("alerts_from_the_future", path=str(self._state), seconds=round(state.looked - wall))
            state, kept = State(open=state.open), []
        # What is saved never lies ahead.
        self._offset = max(wall, state.looked + 0.001) - self._clock.monotonic()
        self._going = [incident.alert for incident in state.open]
        self._engine = Engine(self._slos, served_histograms(), state, kept, pause=_pause)
        return True

    def _locked(self) -> int:
        fd = -1
        try:
            self._lock_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            fd = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if fd >= 0:
                os.close(fd)
            if not isinstance(error, BlockingIOError):
                self._complain("alerts_not_locked", self._lock_path, error.strerror or str(error))
            return -1
        return fd

    def _loaded(self, *, histories: bool) -> tuple[State, list[Kept]]:
        try:
            return load(self._state, histories=histories)
        except Damaged as error:
            self._complain("alerts_state_damaged", self._state, str(error))
            return State(), []

    def _tell(self) -> bool:
        """On the loop: hand on what is to be told. Whether there was any."""
        if self._engine is not None and self._began is not None:
            began, self._began = self._began, None
            try:
                began(self._going)
            except Exception:  # who tells may be in trouble; looking goes on
                self._log.exception("alerts_failed")
        told = bool(self._untold)
        while self._untold:
            notice = self._untold.popleft()
            try:
                self._notify(notice)
            except Exception:  # one that cannot be told must not keep back the others
                self._log.exception("alert_not_told", alert=notice.alert.name)
        return told

    def _save(self) -> None:
        with self._busy:
            self._write(self._clock.monotonic() + self._offset)

    def _write(self, now: float) -> None:
        if self._engine is None:
            return
        self._saved_at = now
        try:
            save(self._state, self._engine.state(), self._engine.kept(), _pause)
        except OSError as error:
            self._complain("alerts_not_saved", self._state, error.strerror or str(error))
        else:
            self._complained.discard("alerts_not_saved")

    def _complain(self, event: str, path: Path, reason: str) -> None:
        """Once, not every few seconds."""
        if event not in self._complained:
            self._complained.add(event)
            self._log.warning(event, path=str(path), reason=reason)

    def _close(self) -> None:
        with self._busy:  # a look that is under way may find something to tell
            self._closed = True
        self._tell()
        self._save()
        with self._busy:
            self._engine = None
            fd, self._fd = self._fd, -1
            if fd >= 0:
                os.close(fd)


def _pause() -> None:
    """Let the event loop's thread run, if it waits."""
    time.sleep(0)
