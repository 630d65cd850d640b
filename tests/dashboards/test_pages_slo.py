"""The page of promises follows slo.yaml."""

from llmctl.alerts.rules import rules
from llmctl.alerts.slo import RatioSlo, Slos
from llmctl.dashboards.pages_slo import slo
from llmctl.dashboards.panels import Dashboard, Panel, Row
from llmctl.gateway.promises import served_histograms


def row(page: Dashboard, name: str) -> Row:
    (found,) = [row for row in page.rows if row.title.partition(":")[0] == name]
    return found


def panel(row: Row, title: str) -> Panel:
    (found,) = [panel for panel in row.panels if panel.title == title]
    return found


def test_each_promise_has_a_row(slos: Slos) -> None:
    page = slo(slos, served_histograms())
    assert [row.title.partition(":")[0] for row in page.rows] == ["Now", *slos.slos]


def test_the_budget_is_what_the_rules_record(slos: Slos) -> None:
    page = slo(slos, served_histograms())
    recorded = {
        rule["record"]
        for group in rules(slos, served_histograms())["groups"]
        for rule in group["rules"]
        if "record" in rule
    }
    for name, promise in slos.slos.items():
        if isinstance(promise, RatioSlo):
            exprs = [query.expr for panel in row(page, name).panels for query in panel.queries]
            assert all(any(metric in expr for metric in recorded) and f'slo="{name}"' in expr for expr in exprs)


def test_burn_rates_are_of_what_is_allowed(slos: Slos) -> None:
    burning = panel(row(slo(slos, served_histograms()), "availability"), "Burn rate")
    assert [query.legend for query in burning.queries] == ["1h", "6h", "1d", "3d"]
    assert burning.queries[0].expr == 'llmctl_slo:error_ratio:rate1h{slo="availability"} / 0.001'
    assert [step.value for step in burning.steps] == [None, 1, 14.4]


def test_guards_are_kept_apart(slos: Slos) -> None:
    over_time = panel(row(slo(slos, served_histograms()), "guards"), "Budget left, over time")
    assert [query.legend for query in over_time.queries] == ["{{guard}}"]


def test_a_limit_is_a_line(slos: Slos) -> None:
    money = row(slo(slos, served_histograms()), "cost")
    assert {panel.unit for panel in money.panels} == {"currencyUSD"}
    assert [step.value for step in panel(money, "Over time").steps] == [None, 100]


def test_runbooks_are_links_where_it_is_known_where_they_are(slos: Slos) -> None:
    with_links, without = slo(slos, served_histograms(), "https://wiki/ops/"), slo(slos, served_histograms())
    (link,) = panel(row(with_links, "availability"), "Budget left").links
    assert link.url == "https://wiki/ops/runbooks/availability.md"
    left = panel(row(without, "availability"), "Budget left")
    assert left.links == ()
    assert "runbooks/availability.md" in left.description
    assert "LlmctlAvailabilityBurn1h" in left.description
