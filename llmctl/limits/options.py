"""What the configuration says about a rate limit."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Part = Literal["key", "tenant", "model"]
MAX_PER_MINUTE = 10**12  # far beyond any use, and small enough that a float counts single tokens


class RateLimitOptions(BaseModel):
    """One rate limit. Each subject, as `per` tells them apart, has all of it to itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    per: tuple[Part, ...] = Field(
        ("key",), description="Who shares one limit: those with the same of all of these. Empty: the whole gateway."
    )
    requests_per_minute: float | None = Field(
        None,
        strict=True,
        ge=1e-6,
        le=MAX_PER_MINUTE,
        allow_inf_nan=False,
        description="Requests let in, in the long run. Less than one is possible: 0.1 is one in ten minutes.",
    )
    tokens_per_minute: int | None = Field(
        None,
        strict=True,
        ge=1,
        le=MAX_PER_MINUTE,
        description="Tokens of prompt and answer together, in the long run. Reserved when a request is let in, put"
        " right when it has ended.",
    )
    concurrency: int | None = Field(
        None, strict=True, ge=1, le=MAX_PER_MINUTE, description="Requests that may be under way at a time."
    )
    burst_requests: int | None = Field(
        None,
        strict=True,
        ge=1,
        le=MAX_PER_MINUTE,
        description="Requests let in at once after a pause. Default: a minute's worth, at least one.",
    )
    burst_tokens: int | None = Field(
        None,
        strict=True,
        ge=1,
        le=MAX_PER_MINUTE,
        description="Tokens let in at once after a pause; a request that asks for more is never let in. Default: a"
        " minute's worth.",
    )
    assumed_output: int = Field(
        512,
        strict=True,
        ge=0,
        le=MAX_PER_MINUTE,
        description="Tokens reserved for the answer to a request that names no maximum.",
    )

    @model_validator(mode="after")
    def _limits_something(self) -> "RateLimitOptions":
        if self.requests_per_minute is None and self.tokens_per_minute is None and self.concurrency is None:
            raise ValueError("limits nothing: give requests_per_minute, tokens_per_minute or concurrency")
        for burst, rate in (("burst_requests", "requests_per_minute"), ("burst_tokens", "tokens_per_minute")):
            if getattr(self, burst) is not None and getattr(self, rate) is None:
                raise ValueError(f"{burst} is how far {rate} may be exceeded for a moment: give {rate} too")
        if len(set(self.per)) < len(self.per):
            raise ValueError("per names the same thing twice; once is enough")
        return self

    @property
    def request_burst(self) -> int | None:
        """Requests let in at once by a subject that has rested; None without a limit on requests."""
        if self.requests_per_minute is None:
            return None
        return self.burst_requests or max(1, int(self.requests_per_minute))

    @property
    def token_burst(self) -> int | None:
        """Tokens let in at once by a subject that has rested; None without a limit on tokens."""
        return self.burst_tokens or self.tokens_per_minute
