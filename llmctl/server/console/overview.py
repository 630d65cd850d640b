"""What `/console/api/overview` answers: the contract with the page and with `llmctl top`.

Times are seconds since the Unix epoch, durations milliseconds (`*_ms`), money US dollars, shares and ratios 0 to 1.
What nobody knows is null, never 0. Everything counts over all workers unless it says otherwise. Fields may be added.
"""

from typing import Literal

from msgspec import Struct

VERSION = 1
SPAN = 300.0
"""Seconds that `series` goes back."""
RATE_WINDOW = 10.0
"""Seconds over which rates of `now` are taken."""
WINDOW = 60.0
"""Seconds over which percentiles and everything `by_model` are taken."""


class Totals(Struct, frozen=True):
    """Since `Overview.since`. An error is a 5xx answer; `refused` are 4xx: the client's own, guards', limits'."""

    requests: int = 0
    errors: int = 0
    refused: int = 0
    degraded: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0


class Now(Struct, frozen=True):
    """The present: rates over `rate_window` seconds, percentiles over `window`. No request: no percentile.

    The windows of a process that has just started are shorter; a `rate_window` of 0 has no rate yet.
    """

    in_flight: int = 0
    requests_per_s: float = 0.0
    errors_per_s: float = 0.0
    refused_per_s: float = 0.0
    tokens_per_s: float = 0.0
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    ttft_p50_ms: float | None = None
    ttft_p95_ms: float | None = None
    overhead_p99_ms: float | None = None
    rate_window: float = RATE_WINDOW
    window: float = WINDOW


class Point(Struct, frozen=True):
    """One moment of the last minutes: what happened since the point before it. `t` is the moment's end.

    Points are 1 s apart while somebody looks and 10 s while nobody does; percentiles are of a sliding 10 s at least.
    """

    t: float
    requests_per_s: float
    errors_per_s: float
    in_flight: int
    p50_ms: float | None = None
    p95_ms: float | None = None
    p99_ms: float | None = None
    ttft_p50_ms: float | None = None
    ttft_p95_ms: float | None = None


class ModelNow(Struct, frozen=True):
    """A configured model, or `other`. `queue` waits for it, null where no metric says.

    Each worker has a breaker of its own: `breakers_open` of them are not closed, and `breaker` is the worst.
    `usd_today` is null without a price.
    """

    model: str
    requests: int = 0
    requests_per_s: float = 0.0
    error_share: float | None = None
    p50_ms: float | None = None
    p95_ms: float | None = None
    tokens_per_s: float = 0.0
    usd_today: float | None = None
    breakers_open: int = 0
    breaker: Literal["closed", "half_open", "open", "unknown"] = "unknown"
    queue: int | None = None


class CostToday(Struct, frozen=True):
    """Money since `since`: midnight UTC, or this process's start if that was later. Null: nothing had a price."""

    usd: float | None
    since: float
    per_hour_usd: float | None = None


class Budget(Struct, frozen=True):
    """A budget in the period that is now, as of the tenant, key or model that is worst off. `usd` is its limit."""

    name: str
    spent_usd: float
    remaining: float
    usd: float | None = None
    every: str = ""
    soft: float = 0.8
    hard: bool = True


class CacheNow(Struct, frozen=True):
    """What the cache said since `Overview.since`, by kind (`exact`, `semantic`, `shared`, `stale`, `miss`, …).

    `hit_share` is of what was looked up. `error_bound` by route is the bound on false hits over all its requests.
    """

    configured: bool = False
    by_kind: dict[str, int] = {}
    hits: int = 0
    looked_up: int = 0
    hit_share: float | None = None
    saved_tokens: int = 0
    error_bound: dict[str, float] = {}


class GuardNow(Struct, frozen=True):
    """What one guard judged (`verdicts`) and what was done (`actions`) since `Overview.since`."""

    guard: str
    judged: int
    verdicts: dict[str, int] = {}
    actions: dict[str, int] = {}


class OpenAlert(Struct, frozen=True):
    """A promise that is broken now."""

    name: str
    severity: Literal["page", "ticket"]
    since: float
    summary: str
    description: str = ""
    runbook: str = ""
    slo: str = ""
    labels: dict[str, str] = {}
    value: float | None = None


class RecordsNow(Struct, frozen=True):
    """The record store. `lag_s` is the age of the oldest record that waits for the disk."""

    enabled: bool = False
    written: int = 0
    lag_s: float = 0.0
    queue_bytes: int = 0
    dropped: dict[str, int] = {}


class Overview(Struct, frozen=True):
    """Everything at a glance. `since` is when the counts begin: the start of the process, or of all its workers.

    `loaded_at` is the last successful (re)load, `reload_error` why a later one failed; `reasons` say by provider why
    the gateway is not `ready`. `limits` are the shares that rate limits have left, by policy. Of the `workers` that are
    configured so many are `serving`.
    """

    time: float
    version: str
    policy: str
    loaded_at: float
    since: float
    ready: bool
    draining: bool
    workers: int
    now: Now
    totals: Totals
    cost: CostToday
    cache: CacheNow
    records: RecordsNow
    reload_error: str | None = None
    reasons: dict[str, str] = {}
    series: list[Point] = []
    by_model: list[ModelNow] = []
    budgets: list[Budget] = []
    guards: list[GuardNow] = []
    limits: dict[str, float] = {}
    alerts: list[OpenAlert] = []
    serving: int | None = None
    v: int = VERSION
