"""Which series and labels a page asks for, read off its queries. Every selector of ours has braces."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from llmctl.dashboards.panels import Dashboard

_SELECTOR = re.compile(r"([a-zA-Z_:][a-zA-Z0-9_:]*)\{([^{}]*)\}")
_MATCHER = re.compile(r'([a-zA-Z_]\w*)\s*(?:=~|!~|!=|=)\s*"[^"]*"')
_BY = re.compile(r"\bby \(([^)]*)\)")
_LEGEND = re.compile(r"\{\{(\w+)\}\}")
_CALLED = {
    "sum",
    "min",
    "max",
    "count",
    "rate",
    "increase",
    "histogram_quantile",
    "vector",
    "label_values",
    "max_over_time",
}
_WORDS = {"by", "or", "unless", "offset", "and"}


@dataclass(frozen=True)
class Asked:
    """A query: where it stands, its text, selectors (metric and labels), and labels it groups or names series by."""

    where: str
    expr: str
    selectors: tuple[tuple[str, frozenset[str]], ...]
    kept: frozenset[str]


def asked(page: Dashboard) -> Iterator[Asked]:
    """Every query of a page: panels', annotations', variables'."""
    for row in page.rows:
        for panel in row.panels:
            for query in panel.queries:
                name = f"{page.uid}: {row.title.partition(':')[0]}: {panel.title}: {query.legend}"
                yield _asked(name, query.expr, query.legend)
    for annotation in page.annotations:
        yield _asked(f"{page.uid}: annotation {annotation.name}", annotation.expr, annotation.text)
    for variable in page.variables:
        yield _asked(f"{page.uid}: variable {variable.name}", variable.query, f"{{{{{variable.name}}}}}")


def _asked(where: str, expr: str, legend: str) -> Asked:
    selectors = tuple((name, frozenset(_MATCHER.findall(inner))) for name, inner in _SELECTOR.findall(expr))
    rest = re.sub(r"\[[^]]*\]|\"[^\"]*\"", "", _BY.sub("", _SELECTOR.sub("", expr)))
    words = set(re.findall(r"[a-zA-Z_$][\w:]*", re.sub(r"\d+[smhd]\b", "", rest)))
    if "label_values" in words:
        words -= {"job", "instance", "model", "route"}
    assert words <= _CALLED | _WORDS, f"{where}: a metric without braces, or a function unknown here: {words}"
    grouped = {label.strip() for labels in _BY.findall(expr) for label in labels.split(",")}
    return Asked(where, expr, selectors, frozenset(grouped | set(_LEGEND.findall(legend))))
