"""What slo.yaml may say, and what is answered where it says something else."""

from pathlib import Path

import pytest

from llmctl.alerts.slo import TABLE, CostSlo, LatencySlo, RatioSlo, load
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.gateway.promises import served_histograms

SHIPPED = Path(__file__).parent.parent.parent / "configs" / "slo.yaml"
SLACK = "{slack: {api_url_file: /s, channel: '#o'}}"
NOTIFY = f"notify:\n  page: {SLACK}\n  ticket: {SLACK}\n"
GOOD = "kind: availability, objective: 0.999, runbook: runbooks/a.md"


def found(text: str, folder: Path) -> list[str]:
    path = folder / "slo.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as raised:
        load(path, Environment({}), served_histograms())
    return [line.removeprefix(f"{folder}/") for line in raised.value.findings]


def test_the_shipped_file_promises_every_kind() -> None:
    slos = load(SHIPPED, Environment({"ALERT_SECRETS": "/run/s"}), served_histograms())
    assert {type(slo) for slo in slos.slos.values()} == set(TABLE.values())
    assert slos.notify["page"].pagerduty is not None
    assert slos.notify["page"].pagerduty.routing_key_file == "/run/s/pagerduty_routing_key"


def test_values_are_read(tmp_path: Path) -> None:
    path = tmp_path / "slo.yaml"
    path.write_text(
        "service: shop\nmatch: {job: llmctl}\nslos:\n"
        "  slow: {kind: latency, threshold: 640ms, objective: 0.95, window: 7d, severity: page, "
        "runbook: runbooks/a.md}\n  cost: {kind: cost_per_day, objective: 12.5, runbook: runbooks/cost.md}\n" + NOTIFY
    )
    slos = load(path, Environment({}), served_histograms())
    slow, cost = slos.slos["slow"], slos.slos["cost"]
    assert isinstance(slow, LatencySlo)
    assert (slow.threshold, slow.window, slow.severity) == (0.64, 7 * 86400, "page")
    assert isinstance(cost, CostSlo)
    assert (cost.objective, cost.severity) == (12.5, "ticket")
    assert (slos.service, dict(slos.match)) == ("shop", {"job": "llmctl"})


def test_a_mistake_in_one_part_hides_none_in_another(tmp_path: Path) -> None:
    text = f"slos:\n  a: {{{GOOD.replace('0.999', '1.5')}}}\n  b: {{kind: nope}}\n  c: 1\nwhat: 1\n{NOTIFY}"
    lines = found(text, tmp_path)
    assert [line.split(": ")[:2] for line in lines] == [
        ["slo.yaml:2", "slos.a.objective"],
        ["slo.yaml:3", "slos.b.kind"],
        ["slo.yaml:4", "slos.c"],
        ["slo.yaml:5", "what"],
    ]


@pytest.mark.parametrize(
    ("entry", "line"),
    [
        (f"{GOOD}, windw: 30d", "slo.yaml:2: slos.a.windw: unknown key; did you mean window?"),
        ("kind: availabilty", "slo.yaml:2: slos.a.kind: no such kind of promise; did you mean availability?"),
        ("kind: availability, runbook: runbooks/a.md", "slo.yaml:2: slos.a.objective: missing; add it"),
        (GOOD.replace("runbooks/a.md", "a.md"), "slo.yaml:2: slos.a.runbook: is not of the form"),
        (GOOD.replace("0.999", "0.9"), "slo.yaml:2: slos.a: an objective of 0.931 or less can never"),
        (GOOD.replace("0.999", "1"), "slo.yaml:2: slos.a.objective: must be less than 1"),
        (f"{GOOD}, window: 1d", "slo.yaml:2: slos.a.window: must be greater than or equal to 604800"),
        (f"{GOOD}, severity: mail", "slo.yaml:2: slos.a.severity: must be 'page' or 'ticket'"),
        (
            GOOD.replace("availability", "latency") + ", threshold: 5s",
            "slo.yaml:2: slos.a.threshold: requests are counted by bucket; write 2.56s or 5.12s",
        ),
        (
            GOOD.replace("availability", "ttft") + ", threshold: 640ms",
            "slo.yaml:2: slos.a.threshold: requests are counted by bucket; write 0.5s or 0.75s",
        ),
    ],
)
def test_mistakes_teach(entry: str, line: str, tmp_path: Path) -> None:
    (one,) = found(f"slos:\n  a: {{{entry}}}\n{NOTIFY}", tmp_path)
    assert one.startswith(line)


