"""The files that Grafana loads by itself."""

import json

import yaml

from llmctl.dashboards.folder import PROVISIONED, files
from llmctl.dashboards.panels import Dashboard


def test_a_provider_points_at_the_pages(pages: list[Dashboard]) -> None:
    written = files(pages, "Header.", path="/srv/grafana/llmctl")
    first, *others = written
    assert first == "dashboards.yaml"
    provider = yaml.safe_load(written[first])
    assert provider["apiVersion"] == 1
    assert [each["options"]["path"] for each in provider["providers"]] == ["/srv/grafana/llmctl"]
    assert others == [
        f"llmctl/{name}.json" for name in ("overview", "models", "cost", "guardrails", "cache", "gateway", "slo")
    ]


def test_pages_are_json_with_their_uid_and_the_datasource(pages: list[Dashboard]) -> None:
    written = files(pages, "Header.", datasource="prom")
    assert PROVISIONED in written["dashboards.yaml"]
    for page, text in zip(pages, list(written.values())[1:], strict=True):
        document = json.loads(text)
        assert document["uid"] == page.uid
        assert document["templating"]["list"][0]["current"]["value"] == "prom"
