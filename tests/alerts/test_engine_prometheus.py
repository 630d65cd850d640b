"""The evaluator in the process and Prometheus' rules say the same of the same counters."""

import re
from pathlib import Path
from random import Random
from typing import Any

import pytest

from llmctl.alerts.document import document
from llmctl.alerts.engine import Engine
from llmctl.alerts.prometheus_tests import prometheus_tests
from llmctl.alerts.rules import ABSENT, alerts, rules
from llmctl.alerts.slo import Slos, load
from llmctl.config.secrets import Environment
from llmctl.telemetry.series import Families, Family
from tests.alerts.conftest import SHIPPED, Read, Tool
from tests.alerts.metrics import GUARDS, HISTOGRAMS, UP, Gateway

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
AT_ALL = 1_000_000_000.0 // 86400 * 86400


def seconds(text: str) -> float:
    (number, unit) = re.fullmatch(r"(\d+)(s|m|h|d)", text).groups()  # type: ignore[union-attr]
    return int(number) * SECONDS[unit]


def values(text: str) -> list[float]:
    """promtool's `0+2x3 9x1`."""
    found: list[float] = []
    for part in text.split():
        start, growth, times = re.fullmatch(r"([0-9.e+-]*?[0-9.])(\+[0-9.e+-]+)?x(\d+)", part).groups()  # type: ignore[union-attr]
        found += [float(start) + float(growth or 0) * at for at in range(int(times) + 1)]
    return found


def families(series: dict[str, float]) -> Families:
    """Metrics as a gateway holds them; histograms' buckets are taken apart again."""
    found: Families = {}
    buckets: dict[str, dict[float, float]] = {}
    for text, value in series.items():
        name, inside = re.fullmatch(r"(\w+)\{(.*)\}", text).groups()  # type: ignore[union-attr]
        labels = dict(re.findall(r'(\w+)="([^"]*)"', inside))
        base = re.sub("_(bucket|count)$", "", name)
        if base == name:
            kind = "peak" if "bound" in name else "counter"
            family = found.setdefault(name, Family(name, "", kind, tuple(labels), (), {}))  # type: ignore[arg-type]
            family.cell(*labels.values()).value = value
        else:
            le = float(labels.get("le", "inf").replace("+Inf", "inf"))
            buckets.setdefault(base, {})[le] = value
    for base, upto in buckets.items():
        histogram = HISTOGRAMS.duration if base == HISTOGRAMS.duration.name else HISTOGRAMS.first_token
        family = found[base] = Family(base, "", "histogram", (), tuple(histogram.bounds), {})
        below = [max((upto[le] for le in upto if le <= bound), default=0.0) for bound in (*family.bounds, float("inf"))]
        family.cell().counts = [b - a for a, b in zip([0.0, *below], below, strict=False)]  # type: ignore[misc]
    return found


