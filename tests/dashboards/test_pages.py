"""Every query against a gateway's own /metrics, and against a real Prometheus that scrapes it."""

import math
import time

import httpx
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from llmctl.alerts.rules import rules
from llmctl.alerts.slo import Slos
from llmctl.dashboards.panels import Dashboard
from llmctl.gateway.promises import served_histograms
from llmctl.testing.process import Served
from tests.dashboards.conftest import Prometheus, interpolated
from tests.dashboards.promql import asked

OPENMETRICS = "application/openmetrics-text; version=1.0.0"
OF_PROMETHEUS = {"job", "instance"}
ALERTS = {"alertname", "alertstate", "severity", "service", "slo"}
NOTHING_YET = {
    # Whether the cache finds what means the same depends on when its index is ready.
    "llmctl-cache: Errors of the semantic cache: Audited: {{route}}",
    "llmctl-slo: Now: Firing: ",
    "llmctl-slo: annotation Alerts",
    "llmctl-slo: cost-anomaly: Over time: 1.5 x dearest of the 1d before",
    "llmctl-slo: latency-shift: Over time: 1.5 x the 1d before",
}


@pytest.fixture(scope="module")
def served(gateway: Served) -> dict[str, set[str]]:
    """Labels by series' name, as /metrics shows them now."""
    text = httpx.get(f"{gateway.url}/metrics", headers={"accept": OPENMETRICS}).text
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):  # type: ignore[no-untyped-call]
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels, OF_PROMETHEUS)
    return found


def test_every_metric_and_label_is_served(pages: list[Dashboard], slos: Slos, served: dict[str, set[str]]) -> None:
    recorded = {
        rule["record"]: {"slo", "guard", "le"}
        for group in rules(slos, served_histograms())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    known = served | recorded | {"ALERTS": ALERTS}
    count = 0
    for page in pages:
        for query in asked(page):
            assert query.selectors, query
            for name, labels in query.selectors:
                assert name in known, f"{query.where}: /metrics has no {name}"
                assert labels <= known[name], f"{query.where}: {name} has no {labels - known[name]}"
                count += 1
            of_any = set().union(*(known[name] for name, _ in query.selectors))
            assert query.kept <= of_any, f"{query.where}: nothing has {query.kept - of_any}"
    assert count > 150


def test_every_metric_is_on_some_page(pages: list[Dashboard], served: dict[str, set[str]]) -> None:
    shown = {name for page in pages for query in asked(page) for name, _ in query.selectors}
    families = {name.removesuffix("_bucket").removesuffix("_sum").removesuffix("_count") for name in shown}
    missing = {name for name in served if name not in shown and not name.startswith(tuple(families))}
    aliases = {"llm_requests_total", "llm_cost_dollars"} | {
        f"llm_latency_seconds_{k}" for k in ("bucket", "sum", "count")
    }
    assert missing - aliases == set()


def test_every_query_answers_and_has_data(pages: list[Dashboard], prometheus: Prometheus) -> None:
    empty, unknown = set(), set()
    for page in pages:
        for query in asked(page):
            if query.expr.startswith("label_values("):
                continue
            found = prometheus.query(query.expr)
            if not found:
                empty.add(query.where)
            elif all(math.isnan(float(series["value"][1])) for series in found):
                unknown.add(query.where)
    assert (empty - NOTHING_YET, unknown) == (set(), set())


def test_variables_have_choices(pages: list[Dashboard], prometheus: Prometheus) -> None:
    choices = {}
    for page in pages:
        for variable in page.variables:
            selector, _, label = variable.query.removeprefix("label_values(").removesuffix(")").rpartition(", ")
            choices[variable.name] = prometheus.get(f"label/{label}/values", **{"match[]": interpolated(selector)})
    assert choices["job"] == ["llmctl"]
    assert len(choices["instance"]) == 1
    assert {"small", "large", "bad", "other"} <= set(choices["model"])
    assert {"small", "frail"} <= set(choices["route"])


def test_a_reload_is_marked(pages: list[Dashboard], prometheus: Prometheus, gateway: Served) -> None:
    (mark,) = pages[0].annotations
    ((_, began),) = [each["value"] for each in prometheus.query("min_over_time(timestamp(llmctl_build_info)[1h:1s])")]
    soon, later = (
        prometheus.get("query", query=interpolated(mark.expr), time=str(float(began) + after))["result"]
        for after in (3, 90)
    )
    assert later == []
    (found,) = soon
    ready = httpx.get(f"{gateway.url}/readyz").json()
    assert found["metric"] == {"policy": ready["policy"]}


def test_exemplars_name_records(pages: list[Dashboard], prometheus: Prometheus) -> None:
    drawn = [
        query
        for page in pages
        for row in page.rows
        for panel in row.panels
        for query in panel.queries
        if query.exemplars
    ]
    assert len(drawn) >= 4
    now = time.time()
    for query in drawn:
        times = {"start": str(now - 300), "end": str(now + 60)}
        found = prometheus.get("query_exemplars", query=interpolated(query.expr), **times)
        assert any(each["labels"]["request_id"] for series in found for each in series["exemplars"])
