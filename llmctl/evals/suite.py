"""An eval suite, as it is written in YAML."""

from typing import Any, Literal

from pydantic import Field

from llmctl.config.section import Extension, Name, Seconds, Section, Share
from llmctl.scoring.base import Assertion

Message = dict[str, Any]


class DatasetConfig(Extension):
    """Where the items come from; what else a kind takes are its own options.

    `kind`: jsonl, csv, promptfoo, openai_evals, records, or inline.
    """


class TargetConfig(Extension):
    """Who answers: `gateway` (a configuration, in this process), `url`, or `recorded` (answers that lie in a file)."""


class VariantConfig(Section):
    """A target asked with a prompt: what is measured, and compared by `--ab`."""

    target: Name = Field(description="Of `targets`.")
    prompt: Name | None = Field(None, description="Of `prompts`. Default: the only one, or the items' own messages.")
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Fields of the request, over the target's: model, temperature, max_tokens."
    )


class BudgetConfig(Section):
    """What a run may take."""

    max_cost: float | None = Field(None, gt=0, description="US dollars, judges included; the run stops there.")


class RunConfig(Section):
    """How it is asked."""

    concurrency: int = Field(16, ge=1, le=4096, description="Requests under way at a time.")
    retries: int = Field(2, ge=0, le=10, description="After what may pass: 429, 5xx, connections.")
    requests_per_minute: float | None = Field(None, gt=0, description="Of all targets together.")
    timeout: Seconds = Field(120.0, description="For one request.")
    cache: bool = Field(True, description="Answers of earlier runs to the very same request are taken again.")


class GateConfig(Section):
    """When `--gate` is content: the interval's lower limit is at least `least`. Below it the run fails; an interval
    that holds it is inconclusive."""

    metric: str = Field("score", description="`score`, `passed`, or a metric's name.")
    least: float = Field(description="What its interval must not fall below.")
    variant: Name | None = Field(None, description="Default: each of them.")


class DecisionConfig(Section):
    """How `--ab` decides."""

    metric: str = Field("score", description="`score`, `passed`, or a metric's name.")
    margin: float | None = Field(None, gt=0, description="Differences smaller than this do not matter.")
    confidence: Share = Field(0.95, description="Of intervals.")
    power: Share = Field(0.8, description="Of the plan for how many more items are needed.")
    kind: Literal["superiority", "non_inferiority", "equivalence"] = Field(
        "superiority", description="What is asked: is one better, is A no worse by `margin`, are they alike within it."
    )
    also: list[str] = Field(default_factory=list, description="More primary metrics, corrected by Holm.")
    slices: list[str] = Field(default_factory=list, description="Columns whose values are looked at apart.")


class SuiteConfig(Section):
    """A suite: items, who answers them how, and what the answers are worth."""

    name: Name = Field(description="Of the suite, and of the folder with its results.")
    description: str = Field("", description="For people.")
    dataset: DatasetConfig = Field(description="The items: docs/evals-data.md.")
    prompts: dict[Name, str | list[Message]] = Field(
        default_factory=dict, description="jinja2 texts, or lists of messages whose texts are."
    )
    targets: dict[Name, TargetConfig] = Field(description="Who answers.")
    variants: dict[Name, VariantConfig] = Field(
        default_factory=dict, description="Default: every target with every prompt, named TARGET or TARGET-PROMPT."
    )
    scorers: list[Assertion] = Field(
        default_factory=list, description="What an answer is worth; may be left out where recorded answers have scores."
    )
    repeats: int = Field(1, ge=1, le=100, description="Times each item is asked of each variant.")
    seed: int = Field(0, description="Of requests, samples and resampling.")
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="An item passes from this score on. Default: where all that have a weight pass.",
    )
    budget: BudgetConfig = Field(default_factory=BudgetConfig, description="What a run may take.")
    run: RunConfig = Field(default_factory=RunConfig, description="How it is asked.")
    gate: GateConfig | None = Field(None, description="For `--gate`.")
    decide: DecisionConfig = Field(default_factory=DecisionConfig, description="For `--ab`.")
