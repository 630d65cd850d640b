"""Promises: what is left of each one's budget, how fast it burns, what to do about it.

It shows what Prometheus keeps by the recording rules that `llmctl alerts rules` writes.
"""

from llmctl.alerts.detectors import DAY, PERCENTILE
from llmctl.alerts.detectors_rules import BEFORE, DOLLARS, SECONDS
from llmctl.alerts.indicators import duration, level_of, ratio_of
from llmctl.alerts.rules import BAD, RATIO, REMAINING, TOTAL, alert_name, paced
from llmctl.alerts.slo import CostAnomalySlo, CostSlo, Histograms, LatencyShiftSlo, LimitSlo, RatioSlo, Slo, Slos
from llmctl.dashboards import panels
from llmctl.dashboards.panels import Annotation, Dashboard, Link, Panel, Query, Row, bars, figure, graph, steps

LEFT = steps(0, 0.25, rising=False)


def slo(slos: Slos, histograms: Histograms, runbooks: str | None = None) -> Dashboard:
    """The page. `runbooks` is the address below which runbooks/NAME.md are to be read."""
    firing = f'ALERTS{{service="{slos.service}", alertstate="firing"}}'
    rows = [_now(slos, firing)]
    for name, promise in slos.slos.items():
        read = _links(promise, runbooks)
        if isinstance(promise, RatioSlo):
            rows.append(_budget(slos, name, promise, histograms, read))
        elif isinstance(promise, LimitSlo):
            rows.append(_limit(slos, name, promise, read))
        elif isinstance(promise, CostAnomalySlo):
            rows.append(_dollars(slos, name, promise, read))
        elif isinstance(promise, LatencyShiftSlo):
            rows.append(_seconds(slos, name, promise, read))
    return Dashboard(
        uid="llmctl-slo",
        title="llmctl / Promises",
        description="What is left of error budgets (SLOs), how fast they burn; by the rules of `llmctl alerts rules`.",
        rows=tuple(rows),
        annotations=(Annotation("Alerts", firing, "{{alertname}} ({{severity}})", panels.BAD),),
        since="now-24h",
    )


def _now(slos: Slos, firing: str) -> Row:
    names = "|".join(name for name, promise in slos.slos.items() if isinstance(promise, RatioSlo))
    left = f'min by (slo) ({REMAINING}{{slo=~"{names}"}})'
    listed = f"sum by (alertname, severity, slo) ({firing})"
    shown = [
        figure("Alerts", "That fire now.", "short", f"count({firing}) or vector(0)", width=4, steps=steps(1)),
        Panel(
            "table",
            "Firing",
            "Which, and how grave.",
            (Query(listed, instant=True),),
            width=8 if names else 20,
            least=None,
        ),
    ]
    if names:
        text = "Of error budgets; below 0 the promise is broken."
        shown.append(bars("Left", text, "percentunit", Query(left, "{{slo}}"), width=12, most=1, steps=LEFT))
    return Row("Now", tuple(shown), height=6)


def _budget(slos: Slos, name: str, promise: RatioSlo, histograms: Histograms, read: tuple[Link, ...]) -> Row:
    ratio, pairs = ratio_of(promise, slos.match, histograms), paced(slos.pace)
    mine, part = f'{{slo="{name}"}}', " ".join(f"{{{{{label}}}}}" for label in ratio.by)
    left, window = f"{REMAINING}{mine}", duration(promise.window / slos.pace / 60)
    allowed, kept = f"{1 - promise.objective:.9g}", f"{promise.objective * 100:.9g}% over {window}"
    longs, short, factor = [duration(pair.long) for pair in pairs], duration(pairs[0].short), pairs[0].factor
    burning = [Query(f"{RATIO}{long}{mine} / {allowed}", f"{long} {part}".strip()) for long in longs]
    alerts = ", ".join(alert_name(name, pair) for pair in pairs)
    burns = f"Times the even pace. Above {factor:g} over {longs[0]} and {short} the fastest alert fires."
    return Row(
        f"{name}: {kept}",
        (
            _single("Budget left", f"{kept}. Alerts: {alerts}.", "percentunit", f"min({left})", LEFT, promise, read),
            graph(
                "Budget left, over time",
                f"Of the {allowed} that may go wrong.",
                "percentunit",
                Query(left, part or "left"),
                width=6,
                least=None,
                most=1,
            ),
            graph("Burn rate", burns, "short", *burning, steps=steps(1, factor), links=read),
            graph(
                "Events",
                f"In the last {short}.",
                "short",
                Query(f"sum({TOTAL}{short}{mine})", "all"),
                Query(f"sum({BAD}{short}{mine})", "bad"),
                width=6,
            ),
        ),
        height=7,
    )