@pytest.mark.parametrize("pace", ["0.5", "601", "0"])
def test_a_pace_slows_nothing_down(pace: str, tmp_path: Path) -> None:
    (line,) = found(f"pace: {pace}\nslos:\n  a: {{{GOOD}}}\n{NOTIFY}", tmp_path)
    assert line.startswith("slo.yaml:1: pace: must be ")


def test_the_pace_is_that_of_time_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "slo.yaml"
    for text, pace in ("", 1.0), ("pace: 60\n", 60.0):
        path.write_text(f"{text}slos:\n  a: {{{GOOD}}}\n{NOTIFY}")
        assert load(path, Environment({}), served_histograms()).pace == pace


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    bad = "slos:\n  a: {kind: x}\n  b: {kind: cost_per_day, objective: -1, runbook: runbooks/a.md}\n"
    assert [line.split(": ")[1] for line in found(bad + NOTIFY, tmp_path)] == ["slos.a.kind", "slos.b.objective"]


def test_whoever_should_be_told_must_be_named(tmp_path: Path) -> None:
    only = "notify:\n  ticket: {slack: {api_url_file: /s, channel: '#o'}}\n"
    (line,) = found(f"slos:\n  a: {{{GOOD}}}\n{only}", tmp_path)
    assert line == "slo.yaml:3: notify.page: missing; add who is told (slack or pagerduty)"
    (line,) = found(f"slos:\n  a: {{{GOOD}}}\nnotify:\n  page: {{}}\n", tmp_path)
    assert line == "slo.yaml:4: notify.page: tells nobody; give pagerduty, slack, email or exec, or several of them"


def test_a_secret_in_the_place_of_its_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    text = f"slos:\n  a: {{{GOOD}}}\nnotify:\n  page: {{pagerduty: {{routing_key_file: 0123456789abcdef}}}}\n"
    (line,) = found(text, tmp_path)
    assert line.startswith("slo.yaml:4: notify.page.pagerduty.routing_key_file: ")
    assert "0123456789abcdef" not in line


@pytest.mark.parametrize("name", ["metrics", "metrics-absent", "up-burn1h"])
def test_no_two_alerts_have_one_name(name: str, tmp_path: Path) -> None:
    (line,) = found(f"slos:\n  up: {{{GOOD}}}\n  {name}: {{{GOOD}}}\n{NOTIFY}", tmp_path)
    assert line.startswith(f"slo.yaml:3: slos.{name}: ")
    assert line.endswith("is called so; choose another name")


@pytest.mark.parametrize("name", ["A", "a_b", "a-1", "-a", "a b"])
def test_names_become_names_of_alerts(name: str, tmp_path: Path) -> None:
    (line,) = found(f'slos:\n  "{name}": {{{GOOD}}}\n{NOTIFY}', tmp_path)
    assert "is not of the form" in line


def test_a_file_that_is_not_there_or_is_no_yaml(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.yaml: there is no such file; -c names it"):
        load(tmp_path / "none.yaml", Environment({}), served_histograms())
    (line,) = found("slos: [", tmp_path)
    assert line.startswith("slo.yaml:")


def test_every_option_is_described() -> None:
    for model in TABLE.values():
        assert all(field.description for field in model.model_fields.values())
    assert issubclass(TABLE["guard_failures"], RatioSlo)
