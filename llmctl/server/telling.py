"""What a serving process tells of its exchanges: the sinks of records, and what looks at their sum."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from structlog.typing import FilteringBoundLogger

from llmctl import __version__
from llmctl.alerts.alert import Alert
from llmctl.clock import Clock
from llmctl.config.load import Loaded
from llmctl.config.secrets import Environment
from llmctl.gateway.build_policies import effective
from llmctl.gateway.reload import Live
from llmctl.gateway.stages.budget import KIND as BUDGET
from llmctl.gateway.stages.record import Sink
from llmctl.server.console.app import Console
from llmctl.server.console.exchanges import Condition
from llmctl.server.gauges import show_alerts, show_request_log, show_scores, show_spans
from llmctl.server.scores import Asking, online_scores
from llmctl.telemetry.log import Format
from llmctl.telemetry.metrics import MetricsSink
from llmctl.telemetry.otlp import span_sink
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.request_log import request_log
from llmctl.telemetry.shared_metrics import SharedMetrics
from llmctl.telemetry.store import RecordStore

if TYPE_CHECKING:
    from llmctl.server.alerting import Alerting

PUBLISH_EVERY = 1.0


class Sinks:
    """Where records go, in this process, for its life. Raises ConfigError for a collector that cannot be used."""

    def __init__(
        self,
        loaded: Loaded,
        redactor: Redactor,
        clock: Clock,
        log: FilteringBoundLogger,
        env: Environment,
        fmt: Format,
        metrics_dir: Path | None,
    ) -> None:
        """`metrics_dir` is what several workers share."""
        config = loaded.config

        def warner(event: str) -> Callable[[str], None]:
            return lambda detail: log.warning(event, detail=detail)

        shared = SharedMetrics(metrics_dir, clock) if metrics_dir is not None else None
        self.began = clock.wall() if shared is None else shared.began
        self.store = RecordStore(config.records, redactor, clock, warner("records"))
        self.metrics = MetricsSink(
            CollectorRegistry(), version=__version__, semconv_version=config.telemetry.semconv, shared=shared
        )
        self.metrics.watch(self.store)
        self.lines = request_log(config.telemetry, redactor, clock, warner("request_log"), fmt)
        if self.lines is not None:
            show_request_log(self.metrics, self.lines)
        self.spans = span_sink(config.telemetry, env, redactor, clock, warner("spans"))
        if self.spans is not None:
            show_spans(self.metrics, self.spans)
        self.asking = Asking(clock, Random())
        self.scores = online_scores(loaded, self.asking, Random(), clock, warner("evals"))
        if self.scores is not None:
            show_scores(self.metrics, self.scores)
        kept = self.store if config.records.enabled else None
        told = (kept, self.metrics, self.lines, self.spans, self.scores)
        self.all: Sequence[Sink] = [each for each in told if each is not None]

    def configure(self, loaded: Loaded) -> None:
        """Take over the names of a configuration that goes live."""
        config = loaded.config
        names = {*config.models, *config.routes}
        guards = {policy.kind for policy in effective(config.guardrails).values()} | {BUDGET}
        self.metrics.configure(models=names, providers=config.providers, policy=loaded.digest, guards=guards)
        if self.spans is not None:
            self.spans.configure({name: provider.kind for name, provider in config.providers.items()})

    def close(self) -> None:
        """Write what is left, hand the counts over."""
        self.store.close()
        for each in (self.scores, self.lines, self.spans):
            if each is not None:
                each.close()
        self.metrics.close()


class Watchers:
    """What looks at the metrics while the process serves: the console, alerts, and the other workers."""

    def __init__(
        self,
        live: Live,
        sinks: Sinks,
        clock: Clock,
        log: FilteringBoundLogger,
        metrics_dir: Path | None,
        conditions: Callable[[str], Condition] | None,
    ) -> None:
        """Of a `live` that has started. `conditions` reads the console's searches."""
        sinks.asking.through(live)
        self._metrics = sinks.metrics
        self._shared = metrics_dir is not None
        self._tasks: list[asyncio.Task[None]] = []
        self._alerting = self._watching(live, clock, log, metrics_dir)
        records = live.gateway.config.records
        self.console = Console(
            live,
            sinks.metrics.families,
            clock,
            alerts=self._open,
            records=Path(records.dir) if records.enabled else None,
            conditions=conditions,
            began=sinks.began,
        )

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While open, they look."""
        self._begin(self.console.run())
        if self._shared:
            self._begin(publishing(self._metrics))
        if self._alerting is not None:
            self._begin(self._alerting.run())
        try:
            yield
        finally:
            # The last to begin is told by those before it, so it ends after them.
            for task in self._tasks:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        self._tasks.append(asyncio.create_task(work))

    def _watching(
        self, live: Live, clock: Clock, log: FilteringBoundLogger, metrics_dir: Path | None
    ) -> "Alerting | None":
        """The promises' evaluator, whose modules are not even imported where there are none."""
        slos, config = live.gateway.promises, live.gateway.config.alerts
        if slos is None or config is None:
            return None
        from llmctl.alerts.notifier import Notifier
        from llmctl.server.alerting import Alerting

        notifier = Notifier(slos.notify, clock, log.warning, Path(config.state))

        def began(going: Sequence[Alert]) -> None:
            """This worker is the one that looks, so it is the one that tells."""
            notifier.only(going)
            self._begin(notifier.run())

        alerting = Alerting(
            config,
            slos,
            self._metrics.families,
            clock,
            log,
            notifier.submit,
            began,
            lock_folder=metrics_dir,
            promised=lambda: live.gateway.promises,
        )
        show_alerts(self._metrics, alerting, notifier)
        return alerting

    def _open(self) -> Sequence[Alert]:
        return self._alerting.open_alerts() if self._alerting is not None else ()


async def publishing(metrics: MetricsSink) -> None:
    """Let the other workers' scrapes include this one, until cancelled.

    In a thread: what limits and budgets have left is asked of each of their subjects, 20 ms with 10,000 of them.
    """
    while True:
        await asyncio.to_thread(metrics.publish)
        await asyncio.sleep(PUBLISH_EVERY)
