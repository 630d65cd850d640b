"""Live answers scored: a sample of the records, off their path, by the same scorers that suites use.

The event loop draws, and appends what was drawn to a short queue; a thread with a loop of its own scores. What it
cannot keep up with is dropped and counted, and never waited for.
"""

import asyncio
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random

from llmctl.clock import Clock
from llmctl.config.schema_evals import OnlineEvalConfig
from llmctl.model.record import Record
from llmctl.scoring.base import Unscorable
from llmctl.scoring.grade import Grader
from llmctl.scoring.recorded import output_of, sample_of

QUEUE = 256
POLL = 0.25
CLOSE_WITHIN = 2.0
MINUTE = 60.0
WARN_EVERY = 60.0


class Eval:
    """One eval that runs: what of the traffic it looks at, how it grades, and what it has found so far by metric.

    `value` is the sum of values, so that `value / (passed + failed)` is their mean.
    """

    def __init__(self, config: OnlineEvalConfig, grader: Grader) -> None:
        self.config = config
        self.grader = grader
        self.models = frozenset(config.models) if config.models is not None else None
        self.passed, self.failed, self.unscored, self.value = (dict.fromkeys(grader.metrics, 0.0) for _ in range(4))
        self.minute = 0.0
        self.begun = 0


class OnlineScores:
    """A Sink. `write` is for the event loop alone; figures are written by the thread alone."""

    def __init__(
        self,
        evals: Mapping[str, tuple[OnlineEvalConfig, Grader]],
        random: Random,
        clock: Clock,
        warn: Callable[[str], None],
    ) -> None:
        """`warn` is told, at most once a minute and from another thread, of scorers that fail."""
        self._evals = {name: Eval(config, grader) for name, (config, grader) in evals.items()}
        self._random = random.random
        self._clock = clock
        self._warn = warn
        self._warned_at = -WARN_EVERY
        self._queue: list[tuple[Eval, Record]] = []
        self._dropped = {"queue_full": 0.0, "over_rate": 0.0}
        self._started = self._closed = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="llmctl-scores", daemon=True)

    def write(self, record: Record) -> None:
        """Draw. Never raises and never blocks."""
        if record.state != "ok" or record.shadow_of or record.operation != "chat" or self._closed:
            return
        for one in self._evals.values():
            if self._random() >= one.config.sample or (one.models and record.requested_model not in one.models):
                continue
            now = self._clock.monotonic()
            if now - one.minute >= MINUTE:
                one.minute, one.begun = now, 0
            if one.begun >= one.config.per_minute:
                self._dropped["over_rate"] += 1
            elif len(self._queue) >= QUEUE:
                self._dropped["queue_full"] += 1
            else:
                one.begun += 1
                self._queue.append((one, record))
                if not self._started:
                    self._started = True
                    with suppress(RuntimeError):  # no more threads: the queue fills, which is counted
                        self._thread.start()

    def close(self) -> None:
        """Stop; what waits is not scored."""
        self._closed = True
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join(CLOSE_WITHIN)

    @property
    def dropped(self) -> Mapping[str, float]:
        """Exchanges drawn and not scored, by reason."""
        return self._dropped

    def counts(self, what: str) -> dict[str, float]:
        """By `eval/metric`: how many `passed`, `failed` or were `unscored`, or the sum of their values (`value`)."""
        return {f"{name}/{metric}": n for name, one in self._evals.items() for metric, n in getattr(one, what).items()}

    def _run(self) -> None:
        asyncio.run(self._score())

    async def _score(self) -> None:
        while not self._stop.is_set():
            if not self._queue:
                await asyncio.sleep(POLL)  # the loop that fills it takes no lock and wakes nobody
                continue
            one, record = self._queue.pop(0)
            try:
                await self._grade(one, record)
            except Exception as error:  # a bug here must not end the thread, or scores would stop for good
                self._complain(f"evals: {record.id} could not be scored: {type(error).__name__}: {error}")

    async def _grade(self, one: Eval, record: Record) -> None:
        try:
            sample, output = sample_of(record), output_of(record)
        except Unscorable as error:
            for metric in one.grader.metrics:
                one.unscored[metric] += 1
            self._complain(f"evals: {record.id} could not be scored: {error}")
            return
        graded = await one.grader.grade(sample, output)
        for scored in graded.scored:
            if scored.value is None:
                one.unscored[scored.metric] += 1
                continue
            counts = one.passed if scored.passed else one.failed
            counts[scored.metric] += 1
            one.value[scored.metric] += scored.value

    def _complain(self, what: str) -> None:
        now = self._clock.monotonic()
        if now - self._warned_at >= WARN_EVERY:
            self._warned_at = now
            with suppress(Exception):  # a log that is broken too must not end the thread
                self._warn(what)
