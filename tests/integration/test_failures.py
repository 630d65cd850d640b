"""Providers fail while a gateway process is asked: every request is answered, rightly, once, and recorded once.

`make drill` does the same with more requests and measures times; here times are given room, as the machine is shared.
"""

import asyncio
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from bench.rig.drill_client import Answered, Crowd, Question, judge, questions
from bench.rig.drill_judge import Books, wilson
from bench.rig.drill_world import FAULTS, NAMES, RESILIENCE, Gateway, Options, Providers, gateway, providers, routes
from llmctl.model.json import encode
from llmctl.model.record import Attempt, Record, State
from llmctl.model.usage import Usage

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the rig reads /proc")

AT_A_TIME = 16
WITHIN = 20.0
COMBINED = ("dead dead", "cut hang", "flaky+cut limited", "garbage slow", "cut cut", "flaky flaky")
LATE: Options = {"timeout": 0.3, "attempt_timeout": None, "hedge": {"after": 0.1}}
CASES: dict[str, tuple[str, Options]] = {
    **{fault: ("chain", {}) for fault in (*FAULTS, *COMBINED, "dead dead dead")},
    **{f"spread {faults}": ("spread", {}) for faults in ("hang dead", "cut flaky")},
    "abandoned": ("chain", {"resume": False}),
    "hedged": ("chain", {"hedge": {"after": 0.1, "share": 0.2}}),
    **{f"late {fault}": ("chain", LATE) for fault in ("hang", "slow", "drip")},
}
"""By name: a route of the drill's, and what is different in it. Each has models, and so breakers, of its own."""


def configured() -> Options:
    models: Options = {}
    made: Options = {}
    for number, (route, more) in enumerate(CASES.values()):
        own = {name: f"{name}{number}" for name in NAMES}
        models |= {model: {"provider": name} for name, model in own.items()}
        base = {**routes()[route], **more}
        if route == "chain":
            base |= {"model": own["a"], "fallbacks": [own["b"], own["c"]]}
        else:
            base |= {"models": list(own.values())}
        made[f"case{number}"] = {key: value for key, value in base.items() if value is not None}
    return {"models": models, "routes": made, "resilience": {**RESILIENCE, "retry": {"backoff": 0.02}}}


@dataclass
class World:
    """The gateway, and the three providers it has."""

    served: Gateway
    three: Providers

    def drill(self, case: str, count: int, *faults: Sequence[Options], warm: int = 0) -> Books:
        """What became of so many requests, asked after `warm` that went well."""
        name, route = case.replace(" ", ".").replace("+", "."), f"case{list(CASES).index(case)}"

        async def ask() -> list[Answered]:
            crowd = Crowd(self.served.port)
            await self.three.behave()
            await crowd.together(questions(f"{name}-warm", warm, route), AT_A_TIME)
            await self.three.behave(*faults)
            found = await crowd.together(questions(f"{name}-", count, route), AT_A_TIME)
            crowd.close()
            return found

        answers = asyncio.run(ask())
        records = self._records(f"{name}--", count)
        return Books.of(answers, records, asyncio.run(self.three.asked()))

    def _records(self, prefix: str, count: int) -> list[Record]:
        give_up = time.monotonic() + WITHIN
        while True:
            found = [record for record in self.served.records() if record.id.startswith(prefix)]
            if len(found) >= count or time.monotonic() > give_up:
                return found
            time.sleep(0.1)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("drill")
    with providers(folder) as three, gateway(folder, three, **configured()) as served:
        yield World(served, three)
        assert served.bugs() == []


def fate(faults: str) -> list[list[Options]]:
    """One word for each provider; `cut+flaky` are two faults of one. Those behind are sound."""
    return [[FAULTS[name] for name in names.split("+")] for names in faults.split()]


def trouble(books: Books) -> list[list[str]]:
    """Whatever is not answered, recorded, ended and paid for once."""
    return [found[:3] for found in books.trouble() if found]


@pytest.mark.parametrize("fault", FAULTS)
def test_whatever_happens_to_the_preferred_model_everybody_is_answered(world: World, fault: str) -> None:
    books = world.drill(fault, 200, *fate(fault))
    assert books.wrong() == []
    assert trouble(books) == []
    assert books.attempts(0.5) <= 1.2 or fault == "flaky"  # which may not have failed often enough in so few


@pytest.mark.parametrize("faults", COMBINED)
def test_one_sound_provider_of_three_is_enough(world: World, faults: str) -> None:
    books = world.drill(faults, 200, *fate(faults))
    assert books.wrong() == []
    assert trouble(books) == []


@pytest.mark.parametrize("faults", ["hang dead", "cut flaky"])
def test_where_the_least_loaded_is_asked_it_goes_round_those_that_fail(world: World, faults: str) -> None:
    books = world.drill(f"spread {faults}", 300, *fate(faults), warm=60)
    assert books.wrong() == []
    assert trouble(books) == []
    assert books.ms(85) < 500
    assert books.attempts(0.5) <= 1.2


def test_without_resume_a_stream_that_is_cut_ends_in_one_error(world: World) -> None:
    books = world.drill("abandoned", 160, *fate("cut"))
    assert trouble(books) == []
    ends = [answer.terminals for answer in books.answers if answer.question.stream]
    assert set(ends) == {("error",), ("done",)}
    assert len(books.wrong()) == ends.count(("error",)) < 40  # until the breaker opens


