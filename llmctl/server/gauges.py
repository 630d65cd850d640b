"""What a serving process shows beside what records tell: what is under way, what is left, how the process itself is.

Everything is asked at scrape time, and once a second where several workers share a port; nothing costs a request
anything. Label values are names from the configuration and words from here.
"""

import asyncio
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from llmctl.clock import Clock
from llmctl.gateway.reload import Live
from llmctl.telemetry.metrics import Counted, MetricsSink

if TYPE_CHECKING:
    from llmctl.alerts.notifier import Notifier
    from llmctl.batches.lane import Lane
    from llmctl.scoring.online import OnlineScores
    from llmctl.server.alerting import Alerting

LAG_EVERY = 1.0
LAG_BUCKETS = tuple(1e-3 * 2**i for i in range(13))
PROC = Path("/proc/self")


def show(metrics: MetricsSink, live: Live, clock: Clock, *, proc: Path = PROC) -> None:
    """Register the gauges of what `live` serves and of this process. Call it on the loop that serves."""
    _show_traffic(metrics, live)
    _show_headroom(metrics, live)
    metrics.gauge(
        "llmctl_config_reloaded_timestamp_seconds",
        "When the configuration that serves went live, in epoch seconds; of several workers the latest.",
        lambda: live.loaded_at,
        over="peak",
    )
    metrics.gauge(
        "llmctl_config_reload_ok",
        "0 where the last reload failed in any worker, and the configuration before it serves on.",
        lambda: float(live.failure is None),
        over="least",
    )
    show_process(metrics, clock, proc)
    text = "How late the event loop came to a timer, once a second."
    LoopLag(metrics.histogram("llmctl_loop_lag_seconds", text, LAG_BUCKETS), asyncio.get_running_loop()).start()


def _show_traffic(metrics: MetricsSink, live: Live) -> None:
    metrics.gauge("llmctl_in_flight", "Exchanges under way.", lambda: live.gateway.in_flight)
    text = "Calls of a model under way."
    metrics.gauges("llmctl_model_in_flight", text, "model", lambda: live.gateway.calls())
    text = "Calls that wait for a model with `concurrency`."
    metrics.gauges("llmctl_queue_depth", text, "model", lambda: live.gateway.queue_depths())
    text = "Breakers that are not closed, over all workers."
    metrics.gauges("llmctl_breakers_open", text, "model", lambda: live.gateway.breakers_open())
    text = "A model's breaker: 0 closed, 1 half open, 2 open; of several workers the highest."
    metrics.gauges("llmctl_breaker_state", text, "model", lambda: live.gateway.breaker_states(), over="peak")
    text = "Bound on false hits over all requests; of several tenants the highest."
    metrics.gauges("llmctl_cache_error_bound", text, "route", lambda: live.gateway.cache_bounds(), over="peak")
    text = "Answers in the cache's memory, in entries and bytes, and entries not written to disk."
    metrics.gauges("llmctl_cache_memory", text, "unit", lambda: live.gateway.cache_sizes())


def _show_headroom(metrics: MetricsSink, live: Live) -> None:
    text = "Dollars spent in the period that is now, by the subject that spent most."
    metrics.gauges("llmctl_budget_spent_dollars", text, "budget", lambda: live.gateway.budgets_spent(), over="peak")
    text = "Share of the budget that the subject with the least left has left."
    metrics.gauges(
        "llmctl_budget_remaining_ratio", text, "budget", lambda: live.gateway.budgets_remaining(), over="least"
    )
    text = "Share of a rate limit that the subject with the least left has left."
    metrics.gauges(
        "llmctl_limit_remaining_ratio", text, "policy", lambda: live.gateway.limits_remaining(), over="least"
    )


def show_batches(metrics: MetricsSink, lane: "Lane") -> None:
    """Register the gauges of `/v1/batches`."""
    text = "Batches that have not ended."
    metrics.gauges("llmctl_batches", text, "state", lane.batches)
    text = "Requests of running batches; parked ones wait in a batch of their provider's."
    metrics.gauges("llmctl_batch_requests", text, "state", lane.requests)


