"""The detectors as rules for Prometheus: the same comparisons as in `detectors`."""

from typing import Any

from llmctl.alerts.annotations import titled
from llmctl.alerts.detectors import DAY, FENCE, LEAST_BEFORE, PERCENTILE, SMIRNOV, least_windows
from llmctl.alerts.indicators import REQUESTS, SPENT, duration
from llmctl.alerts.readings import Labels, Selection, selector
from llmctl.alerts.slo import CostAnomalySlo, Histograms, LatencyShiftSlo, Slos

DOLLARS = "llmctl_slo:dollars:increase"
SECONDS = "llmctl_slo:seconds_bucket:increase"
BEFORE = "llmctl_slo:seconds_bucket_before:increase"
Rule = dict[str, Any]


def cost_anomaly(slos: Slos, name: str, slo: CostAnomalySlo, labels: Labels) -> list[Rule]:
    """The spend of a window as recorded, and the alert."""
    window, day = duration(slo.window / slos.pace / 60), duration(DAY / slos.pace / 60)
    one, two = (f"sum(increase({spent.promql(slos.match)}[{window}]))" for spent in SPENT)
    spent = f'{DOLLARS}{window}{{slo="{name}"}}'
    before = f"{spent}[{day}:{window}] offset {window}"
    low, high = (f"quantile_over_time({share}, {before})" for share in (0.25, 0.75))
    requests = f"sum(increase({Selection(REQUESTS).promql(slos.match)}[{window}]))"
    expression = (
        f"{spent} > {slo.factor:.9g} * max_over_time({before})\n"
        f"and {spent} > {1 + FENCE:g} * {high} - {FENCE:g} * {low}\n"
        f"and {high} > 0\n"
        f"and count_over_time({before}) >= {least_windows(slo.window)}\n"
        f"and {spent} >= {slo.min_dollars:.12g}\n"
        f"and on () {requests} >= {slo.min_events}"
    )
    said = (
        f'{{{{ printf "%.2f" $value }}}} US dollars in the last {window}: more than {slo.factor:g} times the dearest '
        f"{window} of the {day} before, and far outside of what is usual there."
    )
    return [
        # Either may be missing: there is no series before the first price is known.
        {"record": f"{DOLLARS}{window}", "expr": f"{one} + {two} or {one} or {two}", "labels": {"slo": name}},
        _alert(slos, name, slo, expression, labels, ("money is spent unusually fast", said)),
    ]


def latency_shift(slos: Slos, name: str, slo: LatencyShiftSlo, labels: Labels, histograms: Histograms) -> list[Rule]:
    """The histograms of a window and of the day before it as recorded, and the alert."""
    window, day = duration(slo.window / slos.pace / 60), duration(DAY / slos.pace / 60)
    buckets = selector(f"{histograms.duration.name}_bucket", slos.match)
    mine = f'slo="{name}"'
    now, before = f"{SECONDS}{window}{{{mine}}}", f"{BEFORE}{day}{{{mine}}}"
    # The infinite bound counts all events.
    n, m = (f'sum by (slo) ({metric[:-1]}, le="+Inf"}})' for metric in (now, before))
    shift = f"max by (slo) ({before} / on (slo) group_left () {m} - on (slo, le) {now} / on (slo) group_left () {n})"
    fast, slow = (f"histogram_quantile({PERCENTILE}, {metric})" for metric in (before, now))
    expression = (
        f"{slow} > {slo.factor:.9g} * {fast}\n"
        f"and on (slo) {n} >= {slo.min_events}\n"
        f"and on (slo) {m} >= {LEAST_BEFORE * slo.min_events}\n"
        f"and on (slo) {shift} > on (slo) sqrt({SMIRNOV:.9g} * (1 / {n} + 1 / {m}))"
    )
    said = (
        f'19 of 20 requests of the last {window} were done within {{{{ printf "%.3g" $value }}}} s: more than '
        f"{slo.factor:g} times as long as in the {day} before, and not by chance."
    )
    return [
        {
            "record": f"{SECONDS}{window}",
            "expr": f"sum by (le) (increase({buckets}[{window}]))",
            "labels": {"slo": name},
        },
        {
            "record": f"{BEFORE}{day}",
            "expr": f"sum by (le) (increase({buckets}[{day}] offset {window}))",
            "labels": {"slo": name},
        },
        _alert(slos, name, slo, expression, labels, ("requests take unusually long", said)),
    ]


def _alert(
    slos: Slos,
    name: str,
    slo: CostAnomalySlo | LatencyShiftSlo,
    expression: str,
    labels: Labels,
    told: tuple[str, str],
) -> Rule:
    summary, description = told
    return {
        "alert": titled(name),
        "expr": expression,
        "for": duration(slo.hold / slos.pace / 60),
        "labels": dict(labels),
        "annotations": {
            "summary": f"{slos.service}: {name}: {summary}",
            "description": description,
            "runbook": slo.runbook,
        },
    }
