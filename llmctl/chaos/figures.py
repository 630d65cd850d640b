"""The figures of a drill, for people, and as proof that what was to go wrong did."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from llmctl.chaos.books import Books
from llmctl.chaos.questions import Answered

Figures = dict[str, Any]


def p95_ms(answers: Sequence[Answered]) -> float:
    """Milliseconds from when a request was due to the end of its answer, of 95% of them."""
    return float(np.percentile([answer.seconds for answer in answers], 95)) * 1000 if answers else 0.0


def figures(asked: Sequence[Answered], books: Books, warned: Mapping[str, int]) -> Figures:
    """Of what was asked while things went wrong. `warned` counts the log's warnings, by event.

    `calls` and `faulted` (refused, broken off, or unanswered) are by provider; `opened` are breakers that opened, by
    model; `jumped_s` is how far apart the records' times are beyond what the drill took.
    """
    ids = {answer.question.id for answer in asked}
    own = [call for call in books.calls if call.request in ids]
    records = [record for id_ in ids for record in books.by_id.get(id_, [])]
    milliseconds = [answer.seconds * 1000 for answer in asked] or [0.0]
    started = [record.started for record in records] or [0.0]
    took = max((answer.ended for answer in asked), default=0.0) - min((answer.due for answer in asked), default=0.0)
    opened = [change.target for record in records for change in record.transitions if change.after == "open"]
    return {
        **{f"p{part}_ms": round(float(np.percentile(milliseconds, part)), 1) for part in (50, 95, 99)},
        "max_ms": round(max(milliseconds), 1),
        "calls_per_request": round(len(own) / max(len(asked), 1), 4),
        "calls": _counted(call.provider for call in own),
        "faulted": _counted(call.provider for call in own if not call.answered),
        "opened": _counted(opened),
        "states": _counted(record.state for record in records),
        "failures": _counted(attempt.error for record in records for attempt in record.attempts if attempt.error),
        "why": _counted(attempt.why for record in records for attempt in record.attempts),
        "cache": _counted(record.cache.kind for record in records if record.cache is not None),
        "usage": _counted(record.usage.source for record in records),
        "served": _counted(record.served_model for record in records if record.served_model),
        "policies": len({record.policy for record in records}),
        "jumped_s": round(max(0.0, max(started) - min(started) - took), 1),
        "unrecorded": sum(id_ not in books.by_id for id_ in ids),
        "warned": dict(warned),
    }


def _counted(names: Any) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def seen(found: Mapping[str, Any], name: str) -> float:
    """The figure of a dotted name; 0 where there is none."""
    at: Any = found
    for part in name.split("."):
        at = at.get(part, 0) if isinstance(at, Mapping) else 0
    return float(at) if isinstance(at, (int, float)) else 0.0
