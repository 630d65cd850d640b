"""Prices come from the snapshot, tier by tier; what it does not know has none, and nothing local asks it."""

import subprocess
import sys
from datetime import UTC, datetime

import pytest
from genai_prices import Usage as TheirUsage
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.gateway.prices import BATCH, PROVIDER_IDS, Priced, price_list, price_of
from llmctl.model.pricing import Price, Tier
from llmctl.model.usage import UNPRICED, Cost, Usage
from llmctl.providers import TABLE
from llmctl.testing.clock import ManualClock

CLOCK = ManualClock()
KNOWN = {
    "mini": Priced("openai", None, "gpt-4o-mini"),
    "claude": Priced("anthropic", None, "claude-sonnet-4-5"),
    "gemini": Priced("gemini", None, "gemini-2.5-pro"),
}
PRICES = price_list(KNOWN, CLOCK)


def of(priced: Priced) -> Cost:
    usage = Usage(1000, output=1000, source="provider")
    return price_list({"m": priced}, CLOCK).cost("m", usage)


def test_a_flat_price_by_hand() -> None:
    found = PRICES.cost("mini", Usage(1_000_000, 1_000_000, output=500_000, reasoning=500_000, source="provider"))
    assert found.usd == pytest.approx(0.15 + 0.075 + 0.60)
    assert found.status == "exact"
    assert found.price_version.startswith("genai-prices ")


@pytest.mark.parametrize(("prompt", "each"), [(200_000, 1.25e-6), (200_001, 2.5e-6)])
def test_a_long_prompt_reaches_the_next_tier(prompt: int, each: float) -> None:
    assert PRICES.cost("gemini", Usage(prompt, source="provider")).usd == pytest.approx(prompt * each)


COUNT = st.integers(0, 150_000)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(KNOWN)), COUNT, COUNT, COUNT)
def test_it_is_what_the_library_itself_would_charge(name: str, fresh: int, read: int, output: int) -> None:
    usage = Usage(fresh, cached_read=read, output=output, source="provider")
    theirs = TheirUsage(input_tokens=fresh + read, cache_read_tokens=read, output_tokens=output)
    known = KNOWN[name]
    at = datetime.fromtimestamp(CLOCK.wall(), UTC)
    total = calc_price(
        theirs, known.model, provider_id=PROVIDER_IDS[known.kind], genai_request_timestamp=at
    ).total_price
    assert PRICES.cost(name, usage).usd == pytest.approx(float(total))


EVERY = [
    (provider, model, context)
    for provider in get_snapshot().providers
    for model in provider.models
    for context in (None, BATCH)
    if context is None or any(variant.when == BATCH for variant in model.price_variants or ())
]
NEARLY = st.sampled_from([0, 1, 1000, 199_999, 200_000, 200_001]) | st.integers(0, 300_000)


@settings(max_examples=20, deadline=None)
@given(NEARLY, NEARLY, NEARLY, NEARLY, NEARLY)
def test_every_model_costs_what_the_library_says(fresh: int, read: int, write: int, output: int, thought: int) -> None:
    """Each bucket, in a batch and not. A fee for each request, which four models have, is in theirs alone."""
    usage = Usage(fresh, read, write, output, thought, "provider")
    theirs = TheirUsage(
        input_tokens=usage.prompt, cache_read_tokens=read, cache_write_tokens=write, output_tokens=usage.completion
    )
    at = datetime.fromtimestamp(CLOCK.wall(), UTC)
    for provider, model, context in EVERY:
        price = price_of(model, "v", at)
        if price is None:
            continue
        total = model.calc_price(theirs, provider, genai_request_timestamp=at, price_context=context).total_price
        ours = price.cost(usage, batch=context is not None)
        fee = float(str(model.get_prices(at, context).requests_kcount or 0)) / 1000
        assert abs((ours.usd or 0.0) - (float(total) - fee)) < 1e-9, (provider.id, model.id, context)
        assert ours.status != "exact" or not fee


def test_nearly_all_models_are_compared() -> None:
    at = datetime.fromtimestamp(CLOCK.wall(), UTC)
    assert sum(price_of(model, "v", at) is not None for _, model, _ in EVERY) > 0.9 * len(EVERY)


def test_what_is_declared_stands_instead() -> None:
    own = Price((Tier(1.0, 2.0),), "configured x")
    prices = price_list({"mini": KNOWN["mini"], "home": Priced("local", None, "x")}, CLOCK, {"mini": own, "home": own})
    assert prices.of("mini") is own
    assert prices.of("home") is own


def test_claude_charges_for_writing_its_cache() -> None:
    assert PRICES.cost("claude", Usage(cached_write=1000, source="provider")).usd == pytest.approx(1000 * 3.75e-6)


@pytest.mark.parametrize(
    "priced",
    [
        Priced("openai", None, "no-such-model-anywhere"),
        Priced("openai", "http://10.0.0.5:8000/v1", "gpt-4o-mini"),
        Priced("openai", "http://127.0.0.1:8000/v1", "gpt-4o-mini"),
        Priced("openai", "http://localhost/v1", "gpt-4o-mini"),
        Priced("openai", "http://[::1]:8000/v1", "gpt-4o-mini"),
        Priced("local", None, "gpt-4o-mini"),
        Priced("scripted", None, "gpt-4o-mini"),
    ],
)
def test_what_nobody_knows_has_no_price(priced: Priced) -> None:
    assert of(priced) is UNPRICED


def test_the_address_says_whose_price_it_is() -> None:
    direct = of(KNOWN["mini"])
    assert of(Priced("openai", "https://api.openai.com/v1", "gpt-4o-mini")).usd == direct.usd
    assert of(Priced("openai", "https://api.anthropic.com/v1", "claude-sonnet-4-5")).usd == of(KNOWN["claude"]).usd


def test_only_kinds_that_exist_are_priced() -> None:
    assert set(PROVIDER_IDS) <= set(TABLE)


def test_models_do_not_share_prices() -> None:
    prices = price_list({"a": KNOWN["mini"], "b": Priced("local", None, "x")}, CLOCK)
    assert prices.cost("a", Usage(1, source="provider")).status == "exact"
    assert prices.cost("b", Usage(1, source="provider")) is UNPRICED


def test_nothing_local_pays_for_the_import() -> None:
    code = """
import sys
from llmctl.gateway.prices import Priced, price_list
from llmctl.clock import SystemClock
price_list({"a": Priced("openai", "http://127.0.0.1:1/v1", "gpt-4o"), "b": Priced("local", None, "x")}, SystemClock())
sys.exit("genai_prices" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
