"""The JSON that Grafana reads: structure, not its every letter."""

from itertools import combinations
from typing import Any

import pytest

from llmctl.dashboards.grafana import SOURCE, TAG, grafana
from llmctl.dashboards.panels import WIDTH, Dashboard

UIDS = [
    "llmctl-overview",
    "llmctl-models",
    "llmctl-cost",
    "llmctl-guardrails",
    "llmctl-cache",
    "llmctl-gateway",
    "llmctl-slo",
]
UNITS = {"short", "s", "reqps", "percentunit", "currencyUSD", "bytes", "dateTimeFromNow"}


@pytest.fixture
def documents(pages: list[Dashboard]) -> list[dict[str, Any]]:
    return [grafana(page) for page in pages]


def drawn(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in document["panels"] if panel["type"] != "row"]


def test_uids_are_what_links_hold(documents: list[dict[str, Any]]) -> None:
    assert [document["uid"] for document in documents] == UIDS
    assert all(document["id"] is None and document["schemaVersion"] == 39 for document in documents)


def test_panels_have_numbers_of_their_own_and_do_not_overlap(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        numbers = [panel["id"] for panel in document["panels"]]
        assert len(set(numbers)) == len(numbers)
        places = [panel["gridPos"] for panel in document["panels"]]
        assert all(at["x"] >= 0 and at["x"] + at["w"] <= WIDTH and at["w"] > 0 and at["h"] > 0 for at in places)
        for one, other in combinations(places, 2):
            apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert apart or above, (document["uid"], one, other)


def test_no_line_of_panels_ends_early(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        widths: dict[int, int] = {}
        for panel in document["panels"]:
            widths[panel["gridPos"]["y"]] = widths.get(panel["gridPos"]["y"], 0) + panel["gridPos"]["w"]
        assert set(widths.values()) == {WIDTH}, document["uid"]


def test_everything_asks_the_chosen_datasource(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        chosen, *others = document["templating"]["list"]
        assert (chosen["name"], chosen["type"], chosen["query"], chosen["current"]) == (
            "datasource",
            "datasource",
            "prometheus",
            {},
        )
        asking = [*others, *document["annotations"]["list"]]
        for panel in drawn(document):
            asking += [panel, *panel["targets"]]
        assert all(each["datasource"] == SOURCE for each in asking)


def test_a_datasource_can_be_chosen_beforehand(pages: list[Dashboard]) -> None:
    chosen = grafana(pages[0], "prom-1")["templating"]["list"][0]
    assert chosen["current"]["value"] == "prom-1"


def test_every_variable_is_used_and_every_used_one_is_there(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        there = {variable["name"] for variable in document["templating"]["list"]} - {"datasource"}
        asked = " ".join(target["expr"] for panel in drawn(document) for target in panel["targets"])
        used = {name for name in ("job", "instance", "model", "route") if f'"${name}"' in asked}
        assert there == used, document["uid"]


def test_panels_explain_themselves(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        assert document["description"]
        for panel in drawn(document):
            defaults = panel["fieldConfig"]["defaults"]
            assert panel["title"] and len(panel["description"]) > 5 and defaults["unit"] in UNITS, panel["title"]  # noqa: PT018
            first, *rest = defaults["thresholds"]["steps"]
            assert first["value"] is None
            assert [step["value"] for step in rest] == sorted(step["value"] for step in rest)
            names = [target["refId"] for target in panel["targets"]]
            assert len(set(names)) == len(names) > 0


def test_pages_link_to_each_other(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        (link,) = document["links"]
        assert (link["type"], link["tags"], link["keepTime"], link["includeVars"]) == ("dashboards", [TAG], True, True)
        assert TAG in document["tags"]


def test_latency_has_exemplars_and_only_latency(documents: list[dict[str, Any]]) -> None:
    with_exemplars = {
        (document["uid"], panel["title"], panel["type"])
        for document in documents
        for panel in drawn(document)
        if any(target["exemplar"] for target in panel["targets"])
    }
    assert with_exemplars == {
        ("llmctl-overview", "Duration of requests", "timeseries"),
        ("llmctl-overview", "Duration of requests, all", "heatmap"),
        ("llmctl-models", "Duration of requests", "timeseries"),
    }


def test_a_heatmap_is_drawn_of_buckets(documents: list[dict[str, Any]]) -> None:
    (heat,) = [panel for panel in drawn(documents[0]) if panel["type"] == "heatmap"]
    assert heat["targets"][0]["format"] == "heatmap"
    assert heat["options"]["calculate"] is False
    assert "sum by (le)" in heat["targets"][0]["expr"]


def test_a_line_is_drawn_where_it_is_grave(documents: list[dict[str, Any]]) -> None:
    for document in documents:
        for panel in drawn(document):
            if panel["type"] == "timeseries":
                lines = len(panel["fieldConfig"]["defaults"]["thresholds"]["steps"]) > 1
                style = panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"]
                assert style == ("dashed" if lines else "off")
