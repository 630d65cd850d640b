"""Time and money."""

from typing import Any

import pytest
from msgspec.structs import replace

from llmctl.model.usage import Cost
from llmctl.scoring.base import Output, Unscorable
from tests.scoring.made import scored


@pytest.mark.parametrize(("seconds", "value"), [(0.5, 1), (1.0, 1), (1.5, 0.5), (2.0, 0), (9.0, 0)])
def test_latency(seconds: float, value: float) -> None:
    found = scored("latency", Output("x", seconds=seconds), seconds=1)
    assert (found.value, found.raw) == (value, seconds)
    assert scored("ttft", Output("x", ttft=seconds), seconds=1).value == value
    assert scored("cost", Output("x", cost=Cost(seconds, "exact")), usd=1).value == value


@pytest.mark.parametrize(
    ("kind", "options"), [("latency", {"seconds": 1}), ("ttft", {"seconds": 1}), ("cost", {"usd": 1})]
)
def test_what_nobody_knows(kind: str, options: dict[str, Any]) -> None:
    with pytest.raises(Unscorable, match="is not known"):
        scored(kind, Output("x"), **options)


@pytest.mark.parametrize("kind", ["latency", "ttft", "cost"])
def test_what_failed_is_not_fast_and_what_was_blocked_may_be(kind: str) -> None:
    options: dict[str, Any] = {"usd": 1} if kind == "cost" else {"seconds": 1}
    failed = Output("", seconds=0.1, ttft=0.1, cost=Cost(0.1, "exact"), error="upstream_timeout")
    with pytest.raises(Unscorable, match="upstream_timeout"):
        scored(kind, failed, **options)
    assert scored(kind, replace(failed, error="guardrail_blocked"), **options).value == 1
