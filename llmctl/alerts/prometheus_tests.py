"""Unit tests for the rules, for `promtool test rules`: when each alert must fire, and when it must stay quiet.

Format: https://prometheus.io/docs/prometheus/latest/configuration/unit_testing_rules/
"""

from collections.abc import Iterator
from math import ceil
from typing import Any

from llmctl.alerts.detectors_tests import of_cost_anomaly, of_latency_shift
from llmctl.alerts.indicators import BUILD, Level, Ratio, level_of, ratio_of
from llmctl.alerts.promtool import EVALUATE, RATE, SAMPLE, Bench, Rule, Stretch, counts, rounded
from llmctl.alerts.readings import selector
from llmctl.alerts.rules import ABSENT, PAIRS, Pair, alert_name, alerts, paced, threshold
from llmctl.alerts.slo import CostAnomalySlo, Histograms, LatencyShiftSlo, LimitSlo, RatioSlo, Slos


def prometheus_tests(slos: Slos, histograms: Histograms, rule_file: str) -> dict[str, Any]:
    """A unit-test file for `rules(slos, histograms)`, which stands beside it as `rule_file`.

    Times are thought of in minutes, and divided by `slos.pace` where they are written down, as the rules' windows are.
    """
    found, bench = alerts(slos, histograms), Bench(slos.match, slos.pace)
    tests: list[dict[str, Any]] = []
    for name, slo in slos.slos.items():
        if isinstance(slo, RatioSlo):
            ratio = ratio_of(slo, slos.match, histograms)
            for pair, real in zip(PAIRS, paced(slos.pace), strict=True):
                tests += _of_pair(slo, ratio, pair, found[alert_name(name, real)], bench)
            continue
        rule = found[alert_name(name)]
        if isinstance(slo, LimitSlo):
            tests += _of_level(slo, level_of(slo, slos.match, slos.pace), rule, bench)
        elif isinstance(slo, CostAnomalySlo):
            tests += of_cost_anomaly(slo, rule, bench)
        elif isinstance(slo, LatencyShiftSlo):
            tests += of_latency_shift(slo, rule, bench, histograms)
    tests += _of_absence(found[ABSENT], bench)
    return {"rule_files": [rule_file], "evaluation_interval": bench.duration(EVALUATE), "tests": tests}


def _of_pair(slo: RatioSlo, ratio: Ratio, pair: Pair, rule: Rule, bench: Bench) -> Iterator[dict[str, Any]]:
    limit = threshold(slo, pair)
    over, under = min(1.5 * limit, (1 + limit) / 2), 0.8 * limit
    # The gateway is as old as this: rates are those of its life where a window is longer.
    step = max(1, int(pair.short) // 6)
    until = rounded(max(pair.short, pair.hold + 2 * step) + EVALUATE)
    # Enough bad events that chance explains neither share.
    rate = max(RATE, ceil(max(2000, 4 * slo.min_bad) / limit / until))

    def test(what: str, stretches: list[Stretch], share: float | None = None) -> dict[str, Any]:
        series = [
            {"series": bench.series(sample), "values": counts(sample, stretches, step)} for sample in ratio.samples
        ]
        labels = {label: value for label, value in ratio.samples[0].labels.items() if label in ratio.by}
        expected = [] if share is None else [bench.expected(rule, share, labels)]
        at = sum(minutes for *_, minutes in stretches)
        return bench.test(f"{rule['alert']}: {what}", series, at, rule["alert"], expected, step)

    burning = (rate * (1 - over), rate * over, until)
    yield test("fires", [burning], over)
    yield test("quiet at four fifths of the pace", [(rate * (1 - under), rate * under, until)])
    good, bad, _ = burning
    # So soon after that an alert on the long window alone would still fire.
    calm = int(pair.short) + step
    before = rounded(3 * until + calm) - calm
    yield test("quiet again once the short window is good", [(good, bad, before), (rate, 0.0, calm)])
    # Just so long that an alert on the short window alone would fire.
    spike = int(pair.short) + rounded(pair.hold)
    healthy = rounded(min(pair.long, 2 * spike) + spike) - spike
    yield test("quiet where the long window was good until now", [(rate, 0.0, healthy), (good, bad, spike)])
    few = (slo.min_bad - 0.5) / until
    yield test("quiet where all failed, and all were few", [(0.0, few, until)])
    # A share slightly over the limit, of so few bad events that it may be chance; enough of them for long enough.
    slight, bad = min(1.02 * limit, (1 + limit) / 2), (slo.min_bad + 1) / (until - rounded(pair.hold) - step)
    yield test("quiet where chance explains it", [(bad * (1 - slight) / slight, bad, until)])


def _of_level(slo: LimitSlo, level: Level, rule: Rule, bench: Bench) -> Iterator[dict[str, Any]]:
    (sample,) = level.samples
    hold = ceil(slo.window / 60)
    per_day = bool(level.counters)
    begun = 1440 if per_day else 0
    until, step = rounded(begun + hold) + EVALUATE, SAMPLE

    def test(what: str, level_: float, fires: bool = True) -> dict[str, Any]:
        growth = [(0.0, level_ / 1440, until)]
        values = counts(sample, growth, step) if per_day else f"{level_:.12g}x{until // step}"
        labels = {} if per_day else dict(sample.labels)
        expected = [bench.expected(rule, level_, labels)] if fires else []
        series = [{"series": bench.series(sample), "values": values}]
        return bench.test(f"{rule['alert']}: {what}", series, until, rule["alert"], expected, step)

    if per_day:
        yield test("fires", 2 * level.limit)
    else:
        yield test("fires", min(1.5 * level.limit, (1 + level.limit) / 2))
    yield test("quiet below the limit", 0.8 * level.limit, fires=False)


def _of_absence(rule: Rule, bench: Bench) -> Iterator[dict[str, Any]]:
    until = 2 * EVALUATE
    build = {"series": selector(BUILD, {"version": "1", "policy": "x", **bench.match}), "values": f"1x{until}"}
    other = {"series": "up{}", "values": f"0x{until}"}
    yield bench.test(f"{ABSENT}: fires", [other], until, ABSENT, [bench.expected(rule, 0.0, {})])
    yield bench.test(f"{ABSENT}: quiet while there are metrics", [build], until, ABSENT, [])
