"""What each layer saved against always asking one declared model, as far as records can tell.

Starting from the baseline alone, layers are added one at a time in one fixed order: each part is what its layer saves
on top of those before it, so the parts add up in that order and in no other. Nothing is estimated: a request whose
cost, tokens or baseline price is not known is left out of every figure and counted.
"""

# ruff: noqa: S608 - what stands in the SQL is made of our own names and of whole numbers

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from llmctl.model.pricing import Price, Tier
from llmctl.reports.columns import BOOKING, BUCKETS, PRICING, STATUS
from llmctl.reports.duck import Database, Row

Layer = Literal["cache", "compression", "routing", "degraded"]
ORDER: tuple[Layer, ...] = ("cache", "compression", "routing", "degraded")
COLUMNS = (
    "shadow_of",
    "cache",
    "state",
    "degraded",
    *PRICING,
    "trimmed_tokens",
    *(f"{bucket}_tokens" for bucket in BUCKETS),
    *(f"saved_{bucket}_tokens" for bucket in BUCKETS),
    *(f"discarded_{bucket}_tokens" for bucket in BUCKETS),
)
CAVEATS = (
    "The baseline is taken to read and write the same tokens as the model that answered; it may not.",
    "Parts are attributed in this order, each on top of those before it. They do not add up otherwise: in another "
    "order each would be another figure, and only the whole the same.",
)
_NOTHING = Decimal(0)
# What a record lets be said: `hit` and `call` can be compared, the others are counted.
_KIND = """CASE
    WHEN attempts = 0 AND state = 'ok' AND cache NOT IN ('', 'miss')
        THEN CASE WHEN saved_input_tokens IS NULL THEN 'hit without tokens' ELSE 'hit' END
    WHEN status = 'none' THEN 'not charged'
    WHEN status IN ('unpriced', 'partial') THEN status
    WHEN usage_source = 'none' THEN 'without usage'
    ELSE 'call' END"""


@dataclass(frozen=True, slots=True)
class Part:
    """What one layer saved, over so many requests. Negative: it cost more than the baseline would have."""

    layer: Layer
    usd: Decimal
    requests: int


@dataclass(frozen=True, slots=True)
class Savings:
    """`baseline` and `actual` dollars of the `compared` requests, and the parts in between, in `ORDER`.

    `left_out` counts requests by why they could not be compared; `apart` is what shadows and audits cost besides, as
    far as it is known.
    """

    model: str
    price_version: str
    compared: int
    baseline: Decimal
    actual: Decimal
    parts: tuple[Part, ...]
    left_out: dict[str, int]
    apart: Decimal

    @property
    def share(self) -> Decimal | None:
        """What was saved, as a share of the baseline."""
        return (self.baseline - self.actual) / self.baseline if self.baseline else None


def savings(database: Database, model: str, price: Price) -> Savings:
    """The ledger's requests against `model` at `price`. Raises StoreError."""
    (apart,) = database.one(f"SELECT sum(cost_usd) FROM ledger WHERE {BOOKING} <> 'request'", doing="adding up shadows")
    found = _rows(database, price)
    spent = dict.fromkeys(ORDER, _NOTHING)
    counts = dict.fromkeys(ORDER, 0)
    left_out: dict[str, int] = {}
    baseline = actual = _NOTHING
    compared = 0
    for kind, degraded, tier, trimmed_tier, n, usd, trimmed, n_trimmed, *tokens in found:
        if kind not in ("hit", "call"):
            left_out[kind] = left_out.get(kind, 0) + n
            continue
        whole = _cost(price.tiers[trimmed_tier], [int(tokens[0]) + int(trimmed), *map(int, tokens[1:])])
        read = _cost(price.tiers[tier], list(map(int, tokens)))
        paid = usd or _NOTHING
        compared, baseline, actual = compared + n, baseline + whole, actual + paid
        if kind == "hit":
            # A hit's prompt was not compressed: the cache is asked first.
            spent["cache"] += whole - paid
            counts["cache"] += n
            continue
        spent["compression"] += whole - read
        counts["compression"] += int(n_trimmed)
        layer: Layer = "degraded" if degraded else "routing"
        spent[layer] += read - paid
        counts[layer] += n
    parts = tuple(Part(layer, spent[layer], counts[layer]) for layer in ORDER)
    return Savings(model, price.version, compared, baseline, actual, parts, left_out, apart or _NOTHING)


def _rows(database: Database, price: Price) -> list[Row]:
    """Exact sums by what can be said of a request, its layer, and the baseline's tiers with and without compression."""
    # The baseline would have made the answer and nothing beside it.
    served = {b: f"{b}_tokens - coalesce(discarded_{b}_tokens, 0)" for b in BUCKETS}
    tokens = [f"CASE WHEN kind = 'hit' THEN saved_{b}_tokens ELSE {served[b]} END AS {b}" for b in BUCKETS]
    above = sorted(tier.above for tier in price.tiers[1:])
    sums = ", ".join(f"sum({bucket})" for bucket in BUCKETS)
    trimmed = "CASE WHEN kind = 'hit' THEN 0 ELSE coalesce(trimmed_tokens, 0) END"
    return database.rows(
        f"WITH booked AS (SELECT *, {STATUS} AS status FROM ledger WHERE {BOOKING} = 'request'), "
        f"kinds AS (SELECT *, {_KIND} AS kind FROM booked), "
        f"seen AS (SELECT kind, degraded, cost_usd, {trimmed} AS trimmed, {', '.join(tokens)} FROM kinds), "
        f"tiers AS (SELECT *, {_tier('', above)} AS tier, {_tier(' + trimmed', above)} AS trimmed_tier FROM seen) "
        f"SELECT CASE WHEN kind IN ('hit', 'call') AND NOT ({_priceable(price)}) "
        "THEN 'no baseline price' ELSE kind END, "
        "degraded <> '', tier, trimmed_tier, count(*), sum(cost_usd), sum(trimmed), "
        f"count(*) FILTER (trimmed <> 0), {sums} FROM tiers GROUP BY ALL ORDER BY ALL",
        doing="comparing with the baseline",
    )


def _tier(more: str, above: Iterable[int]) -> str:
    prompt = f"(coalesce(input, 0) + coalesce(cached_read, 0) + coalesce(cached_write, 0){more})"
    return " + ".join(["0", *(f"CAST({prompt} > {int(start)} AS INTEGER)" for start in above)])


def _priceable(price: Price) -> str:
    """Whether the baseline has a price for every bucket that has tokens, in whichever tier."""
    buckets: dict[str, list[float | None]] = {
        "input": [tier.input for tier in price.tiers],
        "cached_read": [tier.cached_read for tier in price.tiers],
        "cached_write": [tier.cached_write for tier in price.tiers],
        "output": [tier.output for tier in price.tiers],
        "reasoning": [tier.thought for tier in price.tiers],
    }
    missing = [bucket for bucket, prices in buckets.items() if None in prices]
    return " AND ".join(f"coalesce({bucket}, 0) = 0" for bucket in missing) or "true"


def _cost(tier: Tier, tokens: list[int]) -> Decimal:
    """Dollars of tokens by bucket, in the order of `BUCKETS`; a bucket without a price has none of them."""
    prices = (tier.input, tier.cached_read, tier.cached_write, tier.output, tier.thought)
    return sum((n * _exact(p) for n, p in zip(tokens, prices, strict=True) if p is not None), _NOTHING)


def _exact(price: float) -> Decimal:
    """The price that was meant: lists give dollars per million tokens, which floats only come near."""
    return round(Decimal(price), 15)
