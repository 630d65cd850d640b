import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from llmctl.errors import UsageError
from llmctl.evals.prepare import EVERYTHING, Choice
from llmctl.evals.results.read import read_results
from llmctl.evals.run import Runner
from llmctl.evals.session import Finished, run_prepared, unfinished
from llmctl.gateway.asking import Trouble
from llmctl.scoring.result import Result
from llmctl.testing.clock import ManualClock
from tests.evals.scripted import SUITE, Provider, around, posed, prepared, settings

NEVER: Callable[[Result], bool] = lambda result: False  # noqa: E731  # a default
MORE = "run: {retries: 2}\nrepeats: 2\n"


def ran(
    folder: Path,
    provider: Provider,
    items: int = 4,
    text: str = SUITE,
    *,
    see: Callable[[Result], bool] = NEVER,
    choice: Choice = EVERYTHING,
    **wanted: object,
) -> Finished:
    """One run, its answers kept for the next."""
    made = prepared(folder, provider, posed(items), text, choice)
    later = replace(around(), clock=ManualClock(wall=1e9 + len(provider.calls)))
    return asyncio.run(run_prepared(made, replace(settings(folder), **wanted), later, see))  # type: ignore[arg-type]


def test_every_item_of_every_variant_is_asked_and_scored(tmp_path: Path) -> None:
    provider = Provider()
    finished = ran(tmp_path, provider)
    found = read_results(finished.path)
    assert (finished.course.done, finished.course.asked, finished.course.ended) == (8, 8, "complete")
    assert found.run.variants == ["up-long", "up-short"]
    (first, *_) = found.of("up-long")
    assert (first.output, first.score, first.cached, first.seconds) == ("PLEASE: WHAT IS 0?", 1.0, False, 0.5)
    assert first.messages == [{"role": "user", "content": "Please: what is 0?"}]
    assert finished.budget.paid == pytest.approx(0.08)


def test_earlier_answers_are_taken_again_and_nothing_is_paid(tmp_path: Path) -> None:
    provider = Provider()
    ran(tmp_path, provider)
    again = ran(tmp_path, provider)
    assert (len(provider.calls), again.course.asked, again.budget.paid) == (8, 0, 0.0)
    assert all(one.cached for one in read_results(again.path).results)
    anew = ran(tmp_path, provider, answers=None)
    assert (len(provider.calls), anew.course.asked) == (16, 8)
    assert not (tmp_path / "out" / ".answers").exists()


def test_repeats_and_equal_items_are_asked_apart(tmp_path: Path) -> None:
    provider = Provider()
    made = prepared(tmp_path, provider, posed(2, lambda at: "the same?"), SUITE + MORE, Choice(("up-short",)))
    asyncio.run(run_prepared(made, settings(tmp_path), around()))
    assert len(provider.calls) == 4
    assert len({call.payload["seed"] for call in provider.calls}) == 4


def test_what_may_pass_is_tried_again_and_then_is_an_error(tmp_path: Path) -> None:
    busy = Trouble(429, "rate_limit_exceeded", "busy", retry_after=0.1)
    left = [2]

    def says(asked: str) -> str | Trouble:
        if "0" in asked and left[0]:
            left[0] -= 1
            return busy
        return busy if "1" in asked else asked.upper()

    finished = ran(tmp_path, Provider(says=says), 2, SUITE + "run: {retries: 2}\n", choice=Choice(("up-short",)))
    zero, one = read_results(finished.path).of("up-short")
    assert (zero.attempts, zero.error, zero.score) == (3, "", 1.0)
    assert (one.attempts, one.error, one.score, one.detail) == (3, "rate_limit_exceeded", None, "busy")
    assert finished.course.errors == 1


def test_errors_are_asked_again_where_that_is_wanted(tmp_path: Path) -> None:
    down = [True]

    def says(asked: str) -> str | Trouble:
        return Trouble(400, "bad", "no") if down[0] and "1" in asked else asked.upper()

    provider = Provider(says=says)

    def stop_late(result: Result) -> bool:
        return result.number == 2

    ran(tmp_path, provider, 4, choice=Choice(("up-short",)), see=stop_late)
    down[0] = False
    finished = ran(tmp_path, provider, 4, choice=Choice(("up-short",)), retry_errors=True)
    assert [one.error for one in read_results(finished.path).results] == [""] * 4
    assert len(provider.calls) == 5


def test_it_stops_before_the_limit_and_goes_on_with_a_higher_one(tmp_path: Path) -> None:
    provider = Provider()
    finished = ran(tmp_path, provider, max_cost=0.035)
    assert (finished.course.ended, len(provider.calls)) == ("spent", 3)
    assert finished.budget.paid <= 0.035
    assert unfinished(tmp_path / "out") is not None
    more = ran(tmp_path, provider, max_cost=1.0)
    assert (more.course.ended, len(provider.calls), more.before) == ("complete", 8, 3)
    assert more.budget.paid == pytest.approx(0.08)
    assert not any(one.cached for one in read_results(more.path).results)


def test_a_limit_that_cannot_be_kept_stops_the_run(tmp_path: Path) -> None:
    provider = Provider()
    provider.price = None
    finished = ran(tmp_path, provider, max_cost=1.0)
    assert (finished.course.ended, len(provider.calls)) == ("unpriced", 1)


def test_a_decision_stops_it_and_what_is_under_way_is_kept(tmp_path: Path) -> None:
    provider = Provider()
    seen: list[Result] = []

    def see(result: Result) -> bool:
        seen.append(result)
        return len(seen) >= 3

    finished = ran(tmp_path, provider, see=see)
    assert finished.course.ended == "decided"
    assert len(read_results(finished.path).results) == len(seen) == len(provider.calls)
    seen.clear()
    ran(tmp_path, provider, see=see)
    assert len(seen) >= 3
    assert len(provider.calls) <= 4


def test_it_can_be_stopped_from_outside(tmp_path: Path) -> None:
    runners: list[Runner] = []

    def says(asked: str) -> str:
        if "3" in asked:
            runners[0].stop()
        return asked

    provider = Provider(says=says)
    made = prepared(tmp_path, provider, posed(10))
    finished = asyncio.run(run_prepared(made, settings(tmp_path), replace(around(), on_start=runners.append)))
    assert (finished.course.ended, finished.course.done) == ("stopped", len(provider.calls))
    assert 7 <= len(provider.calls) < 20


def test_no_more_at_a_time_than_was_said(tmp_path: Path) -> None:
    provider = Provider()
    ran(tmp_path, provider, 20, concurrency=3)
    assert provider.most == 3


def test_a_journal_of_another_run_is_not_gone_on_with(tmp_path: Path) -> None:
    provider = Provider()
    ran(tmp_path, provider, see=lambda result: True)
    other = SUITE.replace("Please", "Pretty please")
    with pytest.raises(UsageError, match="is of another run"):
        ran(tmp_path, provider, text=other)
    assert ran(tmp_path, provider, text=other, fresh=True).course.ended == "complete"


def test_what_the_provider_says_of_policies_is_an_error_where_no_scorer_cares(tmp_path: Path) -> None:
    provider = Provider(says=lambda asked: Trouble(400, "invalid_request", "no"))
    found = read_results(ran(tmp_path, provider, 1).path).results
    assert [(one.error, one.score, one.scored) for one in found] == [("invalid_request", None, [])] * 2
