"""Microseconds that each guard takes for 150, 500 and 4,000 characters of benign prose, as JSON: p50 and p99.

`python bench/guards.py [KIND…]`; the thread's own CPU time, after a warm-up. The text differs from call to call, so
that no guard answers from memory; answers come with a system prompt of 1,300 characters, a context and a question.
`unsettled_p50_us` is what a stream takes beside, once for each part that is judged.
"""

import json
import random
import sys
from time import thread_time_ns
from typing import Any

from llmctl.guards import TABLE
from llmctl.guards.base import About, Direction, Guard, Source
from llmctl.guards.measure import percentile

LENGTHS = (150, 500, 4_000)
CALLS = 400
SECONDS = 3.0  # for one length of one guard; a slow guard is called less often

OPTIONS: dict[str, dict[str, Any]] = {
    "pattern": {"patterns": [{"name": f"p{i}", "regex": rf"\bPRJ{i}-\d{{4,6}}\b"} for i in range(10)]},
    "schema": {"json_schema": {"type": "object", "properties": {"answer": {"type": "string"}}, "required": ["answer"]}},
    "topics": {"deny": {"gambling": ["casino", "roulette", "sports betting"]}},
    "language": {"allow": ["en"]},
    "leakage": {"canaries": ["CANARY-7f3a9c21"]},
}
SUBJECTS = [
    "the council",
    "our library",
    "a small bakery",
    "the harbour office",
    "my neighbour",
    "the orchestra",
    "a travel guide",
]
VERBS = [
    "planned",
    "described",
    "repaired",
    "opened",
    "compared",
    "delivered",
    "postponed",
    "celebrated",
    "measured",
    "rewrote",
]
OBJECTS = [
    "the spring timetable",
    "an older bridge",
    "two quiet gardens",
    "the winter exhibition",
    "a recipe for rye bread",
]
ENDS = [
    "because of the weather",
    "with some help",
    "after a long discussion",
    "for the visitors",
    "without much trouble",
]

SYSTEM = (
    "You are the assistant of a public library. Answer from the passages only, in the language of the question, and say"
    " so when they do not hold the answer. Never promise a date, never discuss other readers, keep it under 80 words. "
    "Opening hours, fees and lost cards are answered by the desk: give its telephone number and nothing else. "
)


def prose(rng: random.Random, length: int) -> str:
    """So many characters of sentences, none of which should concern anyone."""
    parts: list[str] = []
    size = 0
    while size <= length:
        words = [rng.choice(SUBJECTS), rng.choice(VERBS), rng.choice(OBJECTS), rng.choice(ENDS)]
        sentence = " ".join(words).capitalize() + f" in {rng.randint(1990, 2024)}. "
        parts.append(sentence)
        size += len(sentence)
    return "".join(parts)[:length]


def measured(guard: Guard, direction: Direction, length: int, *, as_json: bool) -> dict[str, float | int | None]:
    rng = random.Random(length)
    source: Source = "user" if direction == "input" else "assistant"
    about = About(direction, source, (prose(rng, 900),), "What did the council plan?", system=SYSTEM * 4)
    guard.judge(prose(rng, 200), about)  # weights and caches are loaded by the first call
    costs: list[float] = []
    holding: list[float] = []
    allowed = 0
    stop = thread_time_ns() + SECONDS * 1e9
    while len(costs) < CALLS and thread_time_ns() < stop:
        text = prose(rng, length)
        text = json.dumps({"answer": text}) if as_json else text
        started = thread_time_ns()
        verdict = guard.judge(text, about)
        costs.append((thread_time_ns() - started) / 1e3)
        allowed += verdict.outcome == "allow"
        started = thread_time_ns()
        guard.unsettled(text)
        holding.append((thread_time_ns() - started) / 1e3)
    p50, p99 = percentile(costs, 0.5), percentile(costs, 0.99)
    return {
        "p50_us": None if p50 is None else round(p50, 1),
        "p99_us": None if p99 is None else round(p99, 1),
        "unsettled_p50_us": round(percentile(holding, 0.5) or 0.0, 1),
        "calls": len(costs),
        "flagged": len(costs) - allowed,
    }


def main(kinds: list[str]) -> None:
    result: dict[str, Any] = {}
    for kind in kinds or sorted(TABLE):
        found = TABLE[kind]
        guard = found(found.Options(**OPTIONS.get(kind, {})))
        direction: Direction = "input" if "input" in found.directions else "output"
        result[kind] = {"direction": direction, "declared_us_per_1000": found.cost_us}
        for length in LENGTHS:
            result[kind][str(length)] = measured(guard, direction, length, as_json=kind == "schema")
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main(sys.argv[1:])
