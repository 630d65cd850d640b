"""What travels along the path: one client request, what was decided about it, and what came back."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from msgspec import Struct, field

from llmctl.model.chat import Answer, Chunk, Operation
from llmctl.model.json import JsonObject
from llmctl.model.record import (
    Attempt,
    CacheOutcome,
    Compression,
    Decision,
    Degraded,
    Failure,
    GuardResult,
    Passed,
    StageTime,
    State,
    Transition,
)
from llmctl.model.trace import Trace
from llmctl.model.usage import NO_USAGE, UNPRICED, Cost, Usage

Dialect = Literal["openai", "anthropic", "responses"]
WISHES = ("no-store", "refresh", "only")
"""What a client may want of the cache: leave it alone, fetch anew, answer from it or not at all."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who is calling. `models` is None where every model is allowed."""

    key: str
    tenant: str
    models: frozenset[str] | None = None
    admin: bool = False
    expires: float | None = None
    priority: int = 0


class Restorer(Protocol):
    """Puts values back into one streamed text."""

    def feed(self, chunk: str) -> str:
        """What can be released after `chunk`."""
        ...

    def finish(self) -> str:
        """What was held back when the stream ended."""
        ...


class Restoration(Protocol):
    """What guards took out of the request and the client is to see again in the answer."""

    def restore(self, text: str, *, within_json: bool = False) -> str:
        """`text` with the values back in the place of their placeholders."""
        ...

    def restorer(self, *, within_json: bool = False) -> Restorer:
        """The same for a text that comes in pieces."""
        ...


class Exchange(Struct):
    """The only thing stages pass on. Times are the clock's monotonic seconds unless the name says otherwise.

    `raw` is the client's own body while it is still the encoding of `payload`; a stage that changes `payload`
    sets it to None. `whole` or `chunks` is set by the upstream stage (or the cache), never both. `cleared` says that
    input guards have seen the payload: before that nobody may keep it. `passages` is the client's `llmctl.context`.
    `notices` are what guards did, for the client: `input.pii=redact`. `model` is the configured model that answers,
    once one does; `spent` are tokens of answers nobody was given, by the name of the model that made them. `features`
    are routing's (`routing.features.Features`), where a stage has made them, and `strategy` is the one that decided.
    `wish` is what the client wants of the cache, by its body's `llmctl.cache`.
    `cached` is what the cache stages know of the request (`gateway.caching.Asking`); `replayed` says that the answer is
    from the cache, so that no model is chosen or asked. `tags` are the client's, `batch` the batch it is part of, and
    `parked` says that it waits in a batch of its provider's, at the price of those.
    `original` is the payload before it was compressed, if it was: what the answer is judged against.
    `limits` are header lines that tell the client what it has left, `reservations` what it holds of them, `budgeted`
    what it holds of budgets.
    """

    id: str
    operation: Operation
    dialect: Dialect
    payload: JsonObject
    raw: bytes | None
    trace: Trace
    started: float
    wall: float
    deadline: float
    credential: str | None = None
    stream: bool = False
    requested_model: str = ""
    principal: Principal | None = None
    decision: Decision | None = None
    provider: str = ""
    served_model: str = ""
    attempts: list[Attempt] = field(default_factory=list)
    stages: list[StageTime] = field(default_factory=list)
    guards: list[GuardResult] = field(default_factory=list)
    passed: list[Passed] = field(default_factory=list)
    cleared: bool = False
    passages: tuple[str, ...] = ()
    notices: list[str] = field(default_factory=list)
    restoration: Restoration | None = None
    limits: bytes = b""
    reservations: list[Any] = field(default_factory=list)
    budgeted: list[Any] = field(default_factory=list)
    spent: list[tuple[str, Usage]] = field(default_factory=list)
    headers: Mapping[bytes, bytes] = field(default_factory=dict)
    features: Any = None
    strategy: Any = None
    priority: int = 0
    model: str = ""
    degraded: Degraded | None = None
    transitions: list[Transition] = field(default_factory=list)
    shadow_of: str = ""
    wish: str = ""
    cache: CacheOutcome | None = None
    cached: Any = None
    replayed: bool = False
    compression: Compression | None = None
    original: JsonObject | None = None
    tags: dict[str, str] = field(default_factory=dict)
    batch: str = ""
    parked: bool = False
    whole: Answer | None = None
    chunks: AsyncIterator[list[Chunk]] | None = None
    usage: Usage = NO_USAGE
    discarded: Usage = NO_USAGE
    cost: Cost = UNPRICED
    state: State | None = None
    failure: Failure | None = None
    http_status: int = 200
    committed: bool = False
    first_chunk_at: float | None = None
    chunk_count: int = 0
    finish_reason: str | None = None
    transcript: bytes | None = None

    @property
    def answering(self) -> str:
        """The model that answers, or is to; none where the answer is the route's own text."""
        if self.model or self.decision is None or self.degraded == "static":
            return self.model
        return self.decision.model

    def discard(self, usage: Usage) -> None:
        """What the model has made is paid for, and thrown away."""
        if usage.source != "none":
            self.spent.append((self.model, usage))

    def us(self, at: float) -> int:
        """Microseconds from the start of the exchange to `at`."""
        return int((at - self.started) * 1e6)
