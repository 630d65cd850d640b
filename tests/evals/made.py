"""Results for tests: one answer per score, None for an error."""

from collections.abc import Sequence
from itertools import chain
from typing import Any

from llmctl.evals.results.read import Results
from llmctl.model.usage import Cost
from llmctl.scoring.result import Result, Run


def answers(scores: Sequence[float | None], variant: str = "a", **fields: Any) -> list[Result]:
    """One result per item; lists among `fields` have one value per item."""
    made = []
    for at, score in enumerate(scores):
        own = {name: value[at] if isinstance(value, list) else value for name, value in fields.items()}
        told: dict[str, Any] = {"item": f"i{at}", "number": at, "repeat": 0, "variant": variant, "score": score}
        told |= {"passed": None if score is None else score >= 0.5, "error": "" if score is not None else "timeout"}
        made.append(Result(**(told | own)))
    return made


def priced(*usd: float | None) -> list[Cost]:
    return [Cost() if one is None else Cost(one, "exact") for one in usd]


def run_of(*sides: list[Result], suite: str = "quick") -> Results:
    names = list(dict.fromkeys(result.variant for side in sides for result in side))
    items = len({result.item for side in sides for result in side})
    return Results(Run(suite, "d1", names, items, 1, 7, 1_770_000_000.0, "0.1"), tuple(chain.from_iterable(sides)))
