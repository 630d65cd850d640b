"""Guards: what they found, what was done about it, and whether they work at all."""

from llmctl.alerts.indicators import VERDICTS
from llmctl.dashboards.panels import Dashboard, Panel, Query, Row, bars, figure, graph, steps
from llmctl.dashboards.scope import Scope, share


def guardrails(scope: Scope) -> Dashboard:
    """The page."""
    return Dashboard(
        uid="llmctl-guardrails",
        title="llmctl / Guardrails",
        description="What guards found, what was done about it, and whether they work at all.",
        rows=(_found(scope), _working(scope), _limits(scope)),
        variables=scope.variables(),
        annotations=(scope.reloads(),),
    )


def _found(scope: Scope) -> Row:
    all_ = scope.rate(VERDICTS)
    found = share(scope.rate(VERDICTS, 'verdict=~"warn|redact|block"'), all_)
    shadow = scope.rate(VERDICTS, 'action=~"would_.*"', by="guard, action")
    table = scope.grown(VERDICTS, by="guard, verdict, action")

    def stat(title: str, description: str, expr: str, unit: str = "short") -> Panel:
        return figure(title, description, unit, expr, width=6)

    return Row(
        "Found",
        (
            stat("Judgements", "In the time looked at; several to a request.", scope.grown(VERDICTS)),
            stat("Blocked", "Exchanges stopped, in the time looked at.", scope.grown(VERDICTS, 'action="block"')),
            stat("Redacted", "Exchanges in which something was replaced.", scope.grown(VERDICTS, 'action="redact"')),
            stat(
                "Only watched",
                "Found by guards in shadow mode, and let through.",
                scope.grown(VERDICTS, 'action=~"would_.*"'),
            ),
            graph(
                "Verdicts that are not `allow`",
                "A second.",
                "reqps",
                Query(scope.rate(VERDICTS, 'verdict!="allow"', by="guard, verdict"), "{{guard}} {{verdict}}"),
                width=12,
            ),
            graph(
                "Actions",
                "What was done, a second.",
                "reqps",
                Query(scope.rate(VERDICTS, 'action!="allow"', by="guard, action"), "{{guard}} {{action}}"),
                width=12,
            ),
            graph(
                "Share in which something was found", "Of all judgements.", "percentunit", Query(found, "found"), most=1
            ),
            graph("In shadow mode", "What would have been done.", "reqps", Query(shadow, "{{guard}} {{action}}")),
            bars("All", "In the time looked at.", "short", Query(table, "{{guard}} {{verdict}} > {{action}}")),
        ),
        height=7,
    )


def _working(scope: Scope) -> Row:
    failed = share(scope.rate(VERDICTS, 'verdict="error"', by="guard"), scope.rate(VERDICTS, by="guard"))
    unscanned = share(scope.rate(VERDICTS, 'verdict="unscanned"', by="guard"), scope.rate(VERDICTS, by="guard"))
    return Row(
        "Do they work",
        (
            graph(
                "Failed",
                "Share of judgements that a guard failed to give. What then happens is its `on_error`.",
                "percentunit",
                Query(failed, "{{guard}}"),
                width=12,
                steps=steps(0.001, 0.01),
            ),
            graph(
                "Nothing to judge",
                "Share of exchanges with nothing that the guard can read, such as images.",
                "percentunit",
                Query(unscanned, "{{guard}}"),
                width=12,
                most=1,
            ),
        ),
    )


def _limits(scope: Scope) -> Row:
    left = scope.level("llmctl_limit_remaining_ratio", by="policy", how="min")
    return Row(
        "Rate limits",
        (
            bars(
                "Left",
                "Of each limit, for the subject that has least.",
                "percentunit",
                Query(left, "{{policy}}"),
                width=12,
                most=1,
                steps=steps(0.1, 0.25, rising=False),
            ),
            graph(
                "Left, over time",
                "At 0 requests are refused with 429.",
                "percentunit",
                Query(left, "{{policy}}"),
                width=12,
                most=1,
            ),
        ),
    )
