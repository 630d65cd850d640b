"""Time and money."""

from typing import Any

import pytest

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
