"""What tokens cost: unit prices by bucket, applied to a partition of tokens so that each is priced once."""

from collections.abc import Mapping
from dataclasses import dataclass

from llmctl.model.usage import UNPRICED, Cost, CostStatus, Usage


@dataclass(frozen=True, slots=True)
class Tier:
    """US dollars per token, valid for prompts of more than `above` tokens. None: not known."""

    input: float | None
    output: float | None
    cached_read: float | None = None
    cached_write: float | None = None
    above: int = 0


@dataclass(frozen=True, slots=True)
class Price:
    """A model's prices; `tiers` by rising `above`, the first at 0."""

    tiers: tuple[Tier, ...]
    version: str

    def cost(self, usage: Usage) -> Cost:
        """The cost of `usage`: `partial` where a bucket that has tokens has no price."""
        if usage.source == "none":
            return UNPRICED
        tier = self.tiers[0]
        if len(self.tiers) > 1:
            tier = max((t for t in self.tiers if usage.prompt > t.above or t.above == 0), key=lambda t: t.above)
        total, missing = 0.0, False
        for tokens, price in (
            (usage.input, tier.input),
            (usage.cached_read, tier.cached_read),
            (usage.cached_write, tier.cached_write),
            (usage.completion, tier.output),
        ):
            if not tokens:
                continue
            if price is None:
                missing = True
            else:
                total += tokens * price
        status: CostStatus = "partial" if missing else "exact" if usage.source == "provider" else "estimated"
        return Cost(total, status, self.version)


class PriceList:
    """Prices by the model's name in the configuration."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = dict(prices)

    def of(self, model: str) -> Price | None:
        """The price of a configured model, where one is known."""
        return self._prices.get(model)

    def cost(self, model: str, usage: Usage) -> Cost:
        """What `usage` cost on a configured model; UNPRICED where no price is known."""
        price = self._prices.get(model)
        return price.cost(usage) if price is not None else UNPRICED