def show_request_log(metrics: MetricsSink, log: Counted) -> None:
    """Register what became of the request log's lines."""
    metrics.counted("llmctl_request_log_lines_total", "Lines written, or dropped and why.", "outcome", log)


def show_spans(metrics: MetricsSink, spans: Counted) -> None:
    """Register what became of exchanges' spans."""
    metrics.counted("llmctl_spans_total", "Exchanges whose spans were exported, or were not and why.", "outcome", spans)


def show_scores(metrics: MetricsSink, scores: "OnlineScores") -> None:
    """Register what scorers found in live answers, by `eval/metric`; the mean is the value by passed and failed."""
    texts = {
        "passed": "Live answers that passed a metric of an eval.",
        "failed": "Live answers that did not pass it.",
        "unscored": "Live answers that could not be scored.",
        "value": "Sum of the values of those that could, each from 0 to 1.",
    }
    for what, text in texts.items():
        metrics.counted(f"llmctl_online_{what}_total", text, "metric", _Counts(partial(scores.counts, what)))
    dropped = _Counts(lambda: dict(scores.dropped))
    metrics.counted("llmctl_online_dropped_total", "Exchanges drawn and not scored, and why.", "reason", dropped)


def show_alerts(metrics: MetricsSink, alerting: "Alerting", notifier: "Notifier") -> None:
    """Register what the gateway's own alerts are about, and whether somebody heard of them."""
    metrics.gauges("llmctl_alerts_firing", "Open incidents.", "severity", alerting.counts)
    for outcome in ("delivered", "failed", "dropped"):

        def told(outcome: str = outcome) -> dict[str, float]:
            return {kind: float(getattr(tally, outcome)) for kind, tally in notifier.counts().items()}

        text = f"Notices {outcome}, by kind of sink."
        metrics.counted(f"llmctl_notices_{outcome}_total", text, "sink", _Counts(told))


def show_process(metrics: MetricsSink, clock: Clock, proc: Path = PROC) -> None:
    """Register this process's figures under the names that Prometheus' own client libraries give them.

    Over several workers they are sums, the supervisor left out. `proc` is the process in Linux' /proc.
    """
    started, page = clock.wall(), resource.getpagesize()
    metrics.gauge("llmctl_workers", "Processes that serve.", lambda: 1.0)
    text = "When the process started, in epoch seconds; of several workers the youngest."
    metrics.gauge("process_start_time_seconds", text, lambda: started, over="peak")
    metrics.counter("process_cpu_seconds_total", "CPU seconds, user and system.", lambda: sum(os.times()[:2]))
    if not (proc / "statm").exists():
        return

    def resident() -> float:
        return float((proc / "statm").read_bytes().split()[1]) * page

    def descriptors() -> float:
        # Linux 6.2 tells their number as the folder's size; before that they are counted.
        return float((proc / "fd").stat().st_size or len(os.listdir(proc / "fd")))

    metrics.gauge("process_resident_memory_bytes", "Memory in use.", resident)
    metrics.gauge("process_open_fds", "Open file descriptors.", descriptors)
    most = float(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    metrics.gauge("process_max_fds", "File descriptors allowed.", lambda: most)


@dataclass(frozen=True, slots=True)
class _Counts:
    counts: Callable[[], dict[str, float]]


class LoopLag:
    """Measures how late `loop` comes to a timer that is due every `LAG_EVERY` seconds, for as long as it runs."""

    def __init__(self, observe: Callable[[float], None], loop: asyncio.AbstractEventLoop) -> None:
        """`observe` takes seconds."""
        self._observe = observe
        self._loop = loop
        self._due = 0.0

    def start(self) -> None:
        """Until the loop is closed."""
        self._due = self._loop.time() + LAG_EVERY
        self._loop.call_at(self._due, self._tick)

    def _tick(self) -> None:
        self._observe(max(self._loop.time() - self._due, 0.0))
        self.start()
