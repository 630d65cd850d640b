"""Each token is priced once, at one tier, and what has no price is said to have none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.model.pricing import Price, PriceList, Tier
from llmctl.model.usage import NO_USAGE, UNPRICED, Usage

FLAT = Price((Tier(1.0, 10.0, 0.1, 1.25),), "v1")
TIERED = Price((Tier(1.0, 10.0), Tier(2.0, 20.0, above=200), Tier(3.0, 30.0, above=1000)), "v2")
COUNT = st.integers(0, 10**6)
USAGES = st.builds(Usage, COUNT, COUNT, COUNT, COUNT, COUNT, st.just("provider"))


def plus(a: Usage, b: Usage) -> Usage:
    return Usage(
        a.input + b.input,
        a.cached_read + b.cached_read,
        a.cached_write + b.cached_write,
        a.output + b.output,
        a.reasoning + b.reasoning,
        "provider",
    )


def usd(price: Price, usage: Usage) -> float:
    cost = price.cost(usage).usd
    assert cost is not None
    return cost


@given(USAGES, USAGES)
def test_cost_is_linear(a: Usage, b: Usage) -> None:
    assert usd(FLAT, plus(a, b)) == pytest.approx(usd(FLAT, a) + usd(FLAT, b))


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (Usage(input=1), 1.0),
        (Usage(cached_read=1), 0.1),
        (Usage(cached_write=1), 1.25),
        (Usage(output=1), 10.0),
        (Usage(reasoning=1), 10.0),
        (Usage(), 0.0),
    ],
)
def test_each_bucket_has_its_own_price(usage: Usage, expected: float) -> None:
    counted = Usage(usage.input, usage.cached_read, usage.cached_write, usage.output, usage.reasoning, "provider")
    assert usd(FLAT, counted) == expected


@pytest.mark.parametrize(("prompt", "each"), [(1, 1.0), (200, 1.0), (201, 2.0), (1000, 2.0), (1001, 3.0), (10**6, 3.0)])
def test_the_prompts_length_chooses_one_tier_for_every_token(prompt: int, each: float) -> None:
    usage = Usage(input=prompt, output=5, source="provider")
    assert usd(TIERED, usage) == pytest.approx(each * prompt + each * 10 * 5)


def test_cached_tokens_count_towards_the_tier_but_answers_do_not() -> None:
    cached = Price((Tier(1.0, 1.0, 1.0, 1.0), Tier(2.0, 2.0, 2.0, 2.0, above=10)), "v")
    assert usd(cached, Usage(input=4, cached_read=4, cached_write=4, source="provider")) == 24.0
    assert usd(cached, Usage(input=4, output=100, source="provider")) == 104.0


@pytest.mark.parametrize(
    ("usage", "status", "expected"),
    [
        (Usage(5, output=1, source="provider"), "exact", 15.0),
        (Usage(5, output=1, source="estimated"), "estimated", 15.0),
        (Usage(5, cached_read=1, source="provider"), "partial", 5.0),
        (Usage(5, cached_write=1, source="estimated"), "partial", 5.0),
        (Usage(cached_read=0, source="provider"), "exact", 0.0),
    ],
)
def test_status(usage: Usage, status: str, expected: float) -> None:
    cost = Price((Tier(1.0, 10.0),), "v").cost(usage)
    assert (cost.status, cost.usd, cost.price_version) == (status, expected, "v")


def test_a_price_for_none_of_the_tokens_is_no_price() -> None:
    assert Price((Tier(None, 10.0),), "v").cost(Usage(5, source="provider")) is UNPRICED


def test_what_charges_for_more_than_tokens_is_known_in_part() -> None:
    cost = Price((Tier(1.0, 10.0),), "v", whole=False).cost(Usage(5, source="provider"))
    assert (cost.usd, cost.status) == (5.0, "partial")


def test_reasoning_may_have_a_price_of_its_own() -> None:
    price = Price((Tier(1.0, 10.0, reasoning=3.0),), "v")
    assert price.cost(Usage(output=2, reasoning=5, source="provider")).usd == 35.0


def test_a_batch_has_its_own_prices_or_none() -> None:
    usage = Usage(2, output=1, source="provider")
    both = Price((Tier(1.0, 10.0),), "v", batch=(Tier(0.5, 5.0),))
    assert (both.cost(usage).usd, both.cost(usage, batch=True).usd) == (12.0, 6.0)
    assert PriceList({"m": both}).cost("m", usage, batch=True).usd == 6.0
    assert FLAT.cost(usage, batch=True) is UNPRICED


def test_a_free_model_is_priced_at_zero_and_exactly() -> None:
    cost = Price((Tier(0.0, 0.0),), "v").cost(Usage(5, output=5, source="provider"))
    assert (cost.usd, cost.status) == (0.0, "exact")


def test_without_counts_nothing_is_priced() -> None:
    assert FLAT.cost(NO_USAGE) is UNPRICED


def test_a_list_prices_by_the_models_name() -> None:
    prices = PriceList({"small": FLAT})
    usage = Usage(2, source="provider")
    assert prices.cost("small", usage).usd == 2.0
    assert prices.of("small") is FLAT
    assert prices.of("large") is None
    assert prices.cost("large", usage) is UNPRICED
    assert prices.cost("", usage) is UNPRICED
