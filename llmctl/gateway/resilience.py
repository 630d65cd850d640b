"""What the configuration's `resilience` holds."""

from pydantic import BaseModel, ConfigDict, Field

from llmctl.config.section import Seconds
from llmctl.gateway.retry import RetryBudgetOptions, RetryOptions
from llmctl.routing.breaker import BreakerOptions
from llmctl.routing.health import HealthOptions


class ResilienceOptions(BaseModel):
    """Retries, breakers and health, the same for all models. Every one has its own breaker and health."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    retry: RetryOptions = Field(RetryOptions(), description="When a failed call is made again, or made to another.")
    retry_budget: RetryBudgetOptions = Field(RetryBudgetOptions(), description="How much retries may add to the load.")
    breaker: BreakerOptions = Field(BreakerOptions(), description="When a model that keeps failing is not asked.")
    health: HealthOptions = Field(HealthOptions(), description="How fast a model's past is forgotten.")
    probe_every: Seconds | None = Field(
        1.0,
        gt=0,
        description="How often models that are due to be tried again are first sent a request that costs nothing.",
    )
