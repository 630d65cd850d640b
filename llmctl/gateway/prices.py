"""Unit prices from the genai-prices snapshot, read once when a gateway is built; nothing is fetched.

What the configuration declares (`prices_options`) stands instead.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from llmctl.clock import Clock
from llmctl.model.pricing import Price, PriceList, Tier

if TYPE_CHECKING:
    from genai_prices.data_snapshot import DataSnapshot
    from genai_prices.types import ModelInfo

PROVIDER_IDS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MILLION = 1_000_000
BATCH = {"processing": "batch"}


@dataclass(frozen=True, slots=True)
class Priced:
    """What a price is looked up by."""

    kind: str
    base_url: str | None
    model: str


def price_list(models: Mapping[str, Priced], clock: Clock, declared: Mapping[str, Price] = {}) -> PriceList:
    """Prices `declared`, and those of other models that the snapshot knows; it is imported only where one may be."""
    hosted = {name: model for name, model in models.items() if name not in declared and _hosted(model)}
    if not hosted:
        return PriceList(declared)
    import genai_prices  # 27 MB and 0.2 s, so only where something has a price
    from genai_prices.data_snapshot import get_snapshot

    snapshot, version = get_snapshot(), f"genai-prices {genai_prices.__version__}"
    at = datetime.fromtimestamp(clock.wall(), UTC)
    found = {name: _lookup(snapshot, model, version, at) for name, model in hosted.items()}
    return PriceList({name: price for name, price in found.items() if price is not None} | dict(declared))


def _hosted(model: Priced) -> bool:
    if model.kind not in PROVIDER_IDS:
        return False
    return model.base_url is None or (urlsplit(model.base_url).hostname or "") not in LOOPBACK


def _lookup(snapshot: "DataSnapshot", model: Priced, version: str, at: datetime) -> Price | None:
    try:
        if model.base_url is not None:
            _, info = snapshot.find_provider_model(model.model, None, None, model.base_url)
        else:
            _, info = snapshot.find_provider_model(model.model, None, PROVIDER_IDS[model.kind], None)
    except LookupError:
        return None
    return price_of(info, version, at)


def price_of(info: "ModelInfo", version: str, at: datetime) -> Price | None:
    """The price of a model of the snapshot's, as of `at`."""
    prices = info.get_prices(at)
    has_batch = any(variant.when == BATCH for variant in info.price_variants or ())
    batch = _tiers(info.get_prices(at, BATCH)) if has_batch else ()
    tiers, whole = _tiers(prices), prices.requests_kcount is None
    return Price(tiers, version, batch, whole) if tiers else None


def _tiers(prices: Any) -> tuple[Tier, ...]:
    """Our tiers from theirs: crossing a threshold of prompt tokens changes the price of every token.

    As in their own calculator, cached tokens without a price of their own cost what others of the prompt do.
    """
    values = {"input": prices.input_mtok, "output": prices.output_mtok}
    if values["input"] is None and values["output"] is None:
        return ()
    for ours, theirs in (("cached_read", "cache_read_mtok"), ("cached_write", "cache_write_mtok")):
        own = getattr(prices, theirs)
        values[ours] = values["input"] if own is None else own
    starts = {0} | {tier.start for value in values.values() for tier in getattr(value, "tiers", ())}
    return tuple(
        Tier(**{ours: _at(value, start) for ours, value in values.items()}, above=start) for start in sorted(starts)
    )


def _at(value: Any, start: int) -> float | None:
    if value is None:
        return None
    if isinstance(value, Decimal | int | float):
        return float(value) / MILLION
    reached = [tier.price for tier in value.tiers if tier.start <= start]
    return float(reached[-1] if reached else value.base) / MILLION
