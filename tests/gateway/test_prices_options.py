"""Declared prices: dollars per million become what each token costs, and records say whose they are."""

from pathlib import Path

import pytest

from llmctl.clock import SystemClock
from llmctl.errors import ConfigError
from llmctl.gateway.build import check, prices_of
from llmctl.gateway.prices_options import PricesOptions
from llmctl.model.pricing import PriceList
from llmctl.model.usage import Usage
from llmctl.testing.config import loaded

CONFIG = """\
providers:
  up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}
models:
  small: {provider: up}
  other: {provider: up}
prices:
"""
LONG = """\
  models:
    small:
      {input: 1, output: 4, cached_read: 0.25, batch: 0.5, above: [{tokens: 1000, input: 2}, {tokens: 2000, output: 9}]}
"""


def priced(prices: str, folder: Path) -> PriceList:
    return prices_of(loaded(CONFIG + prices, folder), SystemClock())


@pytest.mark.parametrize(
    ("usage", "micros"),
    [
        (Usage(500, cached_read=500, output=10, reasoning=10, source="provider"), 500 + 125 + 80),
        (Usage(501, cached_read=500, output=10, source="provider"), 1002 + 125 + 40),
        (Usage(2001, output=10, source="provider"), 4002 + 90),
    ],
)
def test_each_kind_of_token_has_its_price(tmp_path: Path, usage: Usage, micros: float) -> None:
    prices = priced(LONG, tmp_path)
    assert prices.cost("small", usage).usd == pytest.approx(micros / 1e6)
    assert prices.cost("small", usage, batch=True).usd == pytest.approx(micros / 2e6)
    assert prices.of("other") is None


def test_what_is_left_out_is_not_known(tmp_path: Path) -> None:
    prices = priced("  models: {small: {input: 0, output: 0}}\n", tmp_path)
    free = prices.cost("small", Usage(5, output=5, source="provider"))
    assert (free.usd, free.status) == (0.0, "exact")
    assert prices.cost("small", Usage(5, cached_read=5, source="provider")).status == "partial"


def test_the_record_says_which_prices_they_were(tmp_path: Path) -> None:
    usage = Usage(1, source="provider")
    told = priced("  version: 2026-11 contract\n  models: {small: {input: 1}}\n", tmp_path)
    assert told.cost("small", usage).price_version == "configured 2026-11 contract"
    versions = {
        priced(f"  models: {{small: {{input: {dollars}}}}}\n", tmp_path).cost("small", usage).price_version
        for dollars in (1, 2, 2)
    }
    assert len(versions) == 2
    assert all(version.startswith("configured ") and len(version) == 23 for version in versions)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("  models: {smal: {input: 1}}", "prices.models.smal: no model 'smal' under `models`; did you mean small?"),
        ("  models: {small: {inptu: 1}}", "prices.models.small.inptu: unknown key"),
        ("  models: {small: {cached_read: 1}}", "say the price of input, or of output"),
        ("  models: {small: {input: -1}}", "prices.models.small.input"),
        ("  models: {small: {input: .inf}}", "prices.models.small.input"),
        ("  models: {small: {input: 1, batch: 0}}", "prices.models.small.batch"),
        ("  models: {small: {input: 1, above: [{tokens: 2}, {tokens: 2}]}}", "the `tokens` of `above` must rise"),
        ("  modles: {}", "prices.modles: unknown key"),
    ],
)
def test_mistakes_are_said_with_their_line(tmp_path: Path, wrong: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check(loaded(CONFIG + wrong + "\n", tmp_path))
    [line] = caught.value.findings
    assert says in line
    assert ":7: " in line


def test_without_a_word_nothing_is_declared() -> None:
    assert PricesOptions().prices() == {}


def test_the_shipped_example_is_in_order(tmp_path: Path) -> None:
    example = Path("configs/prices.yaml").read_text()
    check(loaded(CONFIG.removesuffix("prices:\n") + example, tmp_path))
    said = example.replace("  # version", "  version").replace("models: {}", "models:").replace("\n  #   ", "\n    ")
    models = "  gpt-4o: {provider: up}\n  gemini-pro: {provider: up}\n  smollm2-135m: {provider: up}\nprices:\n"
    config = CONFIG.replace("prices:\n", models).removesuffix("prices:\n") + said
    of = prices_of(loaded(config, tmp_path), SystemClock())
    assert of.cost("gpt-4o", Usage(10**6, source="provider"), batch=True).usd == pytest.approx(1.0)
    assert of.cost("gemini-pro", Usage(10**6, source="provider")).usd == pytest.approx(2.5)
    assert of.cost("smollm2-135m", Usage(10**6, source="provider")).status == "exact"
