"""Dashboards as Grafana 10 and later load them from files.

Source: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/
"""

from collections.abc import Iterator, Sequence
from typing import Any

from llmctl.dashboards.panels import PLAIN, WIDTH, Annotation, Dashboard, Panel, Query, Row, Step, Variable

SCHEMA = 39
"""Of Grafana 10.4 to 11.2; later ones read it too."""
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAG = "llmctl"
_ALL = {"selected": True, "text": ["All"], "value": ["$__all"]}


def grafana(dashboard: Dashboard, datasource: str | None = None) -> dict[str, Any]:
    """The dashboard's JSON. `datasource` is the uid of the Prometheus chosen at first, else Grafana's default one."""
    return {
        "id": None,
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.description,
        "tags": [TAG],
        "schemaVersion": SCHEMA,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "timezone": "",
        "refresh": "30s",
        "time": {"from": dashboard.since, "to": "now"},
        "links": [_others()],
        "templating": {"list": [_source(datasource), *map(_variable, dashboard.variables)]},
        "annotations": {"list": [*map(_annotation, dashboard.annotations)]},
        "panels": list(_laid_out(dashboard.rows)),
    }


def _laid_out(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """Panels from the top down, numbered in that order; a panel that no longer fits begins a line."""
    top, number = 0, 0
    for row in rows:
        number += 1
        at = {"x": 0, "y": top, "w": WIDTH, "h": 1}
        yield {"id": number, "type": "row", "title": row.title, "collapsed": False, "gridPos": at, "panels": []}
        top, left = top + 1, 0
        for panel in row.panels:
            if left + panel.width > WIDTH:
                top, left = top + row.height, 0
            number += 1
            at = {"x": left, "y": top, "w": panel.width, "h": row.height}
            yield {"id": number, "gridPos": at, **_panel(panel)}
            left += panel.width
        top += row.height


def _panel(panel: Panel) -> dict[str, Any]:
    defaults: dict[str, Any] = {
        "unit": panel.unit,
        "color": {"mode": "palette-classic" if panel.kind == "timeseries" else "thresholds"},
        "thresholds": _thresholds(panel.steps),
        "custom": _custom(panel),
    }
    defaults |= {name: value for name, value in (("min", panel.least), ("max", panel.most)) if value is not None}
    drawn: dict[str, Any] = {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": SOURCE,
        "targets": [_target(panel, number, query) for number, query in enumerate(panel.queries)],
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _options(panel),
    }
    if panel.kind == "table":
        drawn["transformations"] = [{"id": "organize", "options": {"excludeByName": {"Time": True, "Value": True}}}]
    if panel.links:
        drawn["links"] = [{"title": link.title, "url": link.url, "targetBlank": True} for link in panel.links]
    return drawn


def _target(panel: Panel, number: int, query: Query) -> dict[str, Any]:
    form = {"heatmap": "heatmap", "table": "table"}.get(panel.kind, "time_series")
    return {
        "refId": chr(ord("A") + number),
        "datasource": SOURCE,
        "expr": query.expr,
        "legendFormat": query.legend or "__auto",
        "format": form,
        "instant": query.instant,
        "range": not query.instant,
        "exemplar": query.exemplars,
    }


def _custom(panel: Panel) -> dict[str, Any]:
    if panel.kind != "timeseries":
        return {}
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 30 if panel.stack else 8,
        "showPoints": "never",
        "stacking": {"mode": "normal" if panel.stack else "none", "group": "A"},
        "thresholdsStyle": {"mode": "dashed" if panel.steps else "off"},
    }


def _options(panel: Panel) -> dict[str, Any]:
    last = {"calcs": ["lastNotNull"], "fields": "", "values": False}
    if panel.kind == "timeseries":
        legend = {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []}
        return {"legend": legend, "tooltip": {"mode": "multi", "sort": "desc"}}
    if panel.kind == "heatmap":
        return {
            "calculate": False,
            "color": {"mode": "scheme", "scheme": "Spectral", "exponent": 0.5, "scale": "exponential", "steps": 64},
            "exemplars": {"color": "rgba(255,0,255,0.7)"},
            "filterValues": {"le": 1e-9},
            "legend": {"show": True},
            "rowsFrame": {"layout": "auto"},
            "tooltip": {"mode": "single", "yHistogram": True},
            "yAxis": {"axisPlacement": "left", "reverse": False, "unit": panel.unit},
        }
    if panel.kind == "stat":
        graph = "none" if all(query.instant for query in panel.queries) else "area"
        return {"reduceOptions": last, "colorMode": "value", "graphMode": graph, "textMode": "auto"}
    if panel.kind == "bargauge":
        return {"reduceOptions": last, "orientation": "horizontal", "displayMode": "basic", "showUnfilled": True}
    return {"showHeader": True}


def _thresholds(steps: tuple[Step, ...]) -> dict[str, Any]:
    levels = steps or (Step(PLAIN),)
    return {"mode": "absolute", "steps": [{"color": step.color, "value": step.value} for step in levels]}


def _source(uid: str | None) -> dict[str, Any]:
    current = {} if uid is None else {"selected": True, "text": uid, "value": uid}
    return {
        "name": "datasource",
        "label": "Prometheus",
        "type": "datasource",
        "query": "prometheus",
        "current": current,
        "hide": 0,
        "includeAll": False,
        "multi": False,
        "options": [],
        "refresh": 1,
        "regex": "",
    }


def _variable(variable: Variable) -> dict[str, Any]:
    return {
        "name": variable.name,
        "label": variable.label,
        "type": "query",
        "datasource": SOURCE,
        "definition": variable.query,
        "query": {"query": variable.query, "refId": variable.name},
        "current": _ALL,
        "hide": 0,
        "includeAll": True,
        "allValue": ".*",
        "multi": True,
        "options": [],
        "refresh": 2,
        "regex": "",
        "sort": 1,
    }


def _annotation(annotation: Annotation) -> dict[str, Any]:
    return {
        "name": annotation.name,
        "datasource": SOURCE,
        "enable": True,
        "hide": False,
        "iconColor": annotation.color,
        "expr": annotation.expr,
        "step": "30s",
        "titleFormat": annotation.name,
        "textFormat": annotation.text,
        "tagKeys": "",
        "useValueForTime": False,
    }


def _others() -> dict[str, Any]:
    """To all dashboards of ours, with the same time and choices."""
    return {
        "type": "dashboards",
        "title": "llmctl",
        "tags": [TAG],
        "asDropdown": False,
        "includeVars": True,
        "keepTime": True,
        "targetBlank": False,
        "icon": "external link",
        "tooltip": "",
        "url": "",
    }
