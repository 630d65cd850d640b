from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.limits.options import RateLimitOptions


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "give requests_per_minute, tokens_per_minute or concurrency"),
        ({"assumed_output": 10}, "limits nothing"),
        ({"requests_per_minute": 0}, "greater than"),
        ({"requests_per_minute": 5e-324}, "greater than"),
        ({"requests_per_minute": float("nan")}, "finite"),
        ({"requests_per_minute": float("inf")}, "finite"),
        ({"requests_per_minute": True}, "valid number"),
        ({"requests_per_minute": "60"}, "valid number"),
        ({"tokens_per_minute": True}, "valid integer"),
        ({"tokens_per_minute": "60"}, "valid integer"),
        ({"tokens_per_minute": 0}, "greater than"),
        ({"tokens_per_minute": 10**13}, "less than"),
        ({"concurrency": 0}, "greater than"),
        ({"concurrency": True}, "valid integer"),
        ({"concurrency": 1, "burst_requests": 5}, "give requests_per_minute too"),
        ({"concurrency": 1, "burst_tokens": 5}, "give tokens_per_minute too"),
        ({"requests_per_minute": 1, "burst_requests": 0}, "greater than"),
        ({"concurrency": 1, "assumed_output": -1}, "greater than"),
        ({"concurrency": 1, "per": ["key", "key"]}, "twice"),
        ({"concurrency": 1, "per": ["user"]}, "'key', 'tenant' or 'model'"),
        ({"concurrency": 1, "rpm": 5}, "not permitted"),
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        RateLimitOptions(**options)


def test_bursts_default_to_a_minutes_worth() -> None:
    options = RateLimitOptions(requests_per_minute=90.5, tokens_per_minute=1_000)
    assert (options.request_burst, options.token_burst) == (90, 1_000)
    assert RateLimitOptions(requests_per_minute=0.1).request_burst == 1
    own = RateLimitOptions(requests_per_minute=60, burst_requests=3, tokens_per_minute=60, burst_tokens=4)
    assert (own.request_burst, own.token_burst) == (3, 4)
    neither = RateLimitOptions(concurrency=1)
    assert (neither.request_burst, neither.token_burst) == (None, None)


def test_the_subject_and_whole_numbers_are_taken_as_written() -> None:
    options = RateLimitOptions.model_validate({"per": [], "requests_per_minute": 60})
    assert (options.per, options.requests_per_minute) == ((), 60.0)
    assert RateLimitOptions(concurrency=1).per == ("key",)


def test_every_field_is_described() -> None:
    assert all(field.description for field in RateLimitOptions.model_fields.values())
