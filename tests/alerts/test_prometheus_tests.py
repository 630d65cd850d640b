"""promtool passes the rules' own tests; and the tests notice rules that are wrong."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llmctl.alerts.document import document
from llmctl.alerts.prometheus_tests import prometheus_tests
from llmctl.alerts.rules import rules
from llmctl.alerts.slo import Slos, load
from llmctl.config.secrets import Environment
from llmctl.gateway.promises import served_histograms
from tests.alerts.conftest import SHIPPED, Read, Tool
from tests.alerts.metrics import SLOWER, SPEND

UP = "  up: {kind: availability, objective: 0.999, severity: page, runbook: runbooks/a.md}\n"
COST = "  cost: {kind: cost_per_day, objective: 50, runbook: runbooks/a.md}\n"
CACHE = "  cache: {kind: cache_error, objective: 0.02, runbook: runbooks/a.md}\n"


def promtool(slos: Slos, folder: Path, tool: Tool, change: Callable[[str], str] = str) -> tuple[int, str]:
    histograms = served_histograms()
    text = document(rules(slos, histograms), "x")
    changed = change(text)
    assert change is str or changed != text
    (folder / "rules.yaml").write_text(changed)
    (folder / "rules_test.yaml").write_text(document(prometheus_tests(slos, histograms, "rules.yaml"), "x"))
    result = tool("promtool", "test", "rules", folder / "rules_test.yaml")
    return result.returncode, result.stdout + result.stderr


def test_the_shipped_promises_pass(tool: Tool, tmp_path: Path) -> None:
    code, said = promtool(load(SHIPPED, Environment({}), served_histograms()), tmp_path, tool)
    assert code == 0, said


@pytest.mark.parametrize(
    "text",
    [
        "match: {job: llmctl}\nslos:\n" + UP.replace("objective", "min_bad: 200, objective"),
        "slos:\n  slow: {kind: latency, threshold: 5.12s, objective: 0.932, window: 7d, runbook: runbooks/a.md}\n",
        "match: {job: llmctl}\nslos:\n" + COST + CACHE,
        "pace: 60\nslos:\n" + UP + COST + CACHE,
        "pace: 600\nmatch: {job: llmctl}\nslos:\n" + CACHE + SPEND + SLOWER,
    ],
)
def test_other_promises_pass_too(text: str, read: Read, tool: Tool, tmp_path: Path) -> None:
    code, said = promtool(read(text), tmp_path, tool)
    assert code == 0, said


@pytest.mark.parametrize(
    ("promised", "old", "new", "noticed"),
    [
        # Without the short window, the long one, a least number, the lower bound.
        (UP, 'llmctl_slo:error_ratio:rate5m{slo="up"} > 0.0144', 'llmctl_slo:total:increase5m{slo="up"}', "Burn1h"),
        (UP, 'rate1d{slo="up"} > 0.003', 'rate1d{slo="up"}', "Burn1d"),
        (UP, 'llmctl_slo:bad:increase6h{slo="up"} >= 5', 'llmctl_slo:bad:increase6h{slo="up"} >= 0', "Burn6h"),
        (UP, 'error_ratio_lower:rate3d{slo="up"} > 0.001', 'error_ratio:rate3d{slo="up"} > 0.001', "Burn3d"),
        (UP, 'status=~"5.."', 'status="500"', "fires"),
        (COST + CACHE, "> 50\n", "> 500\n", "LlmctlCost"),
        (COST + CACHE, "> 0.02\n", "> 0.002\n", "LlmctlCache"),
        (COST, "absent(sum(llmctl_build_info{}))", "absent(sum(up))", "LlmctlMetricsAbsent"),
        (COST, "severity: ticket", "severity: page", "LlmctlCost"),
    ],
)
def test_wrong_rules_are_noticed(
    promised: str, old: str, new: str, noticed: str, read: Read, tool: Tool, tmp_path: Path
) -> None:
    code, said = promtool(read("slos:\n" + promised), tmp_path, tool, lambda text: text.replace(old, new))
    assert code == 1, said
    assert noticed in said


def test_every_alert_fires_in_one_test_and_is_quiet_in_another() -> None:
    slos = load(SHIPPED, Environment({}), served_histograms())
    histograms = served_histograms()
    named = {rule["alert"] for group in rules(slos, histograms)["groups"] for rule in group["rules"] if "alert" in rule}
    seen: dict[bool, set[str]] = {True: set(), False: set()}
    for test in prometheus_tests(slos, histograms, "rules.yaml")["tests"]:
        check: dict[str, Any] = test["alert_rule_test"][0]
        seen[bool(check["exp_alerts"])].add(check["alertname"])
    assert seen[True] == seen[False] == named


@pytest.mark.parametrize(("ci", "outcome"), [("true", "Failed"), ("", "Skipped")])
def test_where_promtool_is_missing_ci_fails_and_says_what_to_install(
    ci: str, outcome: str, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("CI", ci)
    with pytest.raises(BaseException, match="promtool is not installed: apt-get install prometheus") as raised:
        tool("promtool", "--version")
    assert raised.typename == outcome
