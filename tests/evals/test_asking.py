import asyncio
from random import Random

import pytest

from llmctl.evals.asking import LONGEST, Patience, ask
from llmctl.evals.budget import Pace
from llmctl.evals.targets import Asked
from llmctl.gateway.asking import Trouble
from llmctl.testing.clock import ManualClock
from tests.evals.scripted import Provider

PAYLOAD = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


def asked(*says: str | Trouble, retries: int = 3) -> tuple[list[float], Provider, object]:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    left = list(says)
    provider = Provider(says=lambda text: left.pop(0))
    clock = ManualClock()
    patience = Patience(5.0, retries, Pace(None, clock), clock, Random(0), sleep)
    found = asyncio.run(ask(Asked(provider, "x", {}, seed=True), PAYLOAD, {"eval": "e"}, patience))
    return waits, provider, found


def test_an_answer_is_taken_as_it_is() -> None:
    waits, provider, found = asked("yes")
    assert (waits, getattr(found, "output", None), getattr(found, "attempts", None)) == ([], "yes", 1)
    assert (provider.calls[0].timeout, provider.calls[0].tags) == (5.0, {"eval": "e"})


def test_waits_grow_and_what_the_provider_says_is_heeded() -> None:
    passing = [Trouble(503, "unavailable", ""), Trouble(503, "unavailable", ""), Trouble(429, "r", "", retry_after=7.0)]
    waits, _, found = asked(*passing, "yes")
    assert 0.25 <= waits[0] <= 0.5
    assert 0.5 <= waits[1] <= 1.0
    assert 7.0 <= waits[2] <= 7.1
    assert getattr(found, "attempts", None) == 4


@pytest.mark.parametrize(("trouble", "calls"), [(Trouble(400, "bad", "no"), 1), (Trouble(502, "lost", ""), 4)])
def test_what_does_not_pass_is_the_error(trouble: Trouble, calls: int) -> None:
    _, provider, found = asked(*[trouble] * 4)
    assert (len(provider.calls), getattr(found, "error", None)) == (calls, trouble.code)


def test_nobody_waits_for_hours() -> None:
    waits, _, _ = asked(Trouble(429, "r", "", retry_after=86400.0), "yes")
    assert waits[0] <= LONGEST + 0.1
