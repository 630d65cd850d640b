"""What a run leaves: one line per item and repeat. Reports, gates and comparisons are questions asked of these."""

from typing import Any

from msgspec import Struct, field

from llmctl.model.usage import NO_USAGE, UNPRICED, Cost, Usage


class Scored(Struct, frozen=True, omit_defaults=True):
    """What one scorer said. `value` is None where it could not say, which `reason` explains."""

    metric: str
    kind: str
    value: float | None
    passed: bool | None
    weight: float = 1.0
    raw: float | None = None
    reason: str = ""
    parts: dict[str, float] = field(default_factory=dict)


class Result(Struct, frozen=True, omit_defaults=True):
    """One answer of one variant to one item. `number` is the item's place in the dataset, `repeat` counts from 0.

    `score` is the weighted mean of what could be scored, None where nothing could (`error` says why, or `scored`
    does). `cost` is the answer's, `judging` that of its judges. `columns` are the sample's, for slices and drill-down;
    `cached` says that nothing was paid for it in this run.
    """

    item: str
    number: int
    repeat: int
    variant: str
    score: float | None
    passed: bool | None
    cluster: str = ""
    columns: dict[str, Any] = field(default_factory=dict)
    expected: Any = None
    messages: list[dict[str, Any]] = field(default_factory=list)
    output: str = ""
    tool_calls: list[dict[str, Any]] = field(default_factory=list)
    scored: list[Scored] = field(default_factory=list)
    error: str = ""
    detail: str = ""
    attempts: int = 1
    cached: bool = False
    seconds: float | None = None
    ttft: float | None = None
    usage: Usage = NO_USAGE
    cost: Cost = UNPRICED
    judging: Cost = UNPRICED
    model: str = ""
    request_id: str = ""


class Run(Struct, frozen=True, omit_defaults=True):
    """The first line of a results file: what was run, so that a run is resumed only as itself.

    `digest` is of everything that decides the results: suite, dataset, prompts, targets, seed.
    """

    suite: str
    digest: str
    variants: list[str]
    items: int
    repeats: int
    seed: int
    started: float
    llmctl: str
    v: int = 1
