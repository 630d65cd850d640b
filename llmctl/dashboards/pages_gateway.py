"""The gateway itself: its processes, what it keeps, what it was told."""

from llmctl.alerts.indicators import BUILD
from llmctl.dashboards.pages_overview import QUANTILES
from llmctl.dashboards.panels import Dashboard, Panel, Query, Row, bars, figure, graph, steps
from llmctl.dashboards.scope import INTERVAL, Scope

INSTANCE = "{{instance}}"


def gateway(scope: Scope) -> Dashboard:
    """The page."""
    return Dashboard(
        uid="llmctl-gateway",
        title="llmctl / Gateway",
        description="The gateway itself: its processes, its records, its configuration, who heard of its alerts.",
        rows=(_told(scope), _process(scope), _records(scope), _more(scope), _scores(scope), _alerts(scope)),
        variables=scope.variables(),
        annotations=(scope.reloads(),),
    )


def _told(scope: Scope) -> Row:
    running = f"sum by (instance, version, policy) ({scope.of(BUILD)})"
    loaded = f"1000 * {scope.level('llmctl_config_reloaded_timestamp_seconds', how='max')}"
    started = f"1000 * {scope.level('process_start_time_seconds', how='min')}"
    refused = f"count({scope.of('llmctl_config_reload_ok')} == 0) or vector(0)"
    return Row(
        "Configuration",
        (
            figure("Loaded", "When the configuration that serves went live.", "dateTimeFromNow", loaded, width=4),
            figure(
                "Failed reloads",
                "Gateways whose last reload failed; they serve what they had. The log says why.",
                "short",
                refused,
                width=4,
                steps=steps(1),
            ),
            figure("Started", "The process that has run longest.", "dateTimeFromNow", started, width=4),
            figure("Workers", "Processes that serve.", "short", scope.level("llmctl_workers"), width=4),
            Panel(
                "table",
                "What runs",
                "Version and digest of the configuration, by instance.",
                (Query(running, instant=True),),
                least=None,
            ),
        ),
        height=5,
    )


def _process(scope: Scope) -> Row:
    lag = [Query(scope.quantile(at, "llmctl_loop_lag_seconds"), f"p{at * 100:g}") for at in QUANTILES]
    cpu, memory = scope.rate("process_cpu_seconds_total", by="instance"), "process_resident_memory_bytes"
    open_ = scope.level("process_open_fds", by="instance")
    return Row(
        "Processes",
        (
            graph("CPU", "Cores in use, all workers together.", "short", Query(cpu, INSTANCE), width=6),
            graph("Memory", "Resident.", "bytes", Query(scope.level(memory, by="instance"), INSTANCE), width=6),
            graph("Event loop", "How late it comes to a timer: above 50 ms it is overloaded.", "s", *lag, width=6),
            graph(
                "Open files",
                "Connections too. At the limit no more can be made.",
                "short",
                Query(open_, INSTANCE),
                Query(scope.level("process_max_fds", by="instance"), f"limit of {INSTANCE}"),
                width=6,
            ),
        ),
    )


def _records(scope: Scope) -> Row:
    failed = scope.rate("llmctl_metrics_errors_total")
    waiting = scope.level("llmctl_records_lag_seconds", by="instance", how="max")
    return Row(
        "Records",
        (
            graph(
                "Records",
                "Written to disk and dropped, a second. Dropped ones are lost to reports.",
                "short",
                Query(scope.rate("llmctl_records_written_total"), "written"),
                Query(scope.rate("llmctl_records_dropped_total", by="reason"), "dropped: {{reason}}"),
                width=6,
            ),
            graph("Age of the oldest that waits", "For the disk.", "s", Query(waiting, INSTANCE), width=6),
            graph(
                "Bytes that wait",
                "Beyond `records.queue_bytes` records are dropped.",
                "bytes",
                Query(scope.level("llmctl_records_queue_bytes", by="instance"), INSTANCE),
                width=6,
            ),
            graph(
                "Not counted",
                "Records and figures that metrics could not count, a second: a bug.",
                "short",
                Query(failed, "records"),
                width=6,
                steps=steps(0.001),
            ),
        ),
    )


def _more(scope: Scope) -> Row:
    """Of gateways that have these configured."""
    lines, spans = "llmctl_request_log_lines_total", "llmctl_spans_total"
    batches = scope.level("llmctl_batches", by="state")
    requests = scope.level("llmctl_batch_requests", by="state")
    return Row(
        "Request log, spans, batches",
        (
            graph(
                "Request log",
                "Lines a second.",
                "short",
                Query(scope.rate(lines, by="outcome"), "{{outcome}}"),
                width=6,
            ),
            graph("Spans", "A second.", "short", Query(scope.rate(spans, by="outcome"), "{{outcome}}"), width=6),
            bars("Batches", "That have not ended.", "short", Query(batches, "{{state}}"), width=6),
            graph(
                "Requests of batches", "Of running ones.", "short", Query(requests, "{{state}}"), width=6, stack=True
            ),
        ),
    )


def _scores(scope: Scope) -> Row:
    """Of gateways that score live answers."""
    value, dropped = scope.rate("llmctl_online_value_total", by="metric"), "llmctl_online_dropped_total"
    passed = scope.rate("llmctl_online_passed_total", by="metric")
    failed = scope.rate("llmctl_online_failed_total", by="metric")
    unscored = scope.rate("llmctl_online_unscored_total", by="metric")
    counts = [Query(passed, "{{metric}}"), Query(unscored, "not scored: {{metric}}")]
    mean = Query(f"{value} / (({passed} + {failed}) > 0)", "{{metric}}")
    return Row(
        "Scores of live answers",
        (
            graph("Mean score", "Of a sample, by eval and metric: 0 to 1.", "percentunit", mean, most=1),
            graph("Answers that passed, and that could not be scored", "A second.", "short", *counts),
            graph("Not scored", "Drawn, and dropped.", "short", Query(scope.rate(dropped, by="reason"), "{{reason}}")),
        ),
    )


def _alerts(scope: Scope) -> Row:
    """Of gateways that watch their promises themselves."""
    firing = Query(scope.level("llmctl_alerts_firing", by="severity"), "{{severity}}")
    heard = [
        Query(scope.grown(f"llmctl_notices_{outcome}_total", by="sink", window=INTERVAL), f"{outcome}: {{{{sink}}}}")
        for outcome in ("delivered", "failed", "dropped")
    ]
    return Row(
        "Alerts of its own",
        (
            graph(
                "Open incidents",
                "Of promises that the gateway watches itself.",
                "short",
                firing,
                width=12,
                steps=steps(1),
            ),
            graph(
                "Notices", "That nobody took are failed, then dropped: nobody heard of them.", "short", *heard, width=12
            ),
        ),
    )
