"""Overviews of gateways to look at."""

from typing import Any

from llmctl.server.console.overview import (
    Budget,
    CacheNow,
    CostToday,
    GuardNow,
    ModelNow,
    Now,
    OpenAlert,
    Overview,
    Point,
    RecordsNow,
    Totals,
)

TIME = 1_800_000_000.0


def overview(**changes: Any) -> Overview:
    """One with something of everything."""
    fields: dict[str, Any] = {
        "time": TIME,
        "version": "0.1.0",
        "policy": "8e5c6e218dd9fb5681cf80c4434ebed7",
        "loaded_at": TIME - 180,
        "since": TIME - 7200,
        "ready": True,
        "draining": False,
        "workers": 2,
        "now": Now(3, 12.5, 0.5, 0.1, 812.0, 12.0, 480.0, 1234.0, 90.0, 300.0, 0.8),
        "totals": Totals(90_000, 40, 100, 3, 1_200_000, 340_000, 12.5),
        "cost": CostToday(1.25, TIME - 7200, 0.62),
        "cache": CacheNow(True, {"exact": 40, "miss": 60}, 40, 100, 0.4, 5000, {"small": 0.008, "large": 0.02}),
        "records": RecordsNow(True, 90_000),
        "series": [Point(TIME - 300 + 10 * i, i, 0.0, 1, 10.0, 20.0 + i, 30.0) for i in range(1, 31)],
        "by_model": [
            ModelNow("small", 80_000, 10.0, 0.0, 10.0, 200.0, 700.0, 0.25, 0, "closed"),
            ModelNow("large", 10_000, 2.5, 0.04, 900.0, 2400.0, 112.0, 1.0, 1, "open", 4),
        ],
        "budgets": [Budget("daily", 8.5, 0.15, 10.0, "day"), Budget("monthly", 8.5, 0.9, 100.0, "month")],
        "guards": [GuardNow("pii", 900, {"allow": 897, "redact": 3}, {"allow": 897, "redact": 3})],
        "alerts": [OpenAlert("LlmctlLatencyBurn1h", "page", TIME - 300, "llmctl: latency burns its error budget")],
    }
    return Overview(**(fields | changes))
