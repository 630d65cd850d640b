"""Options of embedders whose texts go in batches."""

from typing import Annotated

from pydantic import BeforeValidator, Field

from llmctl.config.units import parse_seconds
from llmctl.embedding.base import EmbedderOptions

Window = Annotated[float, BeforeValidator(parse_seconds), Field(ge=0, le=1, allow_inf_nan=False)]


class BatchedOptions(EmbedderOptions):
    """How long texts are collected, and how many."""

    window: Window = Field(0.005, description="Texts that come within it go in one call; 0 waits for none.")
    batch: int = Field(32, ge=1, le=2048, description="Texts in one call at most.")
    prefix: str = Field("", max_length=500, description="Put before each text, as E5 models want `query: `.")
