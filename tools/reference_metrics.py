"""The reference of /metrics, from the metrics themselves."""

import asyncio
from typing import Any

from prometheus_client import CollectorRegistry

from llmctl.clock import SystemClock
from llmctl.server import gauges
from llmctl.telemetry.metrics import MetricsSink
from llmctl.telemetry.series import Family

INTRODUCTION = """# Metrics

What `/metrics` shows, as Prometheus text or OpenMetrics. Values of labels are names from the configuration and words
of llmctl's own; any other model, provider or guard is `other`. Histograms have `_bucket`, `_count` and `_sum`. Where
several workers serve, each scrape shows all of them: sums, unless it says `highest` or `lowest`. How to
use them: [observability](../observability.md).
"""
GROUPS = (
    ("Aliases", "The same numbers under the names that llmctl was first asked for.", ("llm_",)),
    ("OpenTelemetry's GenAI conventions", "In the version that `telemetry.semconv` names.", ("gen_ai_",)),
    ("The gateway", "", ("llmctl_",)),
    ("The process", "Under the names of Prometheus' client libraries, without the supervisor.", ("process_",)),
)
ONLY = {
    "llmctl_batch": "`batches`",
    "llmctl_request_log": "`telemetry.request_log`",
    "llmctl_spans": "`telemetry.otlp`",
    "llmctl_alerts": "`alerts`",
    "llmctl_notices": "`alerts`",
}
OVER = {"peak": "gauge (highest)", "least": "gauge (lowest)", "unknown": "untyped"}


class _Nothing:
    """Stands for a gateway that does not run: nobody asks it for a figure."""

    written = queued_bytes = lag_seconds = 0

    def __getattr__(self, name: str) -> Any:
        return {} if name == "dropped" else self

    def __call__(self) -> Any:
        raise LookupError("there is no gateway")


def metrics_reference() -> str:
    """A table for each group."""
    families = asyncio.run(_families())
    parts = [INTRODUCTION]
    for title, text, prefixes in GROUPS:
        rows = [_row(family) for family in families if family.name.startswith(prefixes)]
        parts.append(f"\n## {title}\n\n" + (f"{text}\n\n" if text else ""))
        parts.append("| metric | kind | labels | what |\n|---|---|---|---|\n" + "".join(sorted(rows)))
    return "".join(parts)


async def _families() -> list[Family]:
    """Everything that can be shown."""
    sink, nothing = MetricsSink(CollectorRegistry(), version="", semconv_version="gen_ai/1"), _Nothing()
    live: Any = nothing
    sink.watch(live)
    gauges.show(sink, live, SystemClock())
    for register in (gauges.show_batches, gauges.show_request_log, gauges.show_spans):
        register(sink, live)
    gauges.show_alerts(sink, live, live)
    families = sink.families()
    return [*families.values(), *sink.aliases(families)]


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    where = next((section for prefix, section in ONLY.items() if family.name.startswith(prefix)), None)
    what = family.help + (f" Only with {where}." if where else "")
    return f"| `{family.name}` | {OVER.get(family.kind, family.kind)} | {labels} | {what} |\n"