def replayed(slos: Slos, test: dict[str, Any]) -> Engine:
    """An evaluator that has looked at a test's series until the test's time."""
    interval, until = seconds(test["interval"]), seconds(test["alert_rule_test"][0]["eval_time"])
    series = {one["series"]: values(one["values"]) for one in test["input_series"]}
    engine = Engine(slos, HISTOGRAMS)
    looks = sorted({*(at * interval for at in range(int(until // interval) + 1)), until})
    for look in looks:
        place, share = int(look // interval), look % interval / interval
        now = {}
        for name, known in series.items():
            here, after = known[min(place, len(known) - 1)], known[min(place + 1, len(known) - 1)]
            now[name] = here + share * (after - here)
        # Time 0 is no time of a gateway's; windows are aligned to days as promtool's are.
        engine.look(AT_ALL + look, families(now))
    return engine


SHIPPED_SLOS = load(SHIPPED, Environment({}), HISTOGRAMS)
TESTS = [
    test
    for test in prometheus_tests(SHIPPED_SLOS, HISTOGRAMS, "rules.yaml")["tests"]
    if test["alert_rule_test"][0]["alertname"] != ABSENT
]


@pytest.mark.parametrize("slo", SHIPPED_SLOS.slos)
def test_promtools_scenarios_give_the_same_alerts(slo: str) -> None:
    mine = {name for name, rule in alerts(SHIPPED_SLOS, HISTOGRAMS).items() if rule["labels"]["slo"] == slo}
    fired = 0
    for test in TESTS:
        (check,) = test["alert_rule_test"]
        if check["alertname"] not in mine:
            continue
        found = [
            {
                "exp_labels": {
                    **alert.labels,
                    "slo": alert.slo,
                    "service": alert.service,
                    "severity": alert.severity,
                },
                "exp_annotations": {
                    "summary": alert.summary,
                    "description": alert.description,
                    "runbook": alert.runbook,
                },
            }
            for alert in replayed(SHIPPED_SLOS, test).firing()
            if alert.name == check["alertname"]
        ]
        assert found == check["exp_alerts"], test["name"]
        fired += len(found)
    assert fired == len(mine)


PHASES = [
    *[(120, 200, 0.0), (12, 200, 0.3), (50, 200, 0.0), (100, 20, 0.04), (90, 400, 0.001), (40, 3, 0.5), (60, 0, 0.0)],
    *[(30, 100, 1.0), (60, 100, 0.0)],
]
"""Minutes, requests a minute, share of them that fail."""


def traffic(seed: int) -> list[tuple[int, int]]:
    """Good and bad requests of each minute."""
    random, found = Random(seed), []
    for minutes, rate, share in PHASES:
        for _ in range(minutes):
            count = random.randrange(2 * rate + 1)
            bad = sum(random.random() < share for _ in range(count))
            found.append((count - bad, bad))
    return found


@pytest.mark.parametrize(("seed", "pace", "promised"), [(1, 1, GUARDS), (2, 60, UP)])
def test_both_fire_at_the_same_minutes(
    seed: int, pace: int, promised: str, read: Read, tool: Tool, tmp_path: Path
) -> None:
    """Nine hours of ups and downs, looked at every minute (in a drill every second); promtool judges what we found."""
    slos = read(f"pace: {pace}\nslos:\n{promised}")
    gateway, engine, minute = Gateway(), Engine(slos, HISTOGRAMS), 60 // pace
    tests: list[dict[str, Any]] = []
    series: dict[str, list[float]] = {}
    gateway.requests(0)
    gateway.judged("pii", 0)
    for at, (good, bad) in enumerate([(0, 0), *traffic(seed)]):
        gateway.requests(good, bad)
        gateway.judged("pii", good, bad)
        engine.look(AT_ALL + at * minute, gateway.families)
        for family in gateway.families.values():
            for labels, cell in family.cells.items():
                named = ", ".join(f'{label}="{one}"' for label, one in zip(family.labels, labels, strict=True))
                series.setdefault(f"{family.name}{{{named}}}", []).append(cell.value)
        if at % 3 == 0:
            tests.append({"expr": 'count by (alertname) (ALERTS{alertstate="firing", slo=~"up|guards"})'})
            found = [{"labels": f'{{alertname="{alert.name}"}}', "value": 1} for alert in engine.firing()]
            tests[-1] |= {"eval_time": f"{at * minute}s", "exp_samples": found}
    assert 20 < sum(len(test["exp_samples"]) for test in tests) < 500
    file = {
        "rule_files": ["rules.yaml"],
        "evaluation_interval": f"{minute}s",
        "tests": [
            {
                "interval": f"{minute}s",
                "input_series": [
                    {"series": name, "values": " ".join(f"{value:g}" for value in each)}
                    for name, each in series.items()
                ],
                "promql_expr_test": tests,
            }
        ],
    }
    (tmp_path / "rules.yaml").write_text(document(rules(slos, HISTOGRAMS), "x"))
    (tmp_path / "test.yaml").write_text(document(file, "x"))
    result = tool("promtool", "test", "rules", tmp_path / "test.yaml")
    assert result.returncode == 0, result.stdout + result.stderr
