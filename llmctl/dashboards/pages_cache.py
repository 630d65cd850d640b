"""The cache: how often it answers, how often it may be wrong, what it holds."""

from llmctl.alerts.indicators import CACHE_BOUND
from llmctl.alerts.slo import CacheErrorSlo, Slos
from llmctl.dashboards.pages_overview import ASKED, HIT, OUTCOMES
from llmctl.dashboards.panels import Dashboard, Query, Row, figure, graph, steps
from llmctl.dashboards.scope import Scope, share

ROUTE = 'route=~"$route"'
AUDITED, SEMANTIC = 'outcome="audit"', 'outcome=~"semantic|audit"'
MEMORY = "llmctl_cache_memory"


def cache(scope: Scope, slos: Slos) -> Dashboard:
    """The page; what is promised of the error is a line in its panels."""
    return Dashboard(
        uid="llmctl-cache",
        title="llmctl / Cache",
        description="How often the cache answers, how often it may be wrong, what it holds.",
        rows=(_answers(scope), _errors(scope, slos), _holds(scope)),
        variables=scope.variables(route=True),
        annotations=(scope.reloads(),),
    )


def _answers(scope: Scope) -> Row:
    hits = share(scope.rate(OUTCOMES, ROUTE, HIT, by="route"), scope.rate(OUTCOMES, ROUTE, ASKED, by="route"))
    all_hits = share(scope.grown(OUTCOMES, ROUTE, HIT), scope.grown(OUTCOMES, ROUTE, ASKED))
    saved = scope.grown("llmctl_cache_saved_tokens_total", ROUTE)
    return Row(
        "Answers",
        (
            figure(
                "Answered",
                "Share of requests the cache was asked for that it answered, in the time looked at.",
                "percentunit",
                all_hits,
                width=4,
            ),
            figure("Tokens saved", "In the time looked at: what its answers once took.", "short", saved, width=4),
            graph(
                "Answered, by route",
                "Requests that said `bypass` or `refresh` are not counted.",
                "percentunit",
                Query(hits, "{{route}}"),
                width=8,
                most=1,
            ),
            graph(
                "Outcomes",
                "A second.",
                "reqps",
                Query(scope.rate(OUTCOMES, ROUTE, by="outcome"), "{{outcome}}"),
                width=8,
                stack=True,
            ),
        ),
    )


def _errors(scope: Scope, slos: Slos) -> Row:
    bound = scope.level(CACHE_BOUND, ROUTE, by="route", how="max")
    audits = share(scope.rate(OUTCOMES, ROUTE, AUDITED, by="route"), scope.rate(OUTCOMES, ROUTE, SEMANTIC, by="route"))
    limits = [slo.objective for slo in slos.slos.values() if isinstance(slo, CacheErrorSlo)]
    limit = steps(min(limits)) if limits else ()
    return Row(
        "Errors of the semantic cache",
        (
            graph(
                "Bound on false hits",
                "Share of requests that may have got another question's answer. The line is what is promised.",
                "percentunit",
                Query(bound, "{{route}}"),
                width=12,
                steps=limit,
            ),
            graph(
                "Audited",
                "Share of would-be hits that asked the model, to see whether the cache was right.",
                "percentunit",
                Query(audits, "{{route}}"),
                width=12,
                most=1,
            ),
        ),
    )


def _holds(scope: Scope) -> Row:
    entries = scope.level(MEMORY, 'unit!="bytes"', by="unit")
    bytes_ = scope.level(MEMORY, 'unit="bytes"', by="instance")
    return Row(
        "What it holds",
        (
            graph(
                "Entries",
                "In memory, and those that could not be written to disk.",
                "short",
                Query(entries, "{{unit}}"),
                width=12,
            ),
            graph("Bytes", "In memory.", "bytes", Query(bytes_, "{{instance}}"), width=12),
        ),
    )
