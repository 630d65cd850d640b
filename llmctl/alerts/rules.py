"""Recording and alerting rules for Prometheus: several windows, several burn rates.

A burn rate is how many times faster than evenly a budget (1 - objective) is used up. An alert fires where it is
exceeded over a long window, which makes it mean something, and over a short one, which lets it end soon after. Small
numbers are guarded against twice: by a least number of bad events, and by Wilson's lower bound on their share.
Sources: Google's SRE Workbook, chapter 5, https://sre.google/workbook/alerting-on-slos/; Wilson, 1927.
"""

from dataclasses import dataclass, replace
from typing import Any

from llmctl.alerts.annotations import titled
from llmctl.alerts.detectors_rules import cost_anomaly, latency_shift
from llmctl.alerts.indicators import BUILD, Level, Ratio, duration, level_of, ratio_of
from llmctl.alerts.readings import selector
from llmctl.alerts.slo import (
    FASTEST,
    CostAnomalySlo,
    CostSlo,
    Histograms,
    LatencyShiftSlo,
    LimitSlo,
    RatioSlo,
    Severity,
    Slos,
)
from llmctl.statistics.wilson import Z95

ABSENT = "LlmctlMetricsAbsent"
ABSENT_FOR = 5
"""Minutes."""
ABSENT_RUNBOOK = "runbooks/metrics-absent.md"
RATIO, LOWER = "llmctl_slo:error_ratio:rate", "llmctl_slo:error_ratio_lower:rate"
BAD, TOTAL = "llmctl_slo:bad:increase", "llmctl_slo:total:increase"
REMAINING = "llmctl_slo:error_budget_remaining:ratio"


@dataclass(frozen=True, slots=True)
class Pair:
    """A long and a short window, in minutes, and the burn rate that both must exceed, `hold` minutes long."""

    long: float
    short: float
    factor: float
    hold: float
    severity: Severity


PAIRS = (
    Pair(60, 5, FASTEST, 2, "page"),
    Pair(360, 30, 6, 15, "page"),
    Pair(1440, 120, 3, 60, "ticket"),
    Pair(4320, 360, 1, 180, "ticket"),
)


def paced(pace: float) -> tuple[Pair, ...]:
    """The pairs where time runs `pace` times as fast."""
    return tuple(replace(pair, long=pair.long / pace, short=pair.short / pace, hold=pair.hold / pace) for pair in PAIRS)


def rules(slos: Slos, histograms: Histograms) -> dict[str, Any]:
    """A Prometheus rule file."""
    groups = []
    for name, slo in slos.slos.items():
        if isinstance(slo, RatioSlo):
            ratio = ratio_of(slo, slos.match, histograms)
            burning = [_burning(slos, name, slo, ratio, pair) for pair in paced(slos.pace)]
            made = [*_recorded(slos, name, slo, ratio), *burning]
        elif isinstance(slo, LimitSlo):
            made = [_above(slos, name, slo, level_of(slo, slos.match, slos.pace))]
        elif isinstance(slo, CostAnomalySlo):
            made = cost_anomaly(slos, name, slo, labels(slos, name, slo.severity))
        else:
            assert isinstance(slo, LatencyShiftSlo)
            made = latency_shift(slos, name, slo, labels(slos, name, slo.severity), histograms)
        groups.append(_group(slos, name, made))
    groups.append(_group(slos, "metrics", [_absent(slos)]))
    return {"groups": groups}


def alerts(slos: Slos, histograms: Histograms) -> dict[str, dict[str, Any]]:
    """The alerting rules among them, by name."""
    made = (rule for group in rules(slos, histograms)["groups"] for rule in group["rules"])
    return {rule["alert"]: rule for rule in made if "alert" in rule}


def _group(slos: Slos, name: str, made: list[dict[str, Any]]) -> dict[str, Any]:
    # A drill's windows are shorter than Prometheus' usual time between evaluations.
    seldom = {} if slos.pace == 1 else {"interval": duration(max(1.0, 15 / slos.pace) / 60)}
    return {"name": f"llmctl-{name}", **seldom, "rules": made}


def threshold(slo: RatioSlo, pair: Pair) -> float:
    """Share of bad events that burns the budget `pair.factor` times as fast as evenly."""
    return float(f"{pair.factor * (1 - slo.objective):.9g}")


def severity_of(slo: RatioSlo, pair: Pair) -> Severity:
    """Of a pair's alert: only what pages at all may page."""
    return pair.severity if slo.severity == "page" else "ticket"


def alert_name(name: str, pair: Pair | None = None) -> str:
    """`LlmctlFirstTokenBurn1h` for `first-token`."""
    return titled(name) if pair is None else f"{titled(name)}Burn{duration(pair.long)}"


