import msgspec
from hypothesis import given
from hypothesis import strategies as st

from llmctl.model.usage import NO_USAGE, UNPRICED, Cost, Usage

COUNT = st.integers(0, 2**40)
USAGES = st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT)


@given(USAGES)
def test_prompt_and_completion_hold_each_bucket_once(usage: Usage) -> None:
    buckets = usage.input, usage.cached_read, usage.cached_write, usage.output, usage.reasoning
    assert usage.prompt + usage.completion == sum(buckets)
    assert usage.prompt >= usage.cached_read + usage.cached_write
    assert usage.completion >= usage.reasoning


def test_nothing_known_is_neither_zero_tokens_nor_a_zero_price() -> None:
    assert NO_USAGE.source == "none"
    assert (UNPRICED.usd, UNPRICED.status) == (None, "unpriced")
    assert msgspec.json.encode(NO_USAGE) == msgspec.json.encode(UNPRICED) == b"{}"


def test_a_price_of_zero_is_written() -> None:
    assert msgspec.json.decode(msgspec.json.encode(Cost(0.0, "exact")), type=Cost) == Cost(0.0, "exact")
