"""Models and providers: how fast, how often wrong, what routing did."""

from llmctl.alerts.indicators import REQUESTS
from llmctl.dashboards.panels import Dashboard, Panel, Query, Row, bars, graph, steps
from llmctl.dashboards.scope import Scope, share

ATTEMPTS = "llmctl_attempts_total"
MODEL = 'model=~"$model"'


def models(scope: Scope) -> Dashboard:
    """The page."""
    return Dashboard(
        uid="llmctl-models",
        title="llmctl / Models",
        description="Models and providers: how fast they are, how often they fail, what routing made of that.",
        rows=(_answers(scope), _time(scope), _attempts(scope), _load(scope), _routing(scope)),
        variables=scope.variables(model=True),
        annotations=(scope.reloads(),),
    )


def _answers(scope: Scope) -> Row:
    failed = share(
        scope.rate(REQUESTS, MODEL, 'status=~"5.."', by="model"),
        scope.rate(REQUESTS, MODEL, 'status=~"[25].."', by="model"),
    )
    tokens = scope.rate("llmctl_tokens_total", MODEL, by="model, bucket")
    return Row(
        "Answers",
        (
            graph(
                "Requests",
                "By the model that answered.",
                "reqps",
                Query(scope.rate(REQUESTS, MODEL, by="model"), "{{model}}"),
                stack=True,
            ),
            graph(
                "Failed",
                "Share of answers that failed for a reason of ours (5xx).",
                "percentunit",
                Query(failed, "{{model}}"),
                most=1,
            ),
            graph("Tokens", "Tokens a second.", "short", Query(tokens, "{{model}} {{bucket}}"), stack=True),
        ),
    )


def _time(scope: Scope) -> Row:
    names = scope.names
    chosen = f'{names.model}=~"$model"'

    def quantiles(title: str, description: str, histogram: str, *, exemplars: bool = False) -> Panel:
        queries = tuple(
            Query(
                scope.quantile(at, histogram, chosen, by=names.model),
                f"{{{{{names.model}}}}} p{at * 100:g}",
                exemplars=exemplars,
            )
            for at in (0.5, 0.95)
        )
        return graph(title, description, "s", *queries, width=12)

    return Row(
        "Time",
        (
            quantiles(
                "Duration of requests",
                "To the last byte; dots are single requests.",
                names.server_duration,
                exemplars=True,
            ),
            quantiles("First token", "Of streams.", names.time_to_first),
            quantiles("Pace", "Seconds for each further token of a stream.", names.time_per_output),
            quantiles("Duration of attempts", "Calls of providers, failed ones too.", names.client_duration),
        ),
    )


def _attempts(scope: Scope) -> Row:
    outcomes = scope.rate(ATTEMPTS, MODEL, by="provider, outcome")
    again = scope.rate(ATTEMPTS, MODEL, 'why!="first"', by="model, why")
    ok = share(scope.rate(ATTEMPTS, MODEL, 'outcome="ok"', by="provider"), scope.rate(ATTEMPTS, MODEL, by="provider"))
    names = scope.names
    used, per = names.client_tokens, f"{names.model}, {names.direction}"
    chosen = f'{names.model}=~"$model"'
    mean = f"{scope.rate(f'{used}_sum', chosen, by=per)} / ({scope.rate(f'{used}_count', chosen, by=per)} > 0)"
    legend = f"{{{{{names.model}}}}} {{{{{names.direction}}}}}"
    return Row(
        "Calls of providers",
        (
            graph(
                "By outcome",
                "How calls of providers end.",
                "reqps",
                Query(outcomes, "{{provider}} {{outcome}}"),
                stack=True,
                width=6,
            ),
            graph("That went well", "Share of calls.", "percentunit", Query(ok, "{{provider}}"), most=1, width=6),
            graph(
                "Not the first",
                "Retries, fallbacks, hedges, panels, resumed streams.",
                "reqps",
                Query(again, "{{model}} {{why}}"),
                width=6,
            ),
            graph("Tokens of a request", "Mean, in and out.", "short", Query(mean, legend), width=6),
        ),
    )


def _load(scope: Scope) -> Row:
    calls = scope.level("llmctl_model_in_flight", MODEL, by="model")
    waiting = scope.level("llmctl_queue_depth", MODEL, by="model")
    return Row(
        "Load",
        (
            graph("Calls under way", "By model.", "short", Query(calls, "{{model}}"), width=12, stack=True),
            graph(
                "Calls that wait",
                "For models with `concurrency`, while all of it is taken.",
                "short",
                Query(waiting, "{{model}}"),
                width=12,
                stack=True,
            ),
        ),
    )


def _routing(scope: Scope) -> Row:
    decisions = scope.rate("llmctl_route_decisions_total", MODEL, by="route, model, strategy")
    changes = scope.grown("llmctl_breaker_transitions_total", MODEL, by="model, to, reason")
    copies = scope.rate("llmctl_shadow_requests_total", MODEL, by="model, state")
    return Row(
        "Routing",
        (
            graph(
                "Decisions",
                "Choices of a model.",
                "reqps",
                Query(decisions, "{{route}}: {{model}} ({{strategy}})"),
                stack=True,
            ),
            graph(
                "Not as chosen",
                "Answers by how low a route had to stoop.",
                "reqps",
                Query(scope.rate("llmctl_degraded_total", by="route, how"), "{{route}}: {{how}}"),
            ),
            graph(
                "Breakers",
                "0 closed, 1 half open, 2 open: not asked for now. Of several workers the highest.",
                "short",
                Query(scope.level("llmctl_breaker_state", MODEL, by="model", how="max"), "{{model}}"),
                steps=steps(1),
                most=2,
            ),
            bars(
                "Breakers' changes",
                "In the time looked at.",
                "short",
                Query(changes, "{{model}} {{to}}: {{reason}}"),
                width=12,
            ),
            graph("Copies", "For models that are only tried.", "reqps", Query(copies, "{{model}} {{state}}"), width=12),
        ),
    )
