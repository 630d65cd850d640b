from random import Random
from statistics import mean
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from pydantic import ValidationError

from llmctl.errors import (
    Blocked,
    ClientGone,
    GuardFailed,
    InvalidRequest,
    LlmctlError,
    RateLimited,
    StoreError,
    Unavailable,
    UpstreamConnectError,
    UpstreamError,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamStatus,
    UpstreamTimeout,
    UpstreamUnsupported,
)
from llmctl.gateway.retry import (
    NAMED,
    ErrorClass,
    RetryBudget,
    RetryBudgetOptions,
    RetryOptions,
    RetryPolicy,
    classify,
)
from llmctl.providers.anthropic_stream import stream_error as anthropic_stream_error
from llmctl.providers.http import status_error
from llmctl.testing.clock import ManualClock


def answered(status: int, body: str = "", **headers: str) -> UpstreamStatus:
    """What a provider's answer becomes, the way it does in the gateway."""
    sent = {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return status_error("p", status, sent, body.encode())


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (UpstreamConnectError("x"), "connect"),
        (UpstreamLost("x"), "connect"),
        (UpstreamLost("x", unanswered=True), "connect"),
        (UpstreamTimeout("x", phase="connect"), "connect"),
        (UpstreamTimeout("x", phase="first_byte"), "timeout"),
        (UpstreamTimeout("x", phase="idle"), "timeout"),
        (UpstreamTimeout("x", phase="total"), "timeout"),
        (UpstreamProtocolError("x"), "protocol"),
        (UpstreamUnsupported("x"), "other"),
        (UpstreamError("x"), "other"),
        (InvalidRequest("x"), "client"),
        (Blocked("x"), "client"),
        (RateLimited("x", retry_after=1.0), "client"),
        (ClientGone("x"), "client"),
        (Unavailable("x"), "rate_limit"),
        (GuardFailed("x"), "other"),
        (StoreError("x"), "other"),
        (anthropic_stream_error("p", {"type": "overloaded_error", "message": "Overloaded"}), "server_error"),
        (anthropic_stream_error("p", {"type": "rate_limit_error", "message": "slow down"}), "rate_limit"),
    ],
)
def test_the_class_of_an_error(error: LlmctlError, expected: ErrorClass) -> None:
    assert classify(error) == expected


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (429, "", "rate_limit"),
        (429, '{"error":{"message":"slow","type":"tokens","code":"rate_limit_exceeded"}}', "rate_limit"),
        (429, '{"error":{"message":"pay","type":"insufficient_quota","code":"insufficient_quota"}}', "auth"),
        (413, '{"error":{"message":"too large for TPM","type":"tokens","code":"rate_limit_exceeded"}}', "rate_limit"),
        (413, '{"error":{"message":"big","type":"request_too_large"}}', "context_length"),
        (400, '{"error":{"message":"long","code":"context_length_exceeded"}}', "context_length"),
        (400, '{"error":{"message":"long","type":"exceed_context_size_error","code":400}}', "context_length"),
        (
            400,
            '{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 3 > 2"}}',
            "context_length",
        ),
        (
            400,
            '[{"error":{"code":400,"status":"INVALID_ARGUMENT","message":"The input token count (3) exceeds the maximum'
            ' number of tokens allowed (2)."}}]',
            "context_length",
        ),
        (400, '{"message":"This model\'s maximum context length is 4096 tokens. However, you"}', "context_length"),
        (400, '{"error":{"message":"The response was filtered","code":"content_filter"}}', "content_policy"),
        (400, '{"error":{"message":"x","code":"ResponsibleAIPolicyViolation"}}', "content_policy"),
        (400, '{"error":{"message":"triggering Azure OpenAI\'s content management policy."}}', "content_policy"),
        (400, '{"error":{"message":"Output blocked by content filtering policy"}}', "content_policy"),
        (
            400,
            '{"error":{"type":"invalid_request_error","message":"Your credit balance is too low to access"}}',
            "auth",
        ),
        (400, '{"error":{"message":"temperature must be below 2","type":"invalid_request_error"}}', "client"),
        (422, "", "client"),
        (401, "", "auth"),
        (402, "", "auth"),
        (403, '{"error":{"message":"x","code":"content_filter"}}', "auth"),
        (404, '{"error":{"message":"x","code":"model_not_found"}}', "other"),
        (404, "", "other"),
        (408, "", "timeout"),
        (409, "", "server_error"),
        (500, "maximum context length", "server_error"),
        (502, "<html>", "server_error"),
        (503, '{"error":{"message":"The model is overloaded.","status":"UNAVAILABLE","code":503}}', "server_error"),
        (504, "", "timeout"),
        (529, '{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}', "server_error"),
        (529, "", "server_error"),
        (302, "", "other"),
    ],
)
def test_the_class_of_an_answer(status: int, body: str, expected: ErrorClass) -> None:
    assert classify(answered(status, body)) == expected


