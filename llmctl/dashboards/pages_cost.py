"""Money and tokens: what is spent, by whom of the models, what budgets have left, what was saved."""

from llmctl.alerts.indicators import COST, REQUESTS, SHADOW_COST
from llmctl.dashboards.panels import Dashboard, Panel, Query, Row, bars, figure, graph, steps
from llmctl.dashboards.scope import Scope

MODEL = 'model=~"$model"'
TOKENS = "llmctl_tokens_total"


def cost(scope: Scope) -> Dashboard:
    """The page."""
    return Dashboard(
        uid="llmctl-cost",
        title="llmctl / Cost",
        description="What is spent, what budgets have left, what the cache and compression saved.",
        rows=(_spent(scope), _course(scope), _budgets(scope), _saved(scope)),
        variables=scope.variables(model=True),
        annotations=(scope.reloads(),),
        since="now-24h",
    )


def _spent(scope: Scope) -> Row:
    spent = scope.grown(COST, MODEL)
    day = scope.grown(COST, MODEL, window="1d")
    per_thousand = f"1000 * {spent} / ({scope.grown(REQUESTS, MODEL)} > 0)"
    prompts = scope.grown(TOKENS, MODEL, 'bucket=~"input|cached_.*"')
    read = scope.grown(TOKENS, MODEL, 'bucket="cached_read"')

    def stat(title: str, description: str, expr: str, unit: str = "currencyUSD") -> Panel:
        return figure(title, description, unit, expr, width=4)

    return Row(
        "Spent",
        (
            stat("Spent", "In the time looked at, where prices are known.", spent),
            stat("Last 24 hours", "Whatever time is looked at.", day),
            stat("A thousand requests", "Mean, in the time looked at.", per_thousand),
            stat(
                "Read from providers' caches",
                "Share of prompts' tokens that providers charged as cached.",
                f"{read} / ({prompts} > 0)",
                "percentunit",
            ),
            stat(
                "Copies",
                "For models that are only tried; not part of the other figures.",
                scope.grown(SHADOW_COST, MODEL),
            ),
            stat("Tokens", "In the time looked at, in and out.", scope.grown(TOKENS, MODEL), "short"),
        ),
        height=4,
    )


def _course(scope: Scope) -> Row:
    hourly = f"3600 * {scope.rate(COST, MODEL, by='model')}"
    return Row(
        "Over time",
        (
            graph(
                "Dollars an hour",
                "At the pace of each moment.",
                "currencyUSD",
                Query(hourly, "{{model}}"),
                width=12,
                stack=True,
            ),
            bars(
                "By model",
                "In the time looked at.",
                "currencyUSD",
                Query(scope.grown(COST, MODEL, by="model"), "{{model}}"),
                width=6,
            ),
            graph(
                "Tokens by bucket",
                "A second.",
                "short",
                Query(scope.rate(TOKENS, MODEL, by="bucket"), "{{bucket}}"),
                width=6,
                stack=True,
            ),
        ),
    )


def _budgets(scope: Scope) -> Row:
    left = scope.level("llmctl_budget_remaining_ratio", by="budget", how="min")
    spent = scope.level("llmctl_budget_spent_dollars", by="budget", how="max")
    return Row(
        "Budgets",
        (
            bars(
                "Left",
                "Of each budget, for the subject that has least.",
                "percentunit",
                Query(left, "{{budget}}"),
                most=1,
                steps=steps(0.1, 0.25, rising=False),
            ),
            graph(
                "Left, over time",
                "At 0 requests are refused, or what the budget says instead.",
                "percentunit",
                Query(left, "{{budget}}"),
                most=1,
            ),
            graph(
                "Spent in the period that is now",
                "By the subject that spent most.",
                "currencyUSD",
                Query(spent, "{{budget}}"),
            ),
        ),
    )


def _saved(scope: Scope) -> Row:
    saved = scope.rate("llmctl_cache_saved_tokens_total", by="route")
    out = scope.rate("llmctl_compressed_tokens_total", by="route")
    return Row(
        "Saved",
        (
            graph(
                "Tokens that the cache saved",
                "What its answers once took, a second.",
                "short",
                Query(saved, "{{route}}"),
                width=12,
                stack=True,
            ),
            graph(
                "Tokens that compression took out",
                "By estimate, a second.",
                "short",
                Query(out, "{{route}}"),
                width=12,
                stack=True,
            ),
        ),
    )
