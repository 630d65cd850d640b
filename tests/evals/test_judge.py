import asyncio
from pathlib import Path
from random import Random

import pytest

from llmctl.evals.answers import Answers
from llmctl.evals.asking import Patience
from llmctl.evals.budget import Pace
from llmctl.evals.journal import Place
from llmctl.evals.judge import FREE, Judges
from llmctl.evals.targets import Asked
from llmctl.gateway.asking import Trouble
from llmctl.scoring.base import Judged, Unscorable
from llmctl.testing.clock import ManualClock
from tests.evals.scripted import Provider

SAYS = [{"role": "user", "content": "good?"}]


def judges(folder: Path, provider: Provider, run: str = "r", *, cache: bool = True) -> Judges:
    clock = ManualClock()
    patience = Patience(5.0, 0, Pace(None, clock), clock, Random(0))
    made = Judges({"j": Asked(provider, "j", {"model": "m"}, seed=False)}, Answers(folder), patience, cache=cache)
    made.run = run
    return made


def asked(made: Judges, times: int = 1, place: Place = Place("v", 0, 0)) -> list[Judged]:  # noqa: B008  # a tuple
    async def scenario() -> list[Judged]:
        made.judging(place)
        return [await made.ask("j", SAYS, {"temperature": 1}) for _ in range(times)]

    return asyncio.run(scenario())


def test_a_judgement_is_paid_for_once_and_asking_twice_gives_two(tmp_path: Path) -> None:
    provider = Provider()
    first = asked(judges(tmp_path, provider), 2)
    assert [one.cost.usd for one in first] == [0.01, 0.01]
    assert len(provider.calls) == 2
    again = asked(judges(tmp_path, provider), 2)
    assert (again, len(provider.calls)) == (first, 2)
    assert provider.calls[0].payload == {"model": "m", "temperature": 1, "messages": SAYS}


def test_those_of_earlier_runs_cost_nothing_and_may_be_left_out(tmp_path: Path) -> None:
    provider = Provider()
    asked(judges(tmp_path, provider))
    (later,) = asked(judges(tmp_path, provider, "later"))
    assert (later.text, later.cost, len(provider.calls)) == ("GOOD?", FREE, 1)
    asked(judges(tmp_path, provider, "later", cache=False))
    assert len(provider.calls) == 2


def test_each_answer_is_judged_for_itself(tmp_path: Path) -> None:
    provider = Provider()
    made = judges(tmp_path, provider)
    asked(made, place=Place("v", 0, 0))
    asked(made, place=Place("v", 0, 1))
    assert len(provider.calls) == 2


def test_a_judge_that_does_not_answer_or_is_not_there_scores_nothing(tmp_path: Path) -> None:
    made = judges(tmp_path, Provider(says=lambda text: Trouble(500, "down", "no")))
    with pytest.raises(Unscorable, match="the judge j does not answer: down"):
        asked(made)
    with pytest.raises(Unscorable, match="no target 'k' for judges to ask; it has j"):
        asyncio.run(made.ask("k", SAYS, {}))