def test_every_name_is_looked_up_as_it_is_written() -> None:
    assert all(name == name.lower() for name in NAMED)


@given(st.integers(100, 999), st.text(max_size=30), st.text(max_size=30), st.text(max_size=60))
def test_any_answer_has_a_class(status: int, code: str, kind: str, message: str) -> None:
    error = UpstreamStatus(message, status=status, code=code, error_type=kind)
    assert classify(error) in get_args(ErrorClass)


def policy(seed: int = 1, **options: Any) -> RetryPolicy:
    return RetryPolicy(RetryOptions(**options), Random(seed))


SAME = {"rate_limit", "server_error", "connect", "protocol"}
EXAMPLES: dict[str, LlmctlError] = {
    "rate_limit": answered(429),
    "context_length": answered(413),
    "content_policy": answered(400, '{"error":{"message":"x","code":"content_filter"}}'),
    "timeout": UpstreamTimeout("x", phase="first_byte"),
    "server_error": answered(500),
    "connect": UpstreamConnectError("x"),
    "protocol": UpstreamProtocolError("x"),
    "auth": answered(401),
    "client": answered(400),
    "other": answered(404),
}


@pytest.mark.parametrize("name", get_args(ErrorClass))
def test_what_is_tried_again_where(name: str) -> None:
    error = EXAMPLES[name]
    assert classify(error) == name
    assert (policy().on_same(error, tried=1, total=1, left=60) is not None) == (name in SAME)
    assert policy().on_another(error, total=1, left=60) == (name != "client")
    nothing = policy(same_model=[], other_model=[])
    assert nothing.on_same(error, tried=1, total=1, left=60) is None
    assert not nothing.on_another(error, total=1, left=60)


@pytest.mark.parametrize("error", [StoreError("disk full"), GuardFailed("x"), LlmctlError("x"), ClientGone("x")])
def test_failures_of_our_own_are_not_tried_again(error: LlmctlError) -> None:
    assert policy().on_same(error, tried=1, total=1, left=60) is None
    assert not policy().on_another(error, total=1, left=60)


def test_a_full_queue_is_left_for_another_model() -> None:
    assert policy().on_another(Unavailable("full"), total=1, left=60)


def test_attempts_are_counted_for_each_model_and_in_all() -> None:
    asked = policy(attempts=3, attempts_per_model=2)
    error = answered(500)
    assert asked.on_same(error, tried=1, total=2, left=60) is not None
    assert asked.on_same(error, tried=2, total=2, left=60) is None
    assert asked.on_another(error, total=2, left=60)
    assert asked.on_same(error, tried=1, total=3, left=60) is None
    assert not asked.on_another(error, total=3, left=60)


@given(
    seed=st.integers(0, 2**32),
    tried=st.integers(1, 19),
    left=st.floats(0, 100) | st.just(float("inf")),
    after=st.none() | st.floats(0, 40),
    base=st.floats(0, 2),
)
def test_the_wait_is_within_its_bounds(seed: int, tried: int, left: float, after: float | None, base: float) -> None:
    options = {"attempts": 20, "attempts_per_model": 20, "backoff": base, "max_backoff": 5.0, "least_time": 0.5}
    error = UpstreamStatus("x", status=429, retry_after=after)
    wait = policy(seed, **options).on_same(error, tried=tried, total=tried, left=left)
    lower = after or 0.0
    if lower > 10.0 or left - 0.5 - lower < 0:
        assert wait is None
        return
    assert wait is not None
    assert lower <= wait <= lower + min(base * 2 ** (tried - 1), 5.0)
    assert wait <= left - 0.5 + 1e-9


def test_the_jitter_is_full() -> None:
    asked = policy(3, backoff=0.4, attempts=20, attempts_per_model=20)
    for tried, upper in ((1, 0.4), (2, 0.8), (3, 1.6), (10, 5.0)):
        waits = [asked.on_same(answered(500), tried=tried, total=tried, left=60) or 0.0 for _ in range(4_000)]
        assert min(waits) < 0.02 * upper
        assert 0.98 * upper < max(waits) <= upper
        assert mean(waits) == pytest.approx(upper / 2, rel=0.05)