def _recorded(slos: Slos, name: str, slo: RatioSlo, ratio: Ratio) -> list[dict[str, Any]]:
    """Per window the counts, their ratio, and for long windows its lower bound; then what is left of the budget."""
    recorded = []

    def record(metric: str, expression: str) -> None:
        recorded.append({"record": metric, "expr": expression, "labels": {"slo": name}})

    mine, pairs = f'{{slo="{name}"}}', paced(slos.pace)
    longs = {pair.long for pair in pairs}
    for minutes in sorted({*longs, *(pair.short for pair in pairs)}):
        window = duration(minutes)
        record(f"{BAD}{window}", ratio.bad_over(window))
        record(f"{TOTAL}{window}", ratio.total_over(window))
        record(f"{RATIO}{window}", f"{BAD}{window}{mine} / {TOTAL}{window}{mine}")
        if minutes in longs:
            record(f"{LOWER}{window}", _wilson(f"{RATIO}{window}{mine}", f"{TOTAL}{window}{mine}"))
    window = duration(slo.window / slos.pace / 60)
    share = f"({ratio.bad_over(window)}) / {ratio.total_over(window)}"
    record(REMAINING, f"1 - ({share}) / {1 - slo.objective:.9g}")
    return recorded


def _wilson(share: str, trials: str) -> str:
    square = Z95 * Z95
    centre = f"{share} + {square / 2:.9g} / {trials}"
    # What is left of a subtraction of counters may be a hair below 0 or above 1.
    spread = f"clamp_min({share} * (1 - {share}), 0) / {trials} + {square / 4:.9g} / {trials} ^ 2"
    return f"(\n  {centre}\n  - {Z95:.9g} * sqrt({spread})\n) / (1 + {square:.9g} / {trials})"


def _burning(slos: Slos, name: str, slo: RatioSlo, ratio: Ratio, pair: Pair) -> dict[str, Any]:
    mine, limit = f'{{slo="{name}"}}', threshold(slo, pair)
    long, short = duration(pair.long), duration(pair.short)
    expression = (
        f"{RATIO}{long}{mine}\n"
        f"and {LOWER}{long}{mine} > {limit:.9g}\n"
        f"and {RATIO}{short}{mine} > {limit:.9g}\n"
        f"and {BAD}{long}{mine} >= {slo.min_bad}"
    )
    lasts, window = _lasts(slo.window / slos.pace / pair.factor), duration(slo.window / slos.pace / 60)
    pace = f"more than {pair.factor:g} times what the objective of {slo.objective:.9g} allows"
    return {
        "alert": alert_name(name, pair),
        "expr": expression,
        "for": duration(pair.hold),
        "labels": labels(slos, name, severity_of(slo, pair)),
        "annotations": {
            "summary": f"{slos.service}: {name} burns its error budget {pair.factor:g} times too fast",
            "description": f"{{{{ $value | humanizePercentage }}}} of {long}'s {ratio.noun}: {pace}. "
            f"So kept up, the budget of {window} lasts {lasts}.",
            "runbook": slo.runbook,
        },
    }


def _lasts(seconds: float) -> str:
    size, unit = next(
        (size, unit)
        for size, unit, least in ((86400, "days", 3), (3600, "hours", 2), (60, "minutes", 0))
        if seconds >= least * size
    )
    return f"{seconds / size:.0f} {unit}"


def _above(slos: Slos, name: str, slo: LimitSlo, level: Level) -> dict[str, Any]:
    if isinstance(slo, CostSlo):
        spent = '{{ printf "%.2f" $value }} US dollars'
        said = f"{spent} in the last {_day(slos)}; {level.limit:g} are meant to suffice."
    else:
        said = (
            "False hits of the cache for {{ $labels.route }} may be {{ $value | humanizePercentage }} of all requests; "
            f"{100 * level.limit:.9g}% are allowed."
        )
    return {
        "alert": alert_name(name),
        "expr": f"{level.expression} > {level.limit:.12g}",
        "for": duration(slo.window / slos.pace / 60),
        "labels": labels(slos, name, slo.severity),
        "annotations": {"summary": f"{slos.service}: {name} is above its limit", "description": said}
        | {"runbook": slo.runbook},
    }


def _day(slos: Slos) -> str:
    return "24 hours" if slos.pace == 1 else duration(1440 / slos.pace)


def _absent(slos: Slos) -> dict[str, Any]:
    return {
        "alert": ABSENT,
        "expr": f"absent(sum({selector(BUILD, slos.match)}))",
        "for": duration(ABSENT_FOR / slos.pace),
        "labels": labels(slos, "metrics", "page"),
        "annotations": {
            "summary": f"{slos.service}: Prometheus gets no metrics",
            "description": "The gateway is down, or is not scraped: no other alert of it can fire.",
            "runbook": ABSENT_RUNBOOK,
        },
    }


def labels(slos: Slos, name: str, severity: Severity) -> dict[str, str]:
    """Of an alert."""
    return {"severity": severity, "service": slos.service, "slo": name}
