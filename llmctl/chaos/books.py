"""What a drill leaves: what clients were answered, what was recorded, what providers were asked, what was charged."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from llmctl.chaos.provider import Call
from llmctl.chaos.questions import Answered
from llmctl.model.record import Record


@dataclass(frozen=True, slots=True)
class Charged:
    """What a budget says that one of its subjects has spent, in dollars; `per` says what the subject's parts are.

    `whole` says that all of the subject's exchanges count, so that their records' costs must be what was spent.
    """

    budget: str
    per: tuple[str, ...]
    subject: tuple[str, ...]
    spent: float
    limit: float
    reserved: float = 0.0
    hard: bool = True
    whole: bool = True


@dataclass(slots=True)
class Books:
    """All of it. `crashes` are from when to when, by the monotonic clock, the gateway was being killed.

    `counted` are the requests in /metrics, None where they began anew.

    `forgiven_s` is how long before a crash an answer may have ended whose record is lost.
    """

    answers: Sequence[Answered]
    records: Sequence[Record]
    calls: Sequence[Call]
    charged: Sequence[Charged] = ()
    crashes: Sequence[tuple[float, float]] = ()
    counted: float | None = None
    forgiven_s: float = 0.1
    by_id: dict[str, list[Record]] = field(default_factory=dict)
    asked: dict[str, list[Call]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for record in self.records:
            self.by_id.setdefault(record.id, []).append(record)
        for call in self.calls:
            self.asked.setdefault(call.request, []).append(call)

    def record(self, answer: Answered) -> Record | None:
        """The answer's only record."""
        found = self.by_id.get(answer.question.id, [])
        return found[0] if len(found) == 1 else None

    def near_crash(self, answer: Answered) -> bool:
        """Whether it was under way, or had just ended, when the gateway was killed."""
        return any(answer.due <= dead and answer.ended >= begin - self.forgiven_s for begin, dead in self.crashes)
