"""Prices that the configuration declares: they stand instead of the shipped ones."""

import json
from hashlib import sha256
from typing import Annotated

from pydantic import Field, model_validator

from llmctl.config.explain import nearest
from llmctl.config.load import Loaded, decode
from llmctl.config.section import Name, Section
from llmctl.errors import ConfigError
from llmctl.model.pricing import Price, Tier

MILLION = 1_000_000
BUCKETS = ("input", "output", "cached_read", "cached_write", "reasoning")

Dollars = Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]


class BucketPrices(Section):
    """US dollars per million tokens, by kind of token."""

    input: Dollars | None = Field(None, description="Tokens of the prompt that are not read from the provider's cache.")
    output: Dollars | None = Field(None, description="Tokens of the answer.")
    cached_read: Dollars | None = Field(None, description="Tokens of the prompt that the provider had in its cache.")
    cached_write: Dollars | None = Field(None, description="Tokens of the prompt that it wrote to its cache.")
    reasoning: Dollars | None = Field(None, description="Tokens the model thought with. Default: as `output`.")


class AbovePrices(BucketPrices):
    """Prices of long prompts: of all the tokens of such a request. What is not said is as for shorter ones."""

    tokens: int = Field(ge=1, description="For prompts of more tokens than this, cached ones included.")


class ModelPrices(BucketPrices):
    """A model's prices, all of them: nothing is taken from the shipped ones. 0 is a price, and what is left out is not
    known: a request with such tokens costs `partial`."""

    batch: float | None = Field(
        None, gt=0, le=1, description="What the provider's batch API charges, as a share of these prices."
    )
    above: list[AbovePrices] = Field(default_factory=list, description="Prices of long prompts, by rising `tokens`.")

    @model_validator(mode="after")
    def _some_and_rising(self) -> "ModelPrices":
        if self.input is None and self.output is None:
            raise ValueError("say the price of input, or of output")
        starts = [one.tokens for one in self.above]
        if starts != sorted(set(starts)):
            raise ValueError("the `tokens` of `above` must rise")
        return self

    def price(self, version: str) -> Price:
        """The same in dollars per token."""
        known = {bucket: getattr(self, bucket) for bucket in BUCKETS}
        steps = [(0, dict(known))]
        for one in self.above:
            known |= {bucket: said for bucket in BUCKETS if (said := getattr(one, bucket)) is not None}
            steps.append((one.tokens, dict(known)))
        batch = tuple(_tier(prices, start, self.batch) for start, prices in steps) if self.batch is not None else ()
        return Price(tuple(_tier(prices, start, 1.0) for start, prices in steps), version, batch)


class PricesOptions(Section):
    """Prices that override the shipped ones."""

    version: str | None = Field(
        None,
        pattern=r"^[^\x00-\x1f]{1,64}$",
        description="What records call these prices, as `2026-11 contract`. Default: a digest of them.",
    )
    models: dict[Name, ModelPrices] = Field(default_factory=dict, description="By the models' names in this file.")

    def prices(self) -> dict[str, Price]:
        """Prices by the model's name, all of one version, `configured ...`."""
        version = f"configured {self.version or self._digest()}"
        return {name: model.price(version) for name, model in self.models.items()}

    def _digest(self) -> str:
        canonical = json.dumps(self.model_dump(mode="json")["models"], sort_keys=True, separators=(",", ":"))
        return sha256(canonical.encode()).hexdigest()[:12]


def declared(loaded: Loaded, trouble: list[str]) -> dict[str, Price]:
    """The configuration's own prices, by its models' names. What is wrong with them goes to `trouble`."""
    config = loaded.config
    try:
        options = decode(PricesOptions, config.prices, loaded, ("prices",))
    except ConfigError as error:
        trouble.extend(error.findings)
        return {}
    for name in options.models:
        if name not in config.models:
            hint = nearest(name, list(config.models))
            trouble.append(loaded.finding(("prices", "models", name), f"no model {name!r} under `models`{hint}"))
    return options.prices()


def _tier(prices: dict[str, float | None], above: int, share: float) -> Tier:
    each = {bucket: None if price is None else price * share / MILLION for bucket, price in prices.items()}
    return Tier(**each, above=above)
