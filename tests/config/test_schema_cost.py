"""The cache, budgets and batches sections: what belongs together, and what cannot be."""

from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.config.schema_cost import BudgetConfig, CacheConfig, SemanticConfig


@pytest.mark.parametrize("raw", [{}, {"max_error": 0.01, "threshold": 0.9}, {"max_error": 0}, {"threshold": 2}])
def test_semantic_is_by_a_bound_or_a_threshold(raw: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        SemanticConfig.model_validate(raw)
    assert SemanticConfig(max_error=0.01).guarantee == "modelled"


def test_a_route_says_only_what_differs() -> None:
    config = CacheConfig.model_validate({"ttl": "2h", "routes": {"chat": {"stale_if_error": "1d"}}})
    assert config.ttl == 7200
    assert config.routes["chat"].model_fields_set == {"stale_if_error"}
    assert config.routes["chat"].stale_if_error == 86400


@pytest.mark.parametrize("raw", [{"usd": 0}, {"usd": 1, "every": "week"}, {"usd": 1, "soft": 0}, {"usd": float("inf")}])
def test_budgets_that_mean_nothing_are_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BudgetConfig.model_validate(raw)
