"""PromQL of a scope: what the page's variables choose is in every selector."""

import pytest

from llmctl.dashboards.scope import Scope, share
from llmctl.telemetry.semconv import Names

MINE = Scope({"env": "live"}, Names())
CHOSEN = 'job=~"$job", instance=~"$instance", env="live"'


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (MINE.of("m"), f"m{{{CHOSEN}}}"),
        (MINE.rate("m", 'a="b"'), f'sum(rate(m{{a="b", {CHOSEN}}}[$__rate_interval]))'),
        (MINE.rate("m", by="x, y"), f"sum by (x, y) (rate(m{{{CHOSEN}}}[$__rate_interval]))"),
        (MINE.grown("m"), f"sum(increase(m{{{CHOSEN}}}[$__range]))"),
        (MINE.grown("m", window="1d"), f"sum(increase(m{{{CHOSEN}}}[1d]))"),
        (MINE.level("m", how="max", by="x"), f"max by (x) (m{{{CHOSEN}}})"),
        (
            MINE.quantile(0.95, "h", by="x"),
            f"histogram_quantile(0.95, sum by (le, x) (rate(h_bucket{{{CHOSEN}}}[$__rate_interval])))",
        ),
        (share("a", "b"), "(a or 0 * b) / (b > 0)"),
    ],
)
def test_promql(found: str, expected: str) -> None:
    assert found == expected


def test_variables_choose_among_this_gateways_series() -> None:
    job, instance, model = MINE.variables(model=True)
    assert job.query == 'label_values(llmctl_build_info{env="live"}, job)'
    assert instance.query == 'label_values(llmctl_build_info{job=~"$job", env="live"}, instance)'
    assert model.query == f"label_values(llmctl_requests_total{{{CHOSEN}}}, model)"


def test_a_reload_is_a_policy_that_was_not_there_before() -> None:
    live = f"(llmctl_build_info{{{CHOSEN}}}"
    assert MINE.reloads().expr == f"sum by (policy) {live}) unless sum by (policy) {live} offset 1m)"
