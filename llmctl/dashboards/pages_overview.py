"""The first page to look at: is it up, is it fast, is it right, what does it cost."""

from llmctl.alerts.indicators import COST, REQUESTS, SHADOW_COST, VERDICTS
from llmctl.dashboards.panels import Dashboard, Panel, Query, Row, graph, steps
from llmctl.dashboards.scope import RANGE, Scope, share
from llmctl.model.record import FROM_CACHE, UNASKED

FAILED, SERVED = 'status=~"5.."', 'status=~"[25].."'
QUANTILES = (0.5, 0.95, 0.99)
OVERHEAD = "llmctl_overhead_seconds"
OUTCOMES = "llmctl_cache_requests_total"
HIT = f'outcome=~"{"|".join(sorted(FROM_CACHE))}"'
ASKED = f'outcome!~"{"|".join(sorted(UNASKED))}"'


def overview(scope: Scope) -> Dashboard:
    """The page."""
    return Dashboard(
        uid="llmctl-overview",
        title="llmctl / Overview",
        description="Whether the gateway is up, fast and right, and what it costs.",
        rows=(_now(scope), _traffic(scope), _time(scope)),
        variables=scope.variables(),
        annotations=(scope.reloads(),),
    )


def _now(scope: Scope) -> Row:
    names = scope.names
    failed = share(scope.rate(REQUESTS, FAILED), scope.rate(REQUESTS, SERVED))
    cached = share(scope.grown(OUTCOMES, HIT), scope.grown(OUTCOMES, ASKED))
    spent = f"({scope.grown(COST)} or vector(0)) + ({scope.grown(SHADOW_COST)} or vector(0))"

    def stat(title: str, description: str, expr: str, unit: str, *bounds: float) -> Panel:
        colored = steps(*bounds) if bounds else ()
        return Panel("stat", title, description, (Query(expr, instant=RANGE in expr),), unit, width=3, steps=colored)

    return Row(
        "Now",
        (
            stat("Requests", "Requests a second.", scope.rate(REQUESTS), "reqps"),
            stat(
                "Failed", "Share of answers that failed for a reason of ours (5xx).", failed, "percentunit", 0.001, 0.01
            ),
            stat(
                "p95",
                "95% of requests take no longer, to their last byte.",
                scope.quantile(0.95, names.server_duration),
                "s",
            ),
            stat("First token, p95", "95% of streams begin no later.", scope.quantile(0.95, names.time_to_first), "s"),
            stat("In flight", "Exchanges under way.", scope.level("llmctl_in_flight"), "short"),
            stat("Spent", "US dollars in the time looked at, where prices are known.", spent, "currencyUSD"),
            stat(
                "From the cache", "Share of requests the cache was asked for that it answered.", cached, "percentunit"
            ),
            stat(
                "Breakers open", "Models that are not asked for now.", scope.level("llmctl_breakers_open"), "short", 1
            ),
        ),
        height=4,
    )


def _traffic(scope: Scope) -> Row:
    blocked = scope.rate(VERDICTS, 'action="block"', by="guard")
    return Row(
        "Traffic",
        (
            graph(
                "Requests by status",
                "499 is a client that went away.",
                "reqps",
                Query(scope.rate(REQUESTS, by="status"), "{{status}}"),
                stack=True,
            ),
            graph(
                "Requests by model",
                "By the model that answered, or the name asked for.",
                "reqps",
                Query(scope.rate(REQUESTS, by="model"), "{{model}}"),
                stack=True,
            ),
            graph(
                "Attempts that failed",
                "Calls of providers, by how they ended. Most are tried again.",
                "reqps",
                Query(
                    scope.rate("llmctl_attempts_total", 'outcome!="ok"', by="provider, outcome"),
                    "{{provider}} {{outcome}}",
                ),
            ),
            graph(
                "Tokens",
                "Tokens a second, by bucket.",
                "short",
                Query(scope.rate("llmctl_tokens_total", by="bucket"), "{{bucket}}"),
                stack=True,
            ),
            graph(
                "Not as chosen",
                "Answers by a fallback, a cheaper model, an old answer or a text of the route.",
                "reqps",
                Query(scope.rate("llmctl_degraded_total", by="how"), "{{how}}"),
            ),
            graph(
                "Blocked by guards", "Exchanges a second that a guard stopped.", "reqps", Query(blocked, "{{guard}}")
            ),
        ),
    )


def _time(scope: Scope) -> Row:
    duration = scope.names.server_duration
    quantiles = tuple(Query(scope.quantile(at, duration), f"p{at * 100:g}", exemplars=True) for at in QUANTILES)
    heat = scope.rate(f"{duration}_bucket", by="le")
    first = tuple(Query(scope.quantile(at, scope.names.time_to_first), f"p{at * 100:g}") for at in QUANTILES)
    ours = tuple(Query(scope.quantile(at, OVERHEAD), f"p{at * 100:g}") for at in QUANTILES)
    return Row(
        "Time",
        (
            graph(
                "Duration of requests",
                "To the last byte. Dots are single requests: their labels name the record.",
                "s",
                *quantiles,
                width=12,
            ),
            Panel(
                "heatmap",
                "Duration of requests, all",
                "How many took how long.",
                (Query(heat, "{{le}}", exemplars=True),),
                "s",
                width=12,
                least=None,
            ),
            graph(
                "First token",
                "From the request's first byte to the first token of a stream.",
                "s",
                *first,
                width=12,
            ),
            graph("Our own time", "Of a request, what was not spent waiting for providers.", "s", *ours, width=12),
        ),
    )
