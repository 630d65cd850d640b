"""Records to test with."""

from collections.abc import Callable
from typing import Any

import pytest

from llmctl.model.record import Attempt, Decision, Record, StageTime
from llmctl.model.usage import Cost, Usage
from llmctl.testing.clock import ManualClock


def sample(number: int = 0, **changes: Any) -> Record:
    """A typical record, about 1.7 KB encoded."""
    fields: dict[str, Any] = {
        "id": f"req_{number:022d}",
        "started": 1_764_000_000.0 + number,
        "duration_us": 412_345,
        "state": "ok",
        "http_status": 200,
        "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736",
        "span_id": "00f067aa0ba902b7",
        "tenant": "search",
        "key": "aB3dE5gH7jK9",
        "policy": "3f1c9d2e7b6a",
        "dialect": "openai",
        "operation": "chat",
        "requested_model": "fast",
        "model": "small",
        "provider": "upstream",
        "served_model": "small-2026-01",
        "decision": Decision("small", "weighted", "weight 0.9", 0.9),
        "attempts": [Attempt("upstream", "small", 310, 411_500, 120_000, 200, None, "b7ad6b7169203331")],
        "stages": [StageTime(n, i * 90, 80) for i, n in enumerate(("auth", "limits", "route", "upstream", "settle"))],
        "usage": Usage(input=120, cached_read=30, output=85, source="provider"),
        "cost": Cost(0.000432, "exact", "2026-01"),
        "overhead_us": 845,
        "finish_reason": "stop",
        "request": {"model": "fast", "messages": [{"role": "user", "content": "Why is the sky blue? " * 8}]},
        "response": {
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Because of Rayleigh. " * 9}}]
        },
    }
    return Record(**(fields | changes))


@pytest.fixture
def record() -> Callable[..., Record]:
    return sample


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()