def _limit(slos: Slos, name: str, promise: LimitSlo, read: tuple[Link, ...]) -> Row:
    level, money = level_of(promise, slos.match, slos.pace), isinstance(promise, CostSlo)
    unit, limit = "currencyUSD" if money else "percentunit", steps(level.limit)
    what = "US dollars in a day" if money else "Bound on false hits of the semantic cache"
    legend = " ".join(f"{{{{{label}}}}}" for label in level.by) or "in a day"
    told = f"{what}; at most {level.limit:.9g}. Alert: {alert_name(name)}."
    return Row(
        f"{name}: at most {level.limit:.9g}",
        (
            _single("Now", told, unit, f"max({level.expression})", limit, promise, read),
            graph("Over time", f"{what}.", unit, Query(level.expression, legend), width=20, steps=limit, links=read),
        ),
        height=7,
    )


def _dollars(slos: Slos, name: str, promise: CostAnomalySlo, read: tuple[Link, ...]) -> Row:
    window, day = duration(promise.window / slos.pace / 60), duration(DAY / slos.pace / 60)
    spent = f'{DOLLARS}{window}{{slo="{name}"}}'
    dearest = f"max_over_time({spent}[{day}:{window}] offset {window})"
    return _shift(
        (name, promise, read), f"US dollars in {window}", "currencyUSD",
        Query(spent, window),
        Query(f"{promise.factor:.9g} * {dearest}", f"{promise.factor:g} x dearest of the {day} before"),
    )  # fmt: skip


def _seconds(slos: Slos, name: str, promise: LatencyShiftSlo, read: tuple[Link, ...]) -> Row:
    window, day = duration(promise.window / slos.pace / 60), duration(DAY / slos.pace / 60)
    now = f'histogram_quantile({PERCENTILE}, {SECONDS}{window}{{slo="{name}"}})'
    before = f'histogram_quantile({PERCENTILE}, {BEFORE}{day}{{slo="{name}"}})'
    return _shift(
        (name, promise, read), f"19 of 20 requests are done within this, in {window}", "s",
        Query(now, window), Query(f"{promise.factor:.9g} * {before}", f"{promise.factor:g} x the {day} before"),
    )  # fmt: skip


def _shift(of: tuple[str, Slo, tuple[Link, ...]], what: str, unit: str, now: Query, limit: Query) -> Row:
    """A figure, and the line above which its alert may fire."""
    name, promise, read = of
    told = f"{what}. Alert: {alert_name(name)}."
    return Row(
        f"{name}: {limit.legend}",
        (
            _single("Now", told, unit, now.expr, (), promise, read),
            graph("Over time", f"{what}, and the line it should stay under.", unit, now, limit, width=20, links=read),
        ),
        height=7,
    )


def _single(
    title: str, text: str, unit: str, expr: str, colors: tuple[panels.Step, ...], promise: Slo, read: tuple[Link, ...]
) -> Panel:
    return Panel(
        "stat",
        title,
        f"{text} See {promise.runbook}.",
        (Query(expr, instant=True),),
        unit,
        width=4,
        steps=colors,
        links=read,
        least=None,
    )


def _links(promise: Slo, runbooks: str | None) -> tuple[Link, ...]:
    return () if runbooks is None else (Link("Runbook", f"{runbooks.rstrip('/')}/{promise.runbook}"),)
