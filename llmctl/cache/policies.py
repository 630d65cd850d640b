"""What a semantic policy is asked and answers, and the plain one: a fixed threshold."""

from collections.abc import Sequence
from random import Random
from typing import Any, Literal, Protocol

from msgspec import Struct, structs

from llmctl.cache.bounds import Certificate
from llmctl.cache.evidence import Neighbour

Reason = Literal["hit", "audit", "explore", "empty"]


class Decision(Struct, frozen=True, gc=False):
    """Serve the answer of `entry`, or ask the model.

    `audit`: it would have been a hit, and the model is asked to see whether that were right; that had `probability`.
    `risk` is P(that answer is wrong), 1 where nothing is known. `evidence` and `logit` are for `observe`.
    """

    reason: Reason
    entry: int | None = None
    similarity: float | None = None
    risk: float = 1.0
    probability: float = 0.0
    evidence: tuple[float, ...] = ()
    logit: float = 0.0

    @property
    def serve(self) -> bool:
        """Whether the cached answer is to be served."""
        return self.reason == "hit"

    @property
    def audit(self) -> bool:
        """Whether this would have been a hit."""
        return self.reason == "audit"


class Report(Struct, frozen=True):
    """What a policy has done and how wrong it may have been. Shares are of all requests.

    `certified` bounds the share of false hits from audits alone; `modelled` (None for a threshold) from the predicted
    risks, which audits have not `refuted`. Each holds at all times with the policy's confidence.
    """

    requests: int
    hits: int
    audits: int
    wrong_audits: int
    certified: float | None
    modelled: float | None = None
    expected: float | None = None
    refuted: bool = False

    def told(self) -> dict[str, Any]:
        """For JSON: every figure, and the bound that stands."""
        return {**structs.asdict(self), "bound": self.bound}

    @property
    def bound(self) -> float | None:
        """The bound that stands: the modelled one until audits have refuted it; None where nothing bounds anything."""
        return self.certified if self.modelled is None or self.refuted else self.modelled


class Policy(Protocol):
    """Decides on hits and learns from answers that were compared."""

    def decide(self, text: str, neighbours: Sequence[Neighbour], size: int) -> Decision:
        """What to do with a request, given what is near it (nearest first) among `size` answers."""
        ...

    def observe(self, decision: Decision, right: bool) -> None:
        """After `explore` or `audit`: whether the entry's answer is the one that the model gave."""
        ...

    def exact(self) -> None:
        """A request that needed no decision: it counts among all requests."""
        ...

    def report(self) -> Report:
        """Figures up to now."""
        ...


class Threshold:
    """Serves whatever is at least this similar. Bounds nothing by itself; audits, if any, measure what it does."""

    def __init__(self, threshold: float, *, random: Random, audit: float = 0.0, confidence: float = 0.95) -> None:
        """`audit` is the share of would-be hits that are sent to the model instead."""
        if not -1 <= threshold <= 1 or not 0 <= audit < 1:
            raise ValueError("a threshold is a cosine from -1 to 1, an audit a share from 0 to below 1")
        self._threshold = threshold
        self._random = random
        self._audit = audit
        self._certificate = Certificate(audit, 1 - confidence) if audit else None
        self._requests = self._hits = self._audits = self._wrong = 0

    def decide(self, text: str, neighbours: Sequence[Neighbour], size: int) -> Decision:
        """A hit where the nearest is near enough, audits apart."""
        self._requests += 1
        if not neighbours:
            return Decision("empty")
        first = neighbours[0]
        if first.similarity < self._threshold:
            return Decision("explore", first.entry, first.similarity)
        if self._certificate and self._random.random() < self._audit:
            return Decision("audit", first.entry, first.similarity, probability=self._audit)
        self._hits += 1
        if self._certificate:
            self._certificate.served()
        return Decision("hit", first.entry, first.similarity)

    def observe(self, decision: Decision, right: bool) -> None:
        """Counts what audits found; a threshold learns nothing."""
        if decision.audit and self._certificate:
            self._audits += 1
            self._wrong += not right
            self._certificate.audited(not right, decision.probability)

    def exact(self) -> None:
        """Counts a request that needed no decision."""
        self._requests += 1

    def report(self) -> Report:
        """Figures up to now; `certified` is None without audits."""
        bound = self._certificate.bound / max(1, self._requests) if self._certificate else None
        return Report(self._requests, self._hits, self._audits, self._wrong, bound)
