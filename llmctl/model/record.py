"""The one record an exchange leaves. Log lines, metrics, spans and reports are all derived from it.

Times within an exchange are integer microseconds since its start, named `*_us`.
"""

from typing import Any, Literal

from msgspec import Struct, field
from msgspec.json import Decoder

from llmctl.model.usage import NO_USAGE, UNPRICED, Cost, Usage

VERSION = 1

State = Literal["ok", "blocked", "failed", "aborted"]


class StageTime(Struct, frozen=True, gc=False):
    """When a stage of the path ran."""

    name: str
    start_us: int
    duration_us: int


Why = Literal["first", "retry", "fallback", "hedge", "panel", "resume"]
Degraded = Literal["fallback", "cheaper", "stale", "static"]


class Attempt(Struct, frozen=True, omit_defaults=True, gc=False):
    """One call of one provider. `first_byte_us` is when its answer began, since the exchange's start.

    `target` is the model's name in the configuration, `why` the reason for the call, `failure` the class of `error`.
    """

    provider: str
    model: str
    start_us: int
    duration_us: int = 0
    first_byte_us: int | None = None
    status: int | None = None
    error: str | None = None
    span_id: str = ""
    target: str = ""
    why: Why = "first"
    failure: str = ""


class Transition(Struct, frozen=True, omit_defaults=True, gc=False):
    """A breaker that changed its state while this exchange called its model."""

    target: str
    before: str
    after: str
    reason: str


GuardVerdict = Literal["allow", "warn", "redact", "block", "error", "unscanned"]
GuardAction = Literal["allow", "warn", "redact", "block", "would_warn", "would_redact", "would_block"]


class GuardResult(Struct, frozen=True, omit_defaults=True, gc=False):
    """What a guard judged (`verdict`) and, apart from it, what was done (`action`), under which policy.

    `error` is a guard that failed, `unscanned` one that had nothing it could judge: neither has passed anything. In
    shadow nothing is done, and the action says what would have been.
    """

    guard: str
    direction: Literal["input", "output"]
    verdict: GuardVerdict
    action: GuardAction
    score: float | None = None
    reason: str = ""
    category: str = ""
    duration_us: int = 0
    policy: str = ""


Passed = str
"""A guard that found nothing, `direction.kind` or `direction.kind:policy`: most of them, so it is written shortly."""


def passed(guard: str, direction: Literal["input", "output"], policy: str) -> Passed:
    """How it is written that a policy's guard found nothing."""
    return f"{direction}.{guard}" if policy == guard else f"{direction}.{guard}:{policy}"


class Decision(Struct, frozen=True, omit_defaults=True, gc=False):
    """Why this model. `propensity` is the probability with which the strategy takes this choice.

    `arm` is the request's place in `experiment`. `panel` are models that are asked first, all of them: where their
    answers agree `model` is not asked at all.
    """

    model: str
    strategy: str
    reason: str
    propensity: float = 1.0
    experiment: str = ""
    arm: str = ""
    panel: tuple[str, ...] = ()


CacheKind = Literal["exact", "semantic", "shared", "stale", "miss", "refresh", "audit", "revalidation", "bypass"]
FROM_CACHE: frozenset[CacheKind] = frozenset({"exact", "semantic", "shared", "stale"})
"""The cache answered."""
UNASKED: frozenset[CacheKind] = frozenset({"bypass", "refresh", "revalidation"})
"""The cache was not to answer."""


class CacheOutcome(Struct, frozen=True, omit_defaults=True, gc=False):
    """What the cache said.

    `exact`, `semantic`, `shared` (another request's answer, awaited) and `stale` are answers from it; `saved` are the
    tokens that such an answer once took. `audit`: a semantic hit that was sent to the model to see whether it was
    right; with `shadow_of`, what judging that cost. `refresh` and `bypass` are what the client wished, `revalidation`
    a copy that fetches anew what was served stale.
    """

    kind: CacheKind
    similarity: float | None = None
    age_s: float | None = None
    saved: Usage | None = None


class Compression(Struct, frozen=True, gc=False):
    """Tokens of those texts of the prompt that were compressed, by estimate, before and after."""

    before: int
    after: int


class Failure(Struct, frozen=True, omit_defaults=True, gc=False):
    """What the client was told, or would have been."""

    code: str
    message: str
    status: int
    type: str = ""


class Record(Struct, frozen=True, omit_defaults=True, gc=False):
    """One exchange, from first byte in to last byte out.

    `guards` are those that found something or failed, `passed` all others. `model` is the one that answered, which need
    not be the decided one; none where the answer is the route's own text. `degraded` says how low the route had to
    stoop; `shadow_of` is the id of the exchange that this one mirrors. `tags` are the client's own names for what it is
    about, for reports; `batch` is the id of the batch it is part of. `discarded` is the part of `usage` that was
    paid for beside the answer: panels, hedges, repairs, broken streams. `started` is seconds since the epoch;
    `overhead_us` is the duration minus the union of the attempts; `request` and `response` are the JSON that went in
    and came out, secrets redacted, or absent.
    """

    id: str
    started: float
    duration_us: int
    state: State
    http_status: int
    v: int = VERSION
    trace_id: str = ""
    span_id: str = ""
    parent_span_id: str = ""
    tenant: str = ""
    key: str = ""
    policy: str = ""
    dialect: str = ""
    operation: str = ""
    stream: bool = False
    requested_model: str = ""
    model: str = ""
    provider: str = ""
    served_model: str = ""
    decision: Decision | None = None
    attempts: list[Attempt] = field(default_factory=list)
    stages: list[StageTime] = field(default_factory=list)
    guards: list[GuardResult] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    cache: CacheOutcome | None = None
    compression: Compression | None = None
    degraded: Degraded | None = None
    transitions: list[Transition] = field(default_factory=list)
    shadow_of: str = ""
    tags: dict[str, str] = field(default_factory=dict)
    batch: str = ""
    usage: Usage = NO_USAGE
    discarded: Usage = NO_USAGE
    cost: Cost = UNPRICED
    ttft_us: int | None = None
    overhead_us: int = 0
    chunks: int = 0
    finish_reason: str | None = None
    failure: Failure | None = None
    request: Any = None
    response: Any = None

    def verdicts(self) -> list[GuardResult]:
        """What every guard judged, those that found nothing last."""
        quiet = []
        for entry in self.passed:
            direction, _, rest = entry.partition(".")
            guard, _, policy = rest.partition(":")
            side: Literal["input", "output"] = "input" if direction == "input" else "output"
            quiet.append(GuardResult(guard, side, "allow", "allow", policy=policy or guard))
        return [*self.guards, *quiet]


def overhead_us(duration_us: int, attempts: list[Attempt]) -> int:
    """Microseconds of `duration_us` in which no attempt was running: duration minus the union of the attempts."""
    if len(attempts) == 1:
        return duration_us - attempts[0].duration_us
    covered, end = 0, 0
    for start, stop in sorted((a.start_us, a.start_us + a.duration_us) for a in attempts):
        covered += max(0, stop - max(start, end))
        end = max(end, stop)
    return duration_us - covered


decoder = Decoder(Record)
