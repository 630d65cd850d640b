"""What a drill amounts to: answers, records and what the providers were asked, held against each other."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import sqrt

import numpy as np

from bench.rig.drill_client import Answered
from bench.rig.report import Details
from llmctl.model.record import Record

Asked = Sequence[tuple[str, str, str]]
_TOKEN = re.compile(r"\S+\s*|\s+")
_TERMINAL = ("ok", "failed", "blocked", "aborted")
# Calls with these outcomes and no status may have ended before a request was sent or read.
SENT_NOTHING = ("upstream_unreachable", "upstream_connection_lost", "cancelled")


@dataclass(slots=True)
class Books:
    """Answers and what belongs to them, found by the id that each question has."""

    answers: list[Answered]
    records: dict[str, list[Record]] = field(default_factory=dict)
    asked: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, answers: Iterable[Answered], records: Iterable[Record], asked: Asked) -> "Books":
        """`records` and `asked` may have others too, which are left out."""
        books = cls(list(answers))
        ids = {answer.question.id for answer in books.answers}
        for record in records:
            if record.id in ids:
                books.records.setdefault(record.id, []).append(record)
        for _, id_, outcome in asked:
            if id_ in ids:
                books.asked.setdefault(id_, []).append(outcome)
        return books

    def record(self, answer: Answered) -> Record | None:
        """Its only record."""
        found = self.records.get(answer.question.id, [])
        return found[0] if len(found) == 1 else None

    # --- each of these is empty where all is well

    def wrong(self) -> list[str]:
        """Questions that were not answered, or not rightly."""
        return [_described(answer) for answer in self.answers if not answer.right]

    def unrecorded(self) -> list[str]:
        """Questions without exactly one record in a terminal state that agrees with what the client saw."""
        found = []
        for answer in self.answers:
            record = self.record(answer)
            if record is None:
                found.append(f"{answer.question.id}: {len(self.records.get(answer.question.id, []))} records")
            elif record.state not in _TERMINAL or (record.state == "ok") != answer.right:
                found.append(f"{_described(answer)}, recorded as {record.state}")
        return found

    def unended(self) -> list[str]:
        """Streams that did not end in exactly one way, and whatever else no answer may be."""
        return [_described(answer) for answer in self.answers if not answer.ended_once]

    def charged_twice(self) -> list[str]:
        """Questions that more or less than one provider answered to the end, though one answer was delivered.

        Not those given up at `attempt_timeout`: whether a provider was about to answer, nobody can know.
        """
        found = []
        for answer in self.answers:
            made = self.asked.get(answer.question.id, []).count("answered")
            record = self.record(answer)
            late = sum(attempt.failure == "timeout" for attempt in record.attempts) if record is not None else 0
            if answer.right and not 1 <= made <= 1 + late:
                found.append(f"{_described(answer)}: {made} answers were made")
        return found

    def mispriced(self) -> list[str]:
        """Questions whose record has other tokens than the answer that was delivered, if it came in one piece.

        Where a second call was answered to the end too, that is paid for, and so it is in the record.
        """
        found = []
        for answer in self.answers:
            record = self.record(answer)
            if record is None or not answer.right or any(attempt.why == "resume" for attempt in record.attempts):
                continue
            answered = sum(attempt.error is None for attempt in record.attempts)
            if (record.usage.completion, record.usage.source) != (_tokens(answer) * answered, "provider"):
                found.append(f"{answer.question.id}: {record.usage} for {_tokens(answer)} tokens: {_tried(record)}")
        return found

    def unaccounted(self) -> list[str]:
        """Questions for which providers were asked more often than the record says, or less without a reason."""
        found = []
        for answer in self.answers:
            record = self.record(answer)
            if record is None:
                continue
            asked, said = len(self.asked.get(answer.question.id, [])), len(record.attempts)
            silent = sum(attempt.error in SENT_NOTHING and not attempt.status for attempt in record.attempts)
            if not said - silent <= asked <= said:
                found.append(f"{answer.question.id}: asked {asked} times: {_tried(record)}")
        return found

    def trouble(self) -> tuple[list[str], ...]:
        """All but wrong answers."""
        return self.unrecorded(), self.unended(), self.charged_twice(), self.mispriced(), self.unaccounted()

    # --- figures

    def attempts(self, part: float = 0.0) -> float:
        """Calls for each request, of those that came after this part of all."""
        every = self.answers[int(len(self.answers) * part) :]
        made = [len(record.attempts) for answer in every if (record := self.record(answer)) is not None]
        return sum(made) / max(len(made), 1)

    def opened(self) -> float | None:
        """The part of all requests that had come when a breaker first opened."""
        ids = {
            id_ for id_, own in self.records.items() for one in own if any(t.after == "open" for t in one.transitions)
        }
        first = next((at for at, answer in enumerate(self.answers) if answer.question.id in ids), None)
        return first / len(self.answers) if first is not None else None

    def share(self, why: str) -> float:
        """Calls made for this reason, for each request."""
        every = [record for found in self.records.values() for record in found]
        return sum(attempt.why == why for record in every for attempt in record.attempts) / max(len(every), 1)

    def ms(self, percentile: float, part: float = 0.0) -> float:
        """Milliseconds from when a request was due to the end of its answer, of those after this part of all."""
        every = self.answers[int(len(self.answers) * part) :]
        return float(np.percentile([answer.seconds for answer in every], percentile)) * 1000

    def document(self) -> Details:
        """Everything, for people."""
        count, right = len(self.answers), len(self.answers) - len(self.wrong())
        every = [record for found in self.records.values() for record in found]
        changes = Counter(f"{t.target} {t.before} to {t.after}" for record in every for t in record.transitions)
        return {
            "requests": count,
            "answered_correctly": round(right / count, 6),
            "wilson_95": [round(bound, 6) for bound in wilson(right, count)],
            "p50_ms": round(self.ms(50), 1),
            "p95_ms": round(self.ms(95), 1),
            "p99_ms": round(self.ms(99), 1),
            "max_ms": round(self.ms(100), 1),
            "attempts_per_request": round(self.attempts(), 4),
            "attempts_per_request_second_half": round(self.attempts(0.5), 4),
            "calls_by_reason": dict(Counter(a.why for record in every for a in record.attempts)),
            "states": dict(Counter(record.state for record in every)),
            "degraded": dict(Counter(record.degraded or "no" for record in every)),
            "breakers": dict(sorted(changes.items())),
            "provider_calls": sum(map(len, self.asked.values())),
            "recorded_calls": sum(len(record.attempts) for record in every),
            "wrong": self.wrong()[:5],
            "answers_made_twice": len(self.charged_twice()),
            "trouble": [one for found in self.trouble() for one in found[:3]],
        }


def wilson(successes: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The interval of a share, which holds near 1 too (Wilson 1927)."""
    share, spread = successes / count, z * z / count
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * sqrt(share * (1 - share) / count + spread / (4 * count))
    return middle - half, min(middle + half, 1.0)


def _tokens(answer: Answered) -> int:
    return len(_TOKEN.findall(answer.question.text))


def _tried(record: Record) -> str:
    return ", ".join(f"{a.why} {a.target} {a.error or 'ok'}" for a in record.attempts)


def _described(answer: Answered) -> str:
    kind = "stream" if answer.question.stream else "whole"
    what = answer.trouble or answer.said or f"{answer.terminals} {answer.finish} {answer.text!r}"
    return f"{answer.question.id} ({kind}, {answer.seconds:.2f} s): {what}"[:400]
