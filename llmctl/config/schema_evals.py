"""The section of gateway.yaml about scoring a sample of live answers."""

from typing import Annotated, Any

from pydantic import Field

from llmctl.config.section import Name, Section, Share


class OnlineEvalConfig(Section):
    """Scorers over a sample of live exchanges, off their path: `llmctl_online_passed_total` and its like tell."""

    sample: Share = Field(0.01, description="Share of answered exchanges that are scored.")
    per_minute: int = Field(60, ge=1, le=60_000, description="Scored in a minute at most, by each worker.")
    models: list[Name] | None = Field(None, min_length=1, description="Models and routes asked for; all if absent.")
    judge: Name | None = Field(
        None, description="Model that judges, where a scorer asks one; what that costs is recorded as a shadow."
    )
    scorers: Annotated[list[dict[str, Any]], Field(min_length=1)] = Field(
        description="As in a suite (docs/evals-scorers.md): kind, name, threshold, and the kind's own options."
    )
