"""Tokens by bucket, and what they cost. The buckets partition: each token is in exactly one, so each is priced once."""

from typing import Literal

from msgspec import Struct

UsageSource = Literal["none", "provider", "estimated"]
CostStatus = Literal["exact", "estimated", "partial", "unpriced"]


class Usage(Struct, frozen=True, omit_defaults=True, gc=False):
    """Token counts. `input` excludes cached reads and writes; `output` excludes reasoning."""

    input: int = 0
    cached_read: int = 0
    cached_write: int = 0
    output: int = 0
    reasoning: int = 0
    source: UsageSource = "none"

    @property
    def prompt(self) -> int:
        """All tokens read by the model."""
        return self.input + self.cached_read + self.cached_write

    @property
    def completion(self) -> int:
        """All tokens written by the model."""
        return self.output + self.reasoning

    def __add__(self, other: "Usage") -> "Usage":
        """Both together; estimated if either is."""
        if other.source == "none":
            return self
        if self.source == "none":
            return other
        source: UsageSource = "estimated" if "estimated" in (self.source, other.source) else "provider"
        return Usage(
            self.input + other.input,
            self.cached_read + other.cached_read,
            self.cached_write + other.cached_write,
            self.output + other.output,
            self.reasoning + other.reasoning,
            source,
        )


class Cost(Struct, frozen=True, omit_defaults=True, gc=False):
    """US dollars for one exchange. `unpriced` means no price is known: it is never a zero price."""

    usd: float | None = None
    status: CostStatus = "unpriced"
    price_version: str = ""

    def __add__(self, other: "Cost") -> "Cost":
        """Both together; `partial` where one has no price."""
        if self.usd is None or other.usd is None:
            known = self if other.usd is None else other
            return known if known.usd is None else Cost(known.usd, "partial", known.price_version)
        status = max(self.status, other.status, key=("exact", "estimated", "partial").index)
        return Cost(self.usd + other.usd, status, self.price_version or other.price_version)


NO_USAGE = Usage()
UNPRICED = Cost()
