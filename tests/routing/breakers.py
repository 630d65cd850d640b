"""A breaker whose times are easy to reckon with."""

from llmctl.routing.breaker import BreakerOptions

OPTIONS = BreakerOptions(
    window=8,
    buckets=4,
    minimum_calls=4,
    error_rate=0.5,
    slow_call=2,
    slow_rate=0.75,
    open_for=4,
    growth=2,
    max_open=20,
    jitter=0.5,
    probes=2,
    probe_timeout=32,
)
