"""The rules as data, and what promtool says of them."""

import re
from pathlib import Path
from typing import Any

import pytest

from llmctl.alerts.document import document
from llmctl.alerts.indicators import duration
from llmctl.alerts.rules import PAIRS, alert_name, rules, threshold
from llmctl.alerts.slo import RatioSlo, Slos, load
from llmctl.config.secrets import Environment
from llmctl.gateway.promises import served_histograms
from llmctl.statistics.wilson import limits
from tests.alerts.conftest import SHIPPED, Read, Tool

ONE = "slos:\n  up: {kind: availability, objective: 0.999, severity: page, min_bad: 7, runbook: runbooks/a.md}\n"


def made(slos: Slos) -> list[dict[str, Any]]:
    return [rule for group in rules(slos, served_histograms())["groups"] for rule in group["rules"]]


def alerts(slos: Slos) -> dict[str, dict[str, Any]]:
    return {rule["alert"]: rule for rule in made(slos) if "alert" in rule}


def test_promtool_accepts_the_shipped_promises(tool: Tool, tmp_path: Path) -> None:
    slos = load(SHIPPED, Environment({}), served_histograms())
    (tmp_path / "rules.yaml").write_text(document(rules(slos, served_histograms()), "x"))
    checked = tool("promtool", "check", "rules", tmp_path / "rules.yaml")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert f"{len(made(slos))} rules found" in checked.stdout


def test_windows_and_burn_rates_are_the_references(read: Read) -> None:
    found = alerts(read(ONE))
    table = {name: (rule["labels"]["severity"], rule["for"]) for name, rule in found.items()}
    assert table == {
        "LlmctlUpBurn1h": ("page", "2m"),
        "LlmctlUpBurn6h": ("page", "15m"),
        "LlmctlUpBurn1d": ("ticket", "1h"),
        "LlmctlUpBurn3d": ("ticket", "3h"),
        "LlmctlMetricsAbsent": ("page", "5m"),
    }
    for name, long, short, limit in [
        ("LlmctlUpBurn1h", "1h", "5m", "0.0144"),
        ("LlmctlUpBurn6h", "6h", "30m", "0.006"),
        ("LlmctlUpBurn1d", "1d", "2h", "0.003"),
        ("LlmctlUpBurn3d", "3d", "6h", "0.001"),
    ]:
        assert found[name]["expr"].splitlines() == [
            f'llmctl_slo:error_ratio:rate{long}{{slo="up"}}',
            f'and llmctl_slo:error_ratio_lower:rate{long}{{slo="up"}} > {limit}',
            f'and llmctl_slo:error_ratio:rate{short}{{slo="up"}} > {limit}',
            f'and llmctl_slo:bad:increase{long}{{slo="up"}} >= 7',
        ]


@pytest.mark.parametrize(("share", "pair"), list(zip((0.02, 0.05, 0.10, 0.10), PAIRS, strict=True)))
def test_each_pair_fires_after_its_share_of_a_30_day_budget(share: float, pair: Any) -> None:
    assert pair.factor * pair.long / (30 * 1440) == pytest.approx(share)


def test_who_only_opens_tickets_never_pages(read: Read) -> None:
    found = alerts(read(ONE.replace("severity: page", "severity: ticket")))
    told = {name: rule["labels"]["severity"] for name, rule in found.items()}
    assert {told[alert_name("up", pair)] for pair in PAIRS} == {"ticket"}


def test_every_alert_says_what_how_grave_and_what_to_do() -> None:
    slos = load(SHIPPED, Environment({}), served_histograms())
    for name, rule in alerts(slos).items():
        assert set(rule["labels"]) == {"severity", "service", "slo"}, name
        assert set(rule["annotations"]) == {"summary", "description", "runbook"}, name
        assert rule["annotations"]["runbook"].startswith("runbooks/")
        assert rule["for"]


def test_what_an_alert_reads_is_recorded_before_it() -> None:
    slos = load(SHIPPED, Environment({}), served_histograms())
    for group in rules(slos, served_histograms())["groups"]:
        known: set[str] = set()
        for rule in group["rules"]:
            read = set(re.findall(r"llmctl_slo:\w+:\w+", rule["expr"]))
            assert read <= known, rule
            known.add(rule.get("record", ""))


