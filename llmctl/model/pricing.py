"""What tokens cost: unit prices by bucket, applied to a partition of tokens so that each is priced once."""

from collections.abc import Mapping
from dataclasses import dataclass

from llmctl.model.usage import UNPRICED, Cost, CostStatus, Usage


@dataclass(frozen=True, slots=True)
class Tier:
    """US dollars per token, valid for prompts of more than `above` tokens. None: not known.

    Where `reasoning` is None, such tokens cost what others of the answer do.
    """

    input: float | None
    output: float | None
    cached_read: float | None = None
    cached_write: float | None = None
    above: int = 0
    reasoning: float | None = None

    @property
    def thought(self) -> float | None:
        """The price of reasoning tokens."""
        return self.output if self.reasoning is None else self.reasoning


@dataclass(frozen=True, slots=True)
class Price:
    """A model's prices; `tiers` by rising `above`, the first at 0.

    `batch` are those of the provider's batch API. Not `whole` where something else than tokens is charged as well.
    """

    tiers: tuple[Tier, ...]
    version: str
    batch: tuple[Tier, ...] = ()
    whole: bool = True

    def cost(self, usage: Usage, *, batch: bool = False) -> Cost:
        """The cost of `usage`: `partial` where a bucket that has tokens has no price, or something else has one.

        Unpriced where no token has a price, and with `batch` where only the price of single requests is known.
        """
        tiers = self.batch if batch else self.tiers
        if usage.source == "none" or not tiers:
            return UNPRICED
        tier = tiers[0]
        if len(tiers) > 1:
            tier = max((t for t in tiers if usage.prompt > t.above or t.above == 0), key=lambda t: t.above)
        total, priced, missing = 0.0, False, not self.whole
        for tokens, price in (
            (usage.input, tier.input),
            (usage.cached_read, tier.cached_read),
            (usage.cached_write, tier.cached_write),
            (usage.output, tier.output),
            (usage.reasoning, tier.thought),
        ):
            if not tokens:
                continue
            if price is None:
                missing = True
            else:
                total, priced = total + tokens * price, True
        if missing and not priced:
            return UNPRICED
        status: CostStatus = "partial" if missing else "exact" if usage.source == "provider" else "estimated"
        return Cost(total, status, self.version)


class PriceList:
    """Prices by the model's name in the configuration."""

    def __init__(self, prices: Mapping[str, Price]) -> None:
        self._prices = dict(prices)

    def of(self, model: str) -> Price | None:
        """The price of a configured model, where one is known."""
        return self._prices.get(model)

    def cost(self, model: str, usage: Usage, *, batch: bool = False) -> Cost:
        """What `usage` cost on a configured model, in a batch of the provider's or not; UNPRICED where not known."""
        price = self._prices.get(model)
        return price.cost(usage, batch=batch) if price is not None else UNPRICED
