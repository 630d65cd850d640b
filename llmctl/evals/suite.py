"""An eval suite, as it is written in YAML."""

from typing import Annotated, Any, Literal

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

    target: Name
    prompt: Name | None = Field(None, description="Of `prompts`. Default: the only one, or the items' own messages.")
    parameters: dict[str, Any] = Field(
        default_factory=dict, description="Fields of the request, over the target's: model, temperature, max_tokens."
    )


class BudgetConfig(Section):
    """What a run may take."""

    max_cost: float | None = Field(None, gt=0, description="US dollars, judges included; the run stops there.")


class RunConfig(Section):
    """How it is asked."""

    concurrency: Annotated[int, Field(ge=1, le=4096)] = 16
    retries: Annotated[int, Field(ge=0, le=10)] = Field(2, description="After what may pass: 429, 5xx, connections.")
    requests_per_minute: float | None = Field(None, gt=0, description="Of all targets together.")
    timeout: Seconds = 120.0
    cache: bool = Field(True, description="Answers of earlier runs to the very same request are taken again.")


class GateConfig(Section):
    """When `--gate` is content: the interval's lower limit is at least `least`. Below it the run fails; an interval
    that holds it is inconclusive."""

    metric: str = Field("score", description="`score`, `passed`, or a metric's name.")
    least: float
    variant: Name | None = None


class DecisionConfig(Section):
    """How `--ab` decides."""

    metric: str = Field("score", description="`score`, `passed`, or a metric's name.")
    margin: float | None = Field(None, gt=0, description="Differences smaller than this do not matter.")
    confidence: Share = 0.95
    power: Share = 0.8
    kind: Literal["superiority", "non_inferiority", "equivalence"] = "superiority"
    also: list[str] = Field(default_factory=list, description="More primary metrics, corrected by Holm.")
    slices: list[str] = Field(default_factory=list, description="Columns whose values are looked at apart.")


class SuiteConfig(Section):
    """A suite: items, who answers them how, and what the answers are worth."""

    name: Name
    description: str = ""
    dataset: DatasetConfig
    prompts: dict[Name, str | list[Message]] = Field(
        default_factory=dict, description="jinja2 texts, or lists of messages whose texts are."
    )
    targets: dict[Name, TargetConfig]
    variants: dict[Name, VariantConfig] = Field(
        default_factory=dict, description="Default: every target with every prompt, named TARGET or TARGET-PROMPT."
    )
    scorers: list[Assertion] = Field(
        default_factory=list, description="What an answer is worth; may be left out where recorded answers have scores."
    )
    repeats: Annotated[int, Field(ge=1, le=100)] = 1
    seed: int = 0
    threshold: float | None = Field(
        None,
        ge=0,
        le=1,
        description="An item passes from this score on. Default: where all that have a weight pass.",
    )
    budget: BudgetConfig = BudgetConfig()
    run: RunConfig = RunConfig()
    gate: GateConfig | None = None
    decide: DecisionConfig = DecisionConfig()
