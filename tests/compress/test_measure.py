import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from llmctl.clock import SystemClock
from llmctl.compress.extract import estimate
from llmctl.compress.measure import (
    METHODS,
    Index,
    Measured,
    Meeting,
    Outcome,
    Passage,
    Question,
    Turn,
    answers,
    has_answer,
    meetings,
    resampled,
)

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "compression"

QUESTIONS = [
    Question(
        f"What is the colour of the {thing}?", (colour,), Passage(thing.title(), f"The {thing} is {colour}. {more}")
    )
    for thing, colour, more in (
        ("grass", "green", "Cows eat it all day long in the meadows by the river."),
        ("snow", "white", "Children build men and castles from it in winter."),
        ("sky", "blue", "Birds and aeroplanes fly there when the weather is fine."),
        ("blood", "red", "Vampires are said to drink it in old stories from the east."),
        ("coal", "black", "Miners dig it out of the ground and it is burnt in stoves."),
        ("gold", "yellow", "Kings wear it as a crown and thieves steal it at night."),
    )
]


def last(steps: Iterable[Measured]) -> Measured:
    return list(steps)[-1]


def share(outcomes: list[Outcome]) -> float:
    return sum(one.kept for one in outcomes) / len(outcomes)


def test_answers_are_kept_where_truncation_and_chance_lose_them() -> None:
    found = last(answers(QUESTIONS, 0.34, count=estimate, clock=SystemClock(), distractors=5))
    assert set(found.outcomes) == set(METHODS)
    assert share(found.outcomes["extractive"]) == 1
    assert share(found.outcomes["truncation"]) < 1
    assert len(found.ms) == len(QUESTIONS)
    assert all(one.after <= 0.34 * one.before + 1 for method in found.outcomes.values() for one in method)


def test_the_same_seed_gives_the_same_figures() -> None:
    one, two = (last(answers(QUESTIONS, 0.3, count=estimate, clock=SystemClock(), seed=3)).outcomes for _ in "12")
    assert one == two


def test_relevant_turns_are_counted_whole() -> None:
    turns = [Turn("Ann" if at % 2 else "Bob", "Nothing new here.") for at in range(60)]
    turns[30:33] = [Turn("Bob", "The battery is too dear."), Turn("Ann", "So no battery?"), Turn("Bob", "No battery.")]
    meeting = Meeting(tuple(turns), (("What about the battery?", frozenset({30, 31, 32})),))
    found = last(meetings([meeting], 0.2, count=estimate, clock=SystemClock()))
    assert found.outcomes["extractive"][0][:3] == (1.0, 3, 3)
    assert found.outcomes["truncation"][0].hits == 0
    whole = last(meetings([meeting], 1.0, count=estimate, clock=SystemClock()))
    assert {name: one[0].hits for name, one in whole.outcomes.items()} == dict.fromkeys(METHODS, 3)


def test_an_answer_is_whole_words() -> None:
    assert has_answer("It was in 1976, at the Ritz.", ("the ritz",))
    assert not has_answer("It was in 1976.", ("97", "", "…"))


def test_the_index_ranks_by_the_words_of_the_query() -> None:
    index = Index(["tea and milk", "the red car", "a red red rose"])
    assert index.best("red rose")[0] == 2
    assert index.best("nothing there") == [0, 1, 2]


def test_resampling_draws_meetings_whole() -> None:
    outcomes = [Outcome(kept, int(kept), 1, 1, 1) for kept in (1.0, 1.0, 0.0, 0.0)]
    assert resampled(outcomes, [0, 0, 1, 1], draws=500, seed=1) == (0.0, 1.0)
    assert resampled(outcomes, [0, 1, 0, 1], draws=500, seed=1) == (0.5, 0.5)


def test_the_bars_hold_on_public_data() -> None:
    if not DATA.is_dir():
        pytest.skip(f"{DATA} is not there")
    with gzip.open(DATA / "nq_dev.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    questions = [
        Question(row["question"], tuple(row["answers"]), Passage(row["ctxs"][0]["title"], row["ctxs"][0]["text"]))
        for row in rows[:150]
    ]
    outcomes = last(answers(questions, 0.33, count=estimate, clock=SystemClock())).outcomes["extractive"]
    assert share(outcomes) >= 0.92
    assert sum(one.before for one in outcomes) >= 3 * sum(one.after for one in outcomes)
