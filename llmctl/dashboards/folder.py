"""All dashboards as files for a Grafana that loads them by itself.

Source: https://grafana.com/docs/grafana/latest/administration/provisioning/#dashboards
"""

import json
from typing import Any

from llmctl.alerts.document import document
from llmctl.alerts.slo import Histograms, Slos
from llmctl.dashboards.grafana import grafana
from llmctl.dashboards.pages_cache import cache
from llmctl.dashboards.pages_cost import cost
from llmctl.dashboards.pages_gateway import gateway
from llmctl.dashboards.pages_guardrails import guardrails
from llmctl.dashboards.pages_models import models
from llmctl.dashboards.pages_overview import overview
from llmctl.dashboards.pages_slo import slo
from llmctl.dashboards.panels import Dashboard
from llmctl.dashboards.scope import Scope
from llmctl.telemetry.semconv import Names

FOLDER = "llmctl"
PROVISIONED = f"/etc/grafana/provisioning/dashboards/{FOLDER}"
"""Where Debian's and Grafana's own packages and images find them."""


def dashboards(slos: Slos, histograms: Histograms, names: Names, runbooks: str | None = None) -> list[Dashboard]:
    """Every page; `names` are the served metrics', `runbooks` the address below which runbooks are to be read."""
    scope = Scope(slos.match, names)
    return [
        overview(scope),
        models(scope),
        cost(scope),
        guardrails(scope),
        cache(scope, slos),
        gateway(scope),
        slo(slos, histograms, runbooks),
    ]


def files(
    pages: list[Dashboard], header: str, *, path: str = PROVISIONED, datasource: str | None = None
) -> dict[str, str]:
    """Text by file name: dashboards.yaml, which sends Grafana to `path`, and llmctl/NAME.json of each page."""
    written = {"dashboards.yaml": document(_provider(path), header)}
    for page in pages:
        name = page.uid.removeprefix("llmctl-")
        written[f"{FOLDER}/{name}.json"] = json.dumps(grafana(page, datasource), indent=2, ensure_ascii=False) + "\n"
    return written


def _provider(path: str) -> dict[str, Any]:
    provider = {
        "name": "llmctl",
        "orgId": 1,
        "folder": "llmctl",
        "type": "file",
        "disableDeletion": False,
        "allowUiUpdates": False,
        "updateIntervalSeconds": 30,
        "options": {"path": path},
    }
    return {"apiVersion": 1, "providers": [provider]}