def test_the_lower_bound_is_wilsons(read: Read, tool: Tool, tmp_path: Path) -> None:
    """As promtool computes it, beside ours."""
    slos = read(ONE)
    (tmp_path / "rules.yaml").write_text(document(rules(slos, served_histograms()), "x"))
    label = 'llmctl_slo:error_ratio_lower:rate1h{slo="up"}'
    low, _ = limits(30 / 600, 600)
    tests = {
        "rule_files": ["rules.yaml"],
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": 'llmctl_requests_total{status="200"}', "values": "0+9.5x60"},
                    {"series": 'llmctl_requests_total{status="500"}', "values": "0+0.5x60"},
                    {"series": 'llmctl_requests_total{status="404"}', "values": "0+99x60"},
                ],
                "promql_expr_test": [
                    {"expr": expression, "eval_time": "60m", "exp_samples": [{"labels": labels, "value": value}]}
                    for expression, labels, value in [
                        (f"round({label}, 1e-9)", '{slo="up"}', round(low, 9)),
                        ("round(llmctl_slo:error_budget_remaining:ratio, 1e-6)", '{slo="up"}', 1 - 0.05 / 0.001),
                        ("round(llmctl_slo:total:increase1h, 1e-6)", '{slo="up"}', 600),
                    ]
                ],
            }
        ],
    }
    (tmp_path / "test.yaml").write_text(document(tests, "x"))
    tested = tool("promtool", "test", "rules", tmp_path / "test.yaml")
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_thresholds_have_no_dust_of_floating_point(read: Read) -> None:
    slo = read(ONE).slos["up"]
    assert isinstance(slo, RatioSlo)
    assert [threshold(slo, pair) for pair in PAIRS] == [0.0144, 0.006, 0.003, 0.001]


@pytest.mark.parametrize(
    ("minutes", "text"),
    [
        *[(5, "5m"), (60, "1h"), (90, "90m"), (4320, "3d"), (0.5, "30s"), (43200, "30d")],
        *[(5 / 60, "5s"), (1 / 240, "250ms"), (5 / 7, "42857ms")],
    ],
)
def test_durations(minutes: float, text: str) -> None:
    assert duration(minutes) == text


def test_a_drill_divides_every_window_and_waiting_time(read: Read) -> None:
    text = ONE + "  cost: {kind: cost_per_day, objective: 5, window: 15m, runbook: runbooks/a.md}\n"
    text += "  spend: {kind: cost_anomaly, runbook: runbooks/a.md}\n"
    slos = read("pace: 60\n" + text + "  slower: {kind: latency_shift, runbook: runbooks/a.md}\n")
    found = alerts(slos)
    assert {name: rule["for"] for name, rule in found.items()} == {
        "LlmctlUpBurn1m": "2s",
        "LlmctlUpBurn6m": "15s",
        "LlmctlUpBurn24m": "1m",
        "LlmctlUpBurn72m": "3m",
        "LlmctlCost": "15s",
        "LlmctlSpend": "5s",
        "LlmctlSlower": "5s",
        "LlmctlMetricsAbsent": "5s",
    }
    assert "[24m]" in found["LlmctlCost"]["expr"]
    assert "in the last 24m; 5 are meant" in found["LlmctlCost"]["annotations"]["description"]
    assert "[24m:1m] offset 1m" in found["LlmctlSpend"]["expr"]
    assert "the budget of 12h lasts 50 minutes" in found["LlmctlUpBurn1m"]["annotations"]["description"]
    windows = {window for rule in made(slos) for window in re.findall(r"\[(\w+[smhd])[\]:]", rule["expr"])}
    assert windows == {"5s", "30s", "1m", "2m", "6m", "24m", "72m", "12h"}
    assert {group["interval"] for group in rules(slos, served_histograms())["groups"]} == {"1s"}


@pytest.mark.parametrize("pace", [1, 7, 60, 600])
def test_names_stay_apart_at_any_pace(pace: float, read: Read) -> None:
    names = [rule.get("record") or rule["alert"] for rule in made(read(f"pace: {pace}\n" + ONE))]
    assert len(set(names)) == len(names) == 26 + 5
