"""What differs is told by what it is about, and which stages it touches."""

from pathlib import Path

import pytest

from llmctl.plan.changes import Changes, changes
from tests.plan.recorded import TWO, configured

ROUTE = "routes: {auto: {kind: weighted, weights: {small: 1, large: 1}}, other: {kind: fixed, model: small}}\n"


def between(folder: Path, old: str, new: str) -> Changes:
    return changes(configured(folder, "old", TWO + old), configured(folder, "new", TWO + new))


@pytest.mark.parametrize(
    ("new", "groups"),
    [
        (ROUTE, []),
        (ROUTE.replace("large: 1", "large: 2"), ["routes"]),
        (ROUTE + "cache: {dir: null}\n", ["cache"]),
        (ROUTE + "compress: {kind: minify}\n", ["compress"]),
        (ROUTE.replace("model: small", "model: small, compress: off"), ["compress"]),
        (ROUTE.replace("model: small", "model: small, fallbacks: [large]"), ["resilience"]),
        (ROUTE + "resilience: {retry: {attempts: 2}}\n", ["resilience"]),
        (ROUTE + "guardrails: {preset: strict}\n", ["guardrails"]),
        (
            ROUTE + "guardrails: {policies: {rl: {kind: rate_limit, on_error: block, options: {concurrency: 1}}}}\n",
            ["limits"],
        ),
        (ROUTE + "budgets: {limits: {all: {usd: 1}}}\n", ["budgets"]),
        (ROUTE + "telemetry: {service: other}\n", ["other"]),
        (ROUTE + "server: {port: 9999}\n", ["other"]),
    ],
)
def test_groups(tmp_path: Path, new: str, groups: list[str]) -> None:
    found = between(tmp_path, ROUTE, new)
    assert list(found.groups) == groups
    assert found.touches("routes") is ("routes" in groups)


def test_names_with_dots_and_names_within_names(tmp_path: Path) -> None:
    old = TWO.replace("small:", '"gpt-4.1":').replace("large:", '"gpt-4.1.b":')
    route = 'routes: {"a.b": {kind: weighted, weights: {"gpt-4.1": 1}}, "a.b.c": {kind: fixed, model: gpt-4.1}}\n'
    one = configured(tmp_path, "old", old + route)
    two = configured(tmp_path, "new", old + route.replace("model: gpt-4.1", "model: gpt-4.1, fallbacks: [gpt-4.1.b]"))
    found = changes(one, two)
    assert list(found.groups) == ["resilience"]
    assert found.routes == frozenset()


def test_only_the_routes_that_differ_are_looked_at(tmp_path: Path) -> None:
    found = between(tmp_path, ROUTE, ROUTE.replace("large: 1", "large: 2"))
    assert found.routes == frozenset({"auto"})
    assert found.routing
    mirrored = ROUTE.replace("model: small", "model: small, experiment: {kind: shadow, name: s, model: large}")
    assert between(tmp_path, ROUTE, mirrored).routes == frozenset()
    priced = TWO.replace("input: 1.0", "input: 3.0")
    both = changes(configured(tmp_path, "old", TWO + ROUTE), configured(tmp_path, "new", priced + ROUTE))
    assert both.routes is None


def test_policies_by_what_they_judge(tmp_path: Path) -> None:
    limit = "rl: {kind: rate_limit, on_error: block, options: {concurrency: 1}}"
    guard = "w: {kind: pattern, on_error: block, options: {patterns: [{name: w, regex: x, action: block}]}}"
    found = between(
        tmp_path,
        "",
        f"guardrails: {{policies: {{{limit}, {guard}, pii: {{kind: pii, on_error: block, mode: disabled}}}}}}\n",
    )
    assert set(found.limits.changed) == {"rl"}
    assert set(found.guards.changed) == {"w", "pii"}
    assert found.guards.changed["pii"][1] is None
    assert not between(tmp_path, "", "guardrails: {preset: balanced}\n").guards.changed


def test_a_preset_makes_guards_more_cautious(tmp_path: Path) -> None:
    found = between(tmp_path, "", "guardrails: {preset: lenient}\n")
    assert "content" in found.guards.changed
