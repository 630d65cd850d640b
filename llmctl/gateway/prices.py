"""Unit prices from the genai-prices snapshot, read once when a gateway is built; nothing is fetched."""

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

PROVIDER_IDS = {"openai": "openai", "anthropic": "anthropic", "gemini": "google"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Priced:
    """What a price is looked up by."""

    kind: str
    base_url: str | None
    model: str


def price_list(models: Mapping[str, Priced], clock: Clock) -> PriceList:
    """Prices for those models that the snapshot knows. The snapshot is not even imported where none can be."""
    hosted = {name: model for name, model in models.items() if _hosted(model)}
    if not hosted:
        return PriceList({})
    import genai_prices  # 27 MB and 0.2 s, so only where something has a price
    from genai_prices.data_snapshot import get_snapshot

    snapshot, version = get_snapshot(), f"genai-prices {genai_prices.__version__}"
    at = datetime.fromtimestamp(clock.wall(), UTC)
    found = {name: _lookup(snapshot, model, version, at) for name, model in hosted.items()}
    return PriceList({name: price for name, price in found.items() if price is not None})


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
    return _price(info.get_prices(at), version)


def _price(prices: Any, version: str) -> Price | None:
    """Our tiers from theirs: crossing a threshold of prompt tokens changes the price of every token."""
    names = {
        "input": "input_mtok",
        "output": "output_mtok",
        "cached_read": "cache_read_mtok",
        "cached_write": "cache_write_mtok",
    }
    values = {ours: getattr(prices, theirs, None) for ours, theirs in names.items()}
    if values["input"] is None and values["output"] is None:
        return None
    starts = {0} | {tier.start for value in values.values() for tier in getattr(value, "tiers", ())}
    tiers = (
        Tier(**{ours: _at(value, start) for ours, value in values.items()}, above=start) for start in sorted(starts)
    )
    return Price(tuple(tiers), version)


def _at(value: Any, start: int) -> float | None:
    if value is None:
        return None
    if isinstance(value, Decimal | int | float):
        return float(value) / MILLION
    reached = [tier.price for tier in value.tiers if tier.start <= start]
    return float(reached[-1] if reached else value.base) / MILLION
