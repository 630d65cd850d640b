"""What a scorer is: a judge of one answer to one sample. It says how good; thresholds and weights are the suite's.

To add one: a new file with an `Options` model and a class with the methods of `Scorer`, and a line in
`scoring/table.py`. tests/scoring/test_contract.py then checks it.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Protocol

from msgspec import Struct, field
from pydantic import BaseModel, ConfigDict, Field

from llmctl.model.json import JsonObject
from llmctl.model.usage import NO_USAGE, UNPRICED, Cost, Usage


class ScorerOptions(BaseModel):
    """Base of every scorer's options. Unknown keys are errors.

    Texts may hold jinja2 references to the sample's columns, `{{answer}}`: they are rendered per sample before the
    scorer sees them, in options whose field is listed in the scorer's `rendered`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)


class Sample(Struct, frozen=True):
    """One item of a dataset. `columns` is all that is known of it, by name, as prompts and options may refer to it.

    `expected` is the reference answer, where there is one. `context` are passages that an answer may rest on.
    `cluster` are items that belong together (one conversation, one document); items without are their own.
    """

    id: str
    columns: dict[str, Any]
    expected: Any = None
    context: tuple[str, ...] = ()
    cluster: str = ""


class ToolCalled(Struct, frozen=True):
    """A call of a tool that the answer makes; `arguments` is the JSON text, as the model wrote it."""

    name: str
    arguments: str = ""


class Output(Struct, frozen=True):
    """An answer to be scored. `seconds` and `ttft` are None where nobody measured; `cost` unpriced where unknown.

    `messages` and `tools` are what was sent. `error` is the code of what went wrong in place of an answer, such as
    `policy_violation`; `guards` are names of policies that acted (`input.pii=redact`).
    """

    text: str
    tool_calls: tuple[ToolCalled, ...] = ()
    messages: tuple[JsonObject, ...] = ()
    tools: tuple[JsonObject, ...] = ()
    seconds: float | None = None
    ttft: float | None = None
    usage: Usage = NO_USAGE
    cost: Cost = UNPRICED
    finish_reason: str | None = None
    refusal: str = ""
    error: str = ""
    guards: tuple[str, ...] = ()


class Score(Struct, frozen=True, omit_defaults=True):
    """`value`: 0 worst to 1 best, whatever the scorer. `raw` is what was measured, in the scorer's own unit.

    `reason` is for people, one line. `parts` are sub-scores by name. `cost` is what judging took.
    """

    value: float
    raw: float | None = None
    reason: str = ""
    parts: dict[str, float] = field(default_factory=dict)
    cost: Cost = UNPRICED


class Unscorable(Exception):
    """The scorer cannot say: no reference, a judge that does not answer. Counted apart; it is never a score of 0.

    `cost` is what was spent in vain.
    """

    def __init__(self, reason: str, cost: Cost = UNPRICED) -> None:
        super().__init__(reason)
        self.cost = cost


Ask = Callable[[str, Sequence[JsonObject], Mapping[str, Any]], Awaitable["Judged"]]
"""Asks a configured model: its name, the messages, and parameters such as temperature."""
Embed = Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]
"""Unit vectors of texts."""


class Judged(Struct, frozen=True):
    """A judge's answer. Raised as Unscorable where it gives none."""

    text: str
    cost: Cost = UNPRICED


@dataclass(frozen=True, slots=True)
class Tools:
    """What scorers may use. `folder` is where the suite lies: relative paths are from there."""

    folder: Path
    random: Random
    ask: Ask | None = None
    embed: Embed | None = None


class Scorer(Protocol):
    """A configured scorer. Asked from one event loop; what takes longer than a millisecond goes to a thread.

    `rendered` names the options whose texts refer to the sample; `threshold` is from where on a value passes, unless
    the suite says otherwise.
    """

    Options: ClassVar[type[ScorerOptions]]
    rendered: ClassVar[frozenset[str]]
    threshold: ClassVar[float]

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Loads and checks all it needs. Raises ValueError and OSError."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """`options` are its own, rendered for this sample. Raises Unscorable."""
        ...


class Assertion(BaseModel):
    """A scorer as a suite lists it: which, how it counts, and (beside these) its own options.

    `not-KIND` turns it round: 1 minus the value, passed where it would have failed.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    kind: str
    name: str | None = Field(None, description="The metric it counts for. Default: the kind.")
    weight: float = Field(1.0, ge=0, description="In the item's score, a weighted mean; 0 only reports.")
    threshold: float | None = Field(None, ge=0, le=1, description="Passed from here on. Default: the scorer's own.")
