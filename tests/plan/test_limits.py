"""Limits let in by the records' times what a gateway lets in by a clock."""

from pathlib import Path

from msgspec import structs

from llmctl.model.record import GuardResult
from llmctl.plan.limits import Asked, played
from llmctl.plan.report import Plan
from tests.plan.recorded import TWO, asked, at, chats, configured, found, planned


def limit(options: str, mode: str = "enforce") -> str:
    policy = f"rl: {{kind: rate_limit, on_error: block, mode: {mode}, options: {{per: [], {options}}}}}"
    return f"guardrails: {{preset: none, policies: {{{policy}}}}}\n"


def made(folder: Path, old: str, new: str, seconds: list[float], duration: float = 0.5) -> Plan:
    bare = "guardrails: {preset: none}\n"
    one, two = configured(folder, "old", TWO + (old or bare)), configured(folder, "new", TWO + new)
    records = asked(configured(folder, "bare", TWO + bare), chats(len(seconds), "small"))
    return planned(one, two, [structs.replace(r, policy=one.digest) for r in at(records, seconds, duration)])


def test_requests(tmp_path: Path) -> None:
    plan = made(tmp_path, "", limit("requests_per_minute: 60, burst_requests: 2"), [0, 0, 0, 0, 1.5, 1.6])
    assert found(plan, "newly limited").estimate == 3 / 6
    (stage,) = (one for one in plan.stages if one.name == "limits")
    assert stage.kinds[0].name == "limited by rl"
    assert stage.kinds[0].requests == 3


def test_tokens_and_requests_at_a_time(tmp_path: Path) -> None:
    tokens = limit("tokens_per_minute: 600, assumed_output: 100")
    assert found(made(tmp_path, "", tokens, [0.0, 0.1, 0.2, 0.3, 0.4, 30.0], 0.0), "newly limited").estimate == 0
    assert found(made(tmp_path, "", tokens, [0.0] * 6, 5.0), "newly limited").estimate == 2 / 6
    plan = made(tmp_path, "", limit("concurrency: 1"), [0, 1, 6, 7], 5.0)
    assert found(plan, "newly limited").estimate == 2 / 4


def test_a_limit_that_goes_and_one_that_is_only_watched(tmp_path: Path) -> None:
    strict = limit("requests_per_minute: 60, burst_requests: 1")
    shadow = limit("requests_per_minute: 60, burst_requests: 1", "shadow")
    plan = made(tmp_path, strict, shadow, [0, 0, 0, 0])
    assert found(plan, "no longer limited").estimate == 3 / 4
    assert found(plan, "newly limited").estimate == 0


def test_those_that_were_limited_would_have_been_as_others(tmp_path: Path) -> None:
    old, new = limit("requests_per_minute: 60, burst_requests: 1"), limit("concurrency: 1")
    one, two = configured(tmp_path, "old", TWO + old), configured(tmp_path, "new", TWO + new)
    records = at(asked(one, chats(3, "small")), [0, 0.1, 4], 2.0)
    refused = GuardResult("rate_limit", "input", "block", "block", policy="rl")
    records[1] = structs.replace(records[1], guards=[refused], state="blocked", duration_us=0, request=None)
    plan = planned(one, two, records)
    (stage,) = (stage for stage in plan.stages if stage.name == "limits")
    assert any("records have 1 limited requests, OLD played over them limits 1" in note for note in stage.notes)
    assert found(plan, "newly limited").estimate == 0


def test_without_content_recorded_tokens_count(tmp_path: Path) -> None:
    one, two = configured(tmp_path, "old", TWO), configured(tmp_path, "new", TWO + limit("requests_per_minute: 1"))
    records = [structs.replace(record, request=None) for record in asked(one, chats(3, "small"))]
    assert found(planned(one, two, records), "newly limited").requests == 3


def test_scopes_and_subjects(tmp_path: Path) -> None:
    policy = (
        "rl: {kind: rate_limit, on_error: block, routes: [small], options: {per: [key, model], requests_per_minute: 1}}"
    )
    config = configured(tmp_path, "c", f"{TWO}guardrails: {{preset: none, policies: {{{policy}}}}}\n")
    asked_ = [
        Asked(n / 10, n / 10 + 1, str(n), "t", key, name, 1, 0, 1, 1, False)
        for n, (key, name) in enumerate(
            [("a", "small"), ("b", "small"), ("a", "large"), ("a", "small"), ("a", "large")]
        )
    ]
    assert played(config, asked_) == ["", "", "", "rl", ""]