def test_retry_after_from_the_wire_is_a_lower_bound() -> None:
    for _ in range(100):
        wait = policy().on_same(answered(429, retry_after="3", retry_after_ms="1500"), tried=1, total=1, left=60)
        assert wait is not None
        assert 1.5 <= wait <= 1.6
    assert policy().on_same(answered(503, retry_after="11"), tried=1, total=1, left=60) is None
    assert policy().on_same(answered(503, retry_after="5"), tried=1, total=1, left=5.05) is None


@pytest.mark.parametrize("left", [0.0, -1.0, 0.05, float("nan")])
def test_past_the_deadline_nothing_is_tried(left: float) -> None:
    assert policy().on_same(answered(500), tried=1, total=1, left=left) is None
    assert not policy().on_another(answered(500), total=1, left=left)


def test_a_wrong_request_cannot_be_configured_to_be_sent_again() -> None:
    with pytest.raises(ValidationError, match="client"):
        RetryOptions(same_model=frozenset({"client"}))
    with pytest.raises(ValidationError, match="nonsense"):
        RetryOptions(nonsense=1)  # type: ignore[call-arg]
    for model in (RetryOptions, RetryBudgetOptions):
        assert [name for name, field in model.model_fields.items() if not field.description] == []


class BudgetMachine(RuleBasedStateMachine):
    """Every stretch of the past keeps to the bound, whatever the clock does."""

    @initialize(
        ratio=st.sampled_from([0.0, 0.1, 0.2, 1 / 3, 1.0]),
        rate=st.sampled_from([0.0, 0.5, 7.0]),
        burst=st.sampled_from([1.0, 2.5, 10.0]),
    )
    def begin(self, ratio: float, rate: float, burst: float) -> None:
        self.raw = 1_000.0
        self.options = RetryBudgetOptions(ratio=ratio, per_second=rate, burst=burst)
        self.budget = RetryBudget(self.options, lambda: self.raw)
        self.level = burst
        self.used = [0.0]  # retries less what the bound has granted besides the burst, so far

    @rule(times=st.integers(1, 12))
    def request(self, times: int) -> None:
        for _ in range(times):
            self.budget.deposit()
            self.used.append(self.used[-1] - self.options.ratio)
            self.level = min(self.level + self.options.ratio, self.options.burst)

    @rule(seconds=st.sampled_from([0.01, 0.3, 5.0, 1e5, -0.5, -1e6]))
    def wait(self, seconds: float) -> None:
        self.raw += seconds
        granted = max(seconds, 0.0) * self.options.per_second
        self.used.append(self.used[-1] - granted)
        self.level = min(self.level + granted, self.options.burst)
        assert self.budget.level == pytest.approx(self.level)

    @rule(times=st.integers(1, 12))
    def retry(self, times: int) -> None:
        for _ in range(times):
            may = self.budget.withdraw()
            if abs(self.level - 1) > 1e-6:
                assert may == (self.level > 1)
            if may:
                self.level -= 1
                self.used.append(self.used[-1] + 1)

    @invariant()
    def within_bounds(self) -> None:
        lowest = self.used[0]
        for used in self.used:
            lowest = min(lowest, used)
            assert used - lowest <= self.options.burst + 1e-6


BudgetMachine.TestCase.settings = settings(max_examples=150, deadline=None)
TestBudget = BudgetMachine.TestCase


def test_a_total_outage_adds_a_fifth_and_no_more() -> None:
    clock = ManualClock()
    budget = RetryBudget(RetryBudgetOptions(ratio=0.2, per_second=0, burst=20), clock.monotonic)
    retries = 0
    for _ in range(20_000):
        budget.deposit()
        clock.advance(0.001)
        retries += sum(budget.withdraw() for _ in range(3))
    assert 4_000 <= retries <= 4_020


def test_a_little_traffic_may_retry_too() -> None:
    clock = ManualClock()
    budget = RetryBudget(RetryBudgetOptions(ratio=0, per_second=1, burst=1), clock.monotonic)
    assert [budget.withdraw(), budget.withdraw()] == [True, False]
    clock.advance(1)
    assert [budget.withdraw(), budget.withdraw()] == [True, False]


def test_ten_tenths_are_one() -> None:
    budget = RetryBudget(RetryBudgetOptions(ratio=0.1, per_second=0, burst=1), ManualClock().monotonic)
    assert budget.withdraw()
    for _ in range(10):
        assert not budget.withdraw()
        budget.deposit()
    assert budget.withdraw()
