"""How an answer differs from the one of then."""

import heapq
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from msgspec import Struct

from llmctl.gateway.asking import Reply
from llmctl.model.json import UNDECODABLE, decode
from llmctl.replay.source import Before
from llmctl.scoring.base import Embed, ToolCalled
from llmctl.statistics.interval import Interval
from llmctl.statistics.order import hodges_lehmann
from llmctl.statistics.paired import paired_difference

EXAMPLES = 5
LONGEST = 20_000
SHOWN = 300


class Difference(Struct, frozen=True, omit_defaults=True):
    """Of one answer. None where one of the two is not known; `similarity` is a cosine of what they are about."""

    exact: bool | None = None
    normalised: bool | None = None
    similarity: float | None = None
    tool_calls: bool | None = None


def calls_of(reply: Reply) -> tuple[ToolCalled, ...]:
    """Calls of tools in an answer; they are compared, never made."""
    if reply.answer is None or not reply.answer.choices or (message := reply.answer.choices[0].message) is None:
        return ()
    found = [one.function for one in message.tool_calls or [] if one.function is not None]
    return tuple(ToolCalled(one.name or "", one.arguments or "") for one in found)


async def differ(before: Before, text: str, calls: Sequence[ToolCalled], embed: Embed) -> Difference:
    """Compare. `before.text` is known."""
    then = before.text or ""
    exact = then == text
    same = exact or " ".join(then.split()).casefold() == " ".join(text.split()).casefold()
    tools = _shape(before.tool_calls) == _shape(calls) if before.tool_calls or calls else None
    similarity: float | None = 1.0 if same else None
    if not same and then.strip() and text.strip():
        a, b = (np.asarray(vector) for vector in await embed([then[:LONGEST], text[:LONGEST]]))
        similarity = float(a @ b) if a.any() and b.any() else None
    return Difference(exact, same, similarity, tools)


def _shape(calls: Sequence[ToolCalled]) -> list[tuple[str, Any]]:
    found = []
    for call in calls:
        try:
            found.append((call.name, decode(call.arguments or "{}")))
        except UNDECODABLE:
            found.append((call.name, call.arguments))
    return found


@dataclass(slots=True)
class Pairs:
    """Two figures of the same requests, then and now, where both are known."""

    before: "array[float]" = field(default_factory=lambda: array("d"))
    after: "array[float]" = field(default_factory=lambda: array("d"))

    def add(self, before: float | None, after: float | None) -> None:
        """Of one request."""
        if before is not None and after is not None:
            self.before.append(before)
            self.after.append(after)

    def mean(self) -> Interval | None:
        """Mean difference, now less then; None with fewer than two pairs."""
        return paired_difference(self.after, self.before) if len(self.before) > 1 else None

    def shift(self) -> Interval | None:
        """How far one distribution is from the other, now less then (Hodges-Lehmann, 98%)."""
        return hodges_lehmann(self.after, self.before) if len(self.before) > 1 else None


class Example(Struct, frozen=True):
    """One of the answers that differ most."""

    id: str
    similarity: float
    then: str
    now: str


class Differences:
    """All of a replay's, in bounded memory but for a few numbers a request."""

    def __init__(self) -> None:
        self.compared = self.exact = self.normalised = 0
        self.with_tools = self.same_tools = 0
        self.similarity: array[float] = array("d")
        self.cost, self.seconds, self.tokens = Pairs(), Pairs(), Pairs()
        self._examples: list[tuple[float, int, Example]] = []

    def add(self, ident: str, found: Difference, then: str, now: str) -> None:
        """Count one."""
        self.compared += 1
        self.exact += bool(found.exact)
        self.normalised += bool(found.normalised)
        if found.tool_calls is not None:
            self.with_tools += 1
            self.same_tools += found.tool_calls
        if found.similarity is None:
            return
        self.similarity.append(found.similarity)
        if not found.normalised:
            example = Example(ident, round(found.similarity, 4), then[:SHOWN], now[:SHOWN])
            heapq.heappush(self._examples, (-found.similarity, self.compared, example))
            if len(self._examples) > EXAMPLES:
                heapq.heappop(self._examples)

    @property
    def examples(self) -> list[Example]:
        """Those that differ most, the furthest first."""
        return [example for _, _, example in sorted(self._examples, key=lambda one: (-one[0], one[1]))]
