"""Unit tests for the detectors' rules, for promtool: when each must fire, and when it must stay quiet."""

from collections.abc import Iterator
from typing import Any

from llmctl.alerts.detectors import PERCENTILE
from llmctl.alerts.indicators import COST, REQUESTS, Sample
from llmctl.alerts.promtool import EVALUATE, RATE, SAMPLE, Bench, Rule, growing, rounded
from llmctl.alerts.slo import CostAnomalySlo, Histograms, LatencyShiftSlo

DAY = 1440
BEFORE = DAY + 240
"""Minutes: a day, the longest window, and some more."""


def of_cost_anomaly(slo: CostAnomalySlo, rule: Rule, bench: Bench) -> Iterator[dict[str, Any]]:
    """A steady spend that jumps."""
    window = int(slo.window / 60)
    # As long as the day before does not yet have a window of it.
    after = rounded(window) + EVALUATE
    usual = max(slo.min_dollars, 1.0) / window
    enough = max(RATE, 2 * slo.min_events / window)
    jump = 2 * slo.factor + 1

    def test(what: str, times: float, requests: float, earlier: float = 1.0) -> dict[str, Any]:
        """`times` the usual spend, and that many requests a minute; `earlier` for some windows half a day before."""
        half, spell = DAY // 2, 2 * window
        spent = [(usual, half), (usual * earlier, spell), (usual, BEFORE - half - spell), (usual * times, after)]
        dollars, events = Sample(COST, {"model": "small"}, False, True), Sample(REQUESTS, _REQUEST, True, True)
        series = [
            {"series": bench.series(dollars), "values": growing(spent, SAMPLE)},
            {"series": bench.series(events), "values": growing([(requests, BEFORE + after)], SAMPLE)},
        ]
        fires = what == "fires"
        expected = [bench.expected(rule, usual * times * window, {})] if fires else []
        return bench.test(f"{rule['alert']}: {what}", series, BEFORE + after, rule["alert"], expected, SAMPLE)

    yield test("fires", jump, enough)
    yield test("quiet below the factor", 0.9 * slo.factor, enough)
    yield test("quiet where requests are few", jump, (slo.min_events - 0.5) / window)
    yield test("quiet where the day before had such hours", jump, enough, earlier=jump)


def of_latency_shift(
    slo: LatencyShiftSlo, rule: Rule, bench: Bench, histograms: Histograms
) -> Iterator[dict[str, Any]]:
    """Requests that all take about equally long, and then longer."""
    window, bounds = int(slo.window / 60), histograms.duration.bounds
    after = rounded(window) + EVALUATE
    quick = len(bounds) // 3
    slow = next((at for at, bound in enumerate(bounds) if bound > 4 * slo.factor * bounds[quick]), len(bounds) - 1)
    enough = max(RATE, 2 * slo.min_events / window)

    def test(what: str, share: float, rate: float) -> dict[str, Any]:
        """`share` of requests become slow."""
        series = []
        for at, bound in enumerate([*bounds, float("inf")]):
            le = "+Inf" if at == len(bounds) else f"{bound:.9g}"
            now = rate * ((at >= quick) * (1 - share) + (at >= slow) * share)
            sample = Sample(f"{histograms.duration.name}_bucket", {**_REQUEST_TIME, "le": le}, True, True)
            values = growing([(rate * (at >= quick), BEFORE), (now, after)], SAMPLE)
            series.append({"series": bench.series(sample), "values": values})
        value = bounds[slow - 1] + (bounds[slow] - bounds[slow - 1]) * PERCENTILE
        expected = [bench.expected(rule, value, {})] if what == "fires" else []
        return bench.test(f"{rule['alert']}: {what}", series, BEFORE + after, rule["alert"], expected, SAMPLE)

    yield test("fires", 1.0, enough)
    yield test("quiet where 19 of 20 are as fast as before", 0.04, enough)
    yield test("quiet where requests are few", 1.0, (slo.min_events - 0.5) / window)
    # Of about so many requests, a twelfth is slow by chance.
    yield test("quiet where chance explains it", 1 / 12, (slo.min_events + 2) / window)


_REQUEST = {"model": "small", "dialect": "openai", "status": "200"}
_REQUEST_TIME = {"gen_ai_operation_name": "chat", "gen_ai_provider_name": "up", "gen_ai_request_model": "small"}
