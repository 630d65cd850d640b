"""The contract with the page and `llmctl top`: names may be added to it, not taken away."""

import msgspec

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

PROMISED: dict[type[msgspec.Struct], str] = {
    Overview: "time version policy loaded_at since ready draining workers now totals cost cache records reload_error"
    " reasons series by_model budgets guards limits alerts serving v",
    Now: "in_flight requests_per_s errors_per_s refused_per_s tokens_per_s p50_ms p95_ms p99_ms ttft_p50_ms ttft_p95_ms"
    " overhead_p99_ms rate_window window",
    Totals: "requests errors refused degraded input_tokens output_tokens usd",
    Point: "t requests_per_s errors_per_s in_flight p50_ms p95_ms p99_ms ttft_p50_ms ttft_p95_ms",
    ModelNow: "model requests requests_per_s error_share p50_ms p95_ms tokens_per_s usd_today breakers_open breaker"
    " queue",
    CostToday: "usd since per_hour_usd",
    Budget: "name spent_usd remaining usd every soft hard",
    CacheNow: "configured by_kind hits looked_up hit_share saved_tokens error_bound",
    GuardNow: "guard judged verdicts actions",
    OpenAlert: "name severity since summary description runbook slo labels value",
    RecordsNow: "enabled written lag_s queue_bytes dropped",
}


def test_what_is_promised_is_there() -> None:
    for kind, names in PROMISED.items():
        assert set(names.split()) <= {field.encode_name for field in msgspec.structs.fields(kind)}, kind


def test_what_nobody_knows_is_null_and_not_left_out() -> None:
    overview = Overview(
        1.0, "v", "p", 2.0, 3.0, True, False, 1, Now(), Totals(), CostToday(None, 3.0), CacheNow(), RecordsNow()
    )
    plain = msgspec.json.decode(msgspec.json.encode(overview))
    assert plain["now"]["p95_ms"] is None
    assert plain["cost"] == {"usd": None, "since": 3.0, "per_hour_usd": None}
    assert (plain["series"], plain["alerts"], plain["reload_error"]) == ([], [], None)
    assert msgspec.json.decode(msgspec.json.encode(overview), type=Overview) == overview