def test_where_nobody_is_sound_each_request_is_refused_once_and_nobody_is_stormed(world: World) -> None:
    books = world.drill("dead dead dead", 400, *fate("dead dead dead"))
    assert {answer.status for answer in books.answers} <= {500, 503}
    assert trouble(books) == []
    assert books.attempts(0.5) <= 1.2


def test_second_calls_keep_to_their_budget_and_their_losers_are_given_up(world: World) -> None:
    books = world.drill("hedged", 200, [{"kind": "slow_first", "delay": 0.25}])
    assert books.wrong() == []
    assert [found[:3] for found in (books.unrecorded(), books.unended(), books.unaccounted()) if found] == []
    calls = [attempt for own in books.records.values() for record in own for attempt in record.attempts]
    assert 0.15 <= books.share("hedge") <= 0.2
    assert {attempt.error for attempt in calls if attempt.why == "first"} == {None, "cancelled"}


@pytest.mark.parametrize("fault", ["hang", "slow", "drip"])
def test_the_deadline_is_the_end_of_it(world: World, fault: str) -> None:
    faults: list[Options] = [{"kind": "drip", "delay": 0.05}] if fault == "drip" else [FAULTS[fault]]
    books = world.drill(f"late {fault}", 64, *[faults] * 3)
    assert [found[:3] for found in (books.unrecorded(), books.unended()) if found] == []
    assert len(books.wrong()) == 64
    took = sorted(record.duration_us / 1e6 for own in books.records.values() for record in own)
    assert (
        took[len(took) // 2] < 0.35
    )  # of all, 50 ms over 0.3 s are promised, but to a machine with nothing else to do
    assert took[-1] < 1.5


def test_who_is_in_an_experiment_stays_where_he_is_after_a_restart(world: World, tmp_path: Path) -> None:
    arms = {"x": {"model": "a", "weight": 1}, "y": {"model": "b", "weight": 2}}
    trial = {"kind": "ab", "name": "trial", "subject": "user", "arms": arms}
    tried = {"tried": {"kind": "fixed", "model": "c", "experiment": trial}}
    asked = [Question(f"user-{n}", f"question {n}", "tried", stream=False, user=f"user-{n}") for n in range(150)]

    async def ask(port: int) -> list[Answered]:
        await world.three.behave()
        crowd = Crowd(port)
        found = await crowd.together(asked, AT_A_TIME)
        crowd.close()
        return found

    found = []
    for _ in range(2):
        with gateway(tmp_path, world.three, routes=tried) as served:
            assert all(answer.right for answer in asyncio.run(ask(served.port)))
        found.append({record.id: record.decision.arm for record in served.records() if record.decision is not None})
    assert found[0] == found[1]
    assert 70 < sum(arm == "y" for arm in found[0].values()) < 130


def event(content: str | None, finish: str | None = None) -> bytes:
    chunk = {"choices": [{"index": 0, "delta": {"content": content} if content else {}, "finish_reason": finish}]}
    return b"data: " + encode(chunk) + b"\n\n"


DONE = b"data: [DONE]\n\n"
ERROR = b'data: {"error":{"message":"lost"}}\n\n'


@pytest.mark.parametrize(
    ("body", "right", "ended_once"),
    [
        (event("so") + event(" it is") + event(None, "stop") + DONE, True, True),
        (event("so") + event(None, "stop") + DONE, False, True),
        (event("so it is") + DONE, False, True),
        (event("so it is") + event(None, "stop"), False, False),
        (event("so it is") + event(None, "stop") + DONE + DONE, False, False),
        (event("so it is") + event(None, "stop") + event(None, "stop") + DONE, False, True),
        (event("so") + ERROR, False, True),
        (event("so") + ERROR + DONE, False, False),
        (event("so it is") + event(None, "stop") + DONE + event("!"), False, False),
        (event("so it is")[:-9], False, False),
    ],
)
def test_the_drill_sees_what_is_wrong_with_a_stream(body: bytes, right: bool, ended_once: bool) -> None:
    found = judge(Question("q", "so it is", "m", stream=True), 200, body)
    assert (found.right, found.ended_once) == (right, ended_once)


def test_the_drill_sees_what_is_wrong_with_the_books() -> None:
    def books(*records: Record, made: Sequence[str] = ("answered",)) -> Books:
        answer = judge(Question("q", "so it is", "m", stream=True), 200, event("so it is") + event(None, "stop") + DONE)
        return Books.of([answer], records, [("a", "q", outcome) for outcome in made])

    def record(state: State = "ok", tokens: int = 3, *errors: str | None) -> Record:
        calls = [Attempt("a", "a", 0, error=error) for error in errors or (None,)]
        usage = Usage(output=tokens, source="provider")
        return Record("q", 0.0, 1, state, 200, attempts=calls, usage=usage)

    def which(found: Books) -> list[int]:
        return [at for at, own in enumerate(found.trouble()) if own]

    assert which(books(record())) == []
    assert which(books()) == which(books(record(), record())) == [0]
    assert which(books(record("failed"))) == [0]
    assert which(books(record("ok", 3, "upstream_error", None), made=("answered", "answered"))) == [2]
    assert which(books(record("ok", 3, "upstream_error", None), made=("refused", "answered"))) == []
    assert which(books(record(), made=("dropped",))) == [2]
    assert which(books(record(tokens=6))) == [3]
    assert which(books(record(), made=("answered", "refused"))) == [4]
    assert which(books(record("ok", 3, "upstream_error", None))) == [4]
    assert which(books(record("ok", 3, "cancelled", None))) == []
    assert wilson(1000, 1000) == pytest.approx((0.99617, 1.0), abs=1e-4)
