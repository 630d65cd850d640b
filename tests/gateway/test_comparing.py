"""Was the cached answer the one that the model gives? What policies are told, and what that costs."""

import asyncio
from pathlib import Path

import pytest

from llmctl.cache.policies import Report
from llmctl.model.json import JsonObject
from llmctl.model.record import CacheOutcome, Record
from llmctl.testing.clock import ManualClock
from tests.gateway.cached import Cached, Voices, soon, text_of

ONE = "What is the capital of France?"
TWO = "What's the capital of France"
ALWAYS = "{dir: null, semantic: {threshold: 0.85, audit: 0.999999%s}}"
JUDGED = ALWAYS % ", compare: {judge: n, similarity: 1}"


def report(made: Cached) -> Report:
    return made.cache.reports()["acme", "m"]


async def audited(made: Cached, first: str, second: str) -> Record:
    """The record of a request that would have been a hit."""
    made.voices.says = lambda body: first
    await made.ask(ONE)
    await made.quiet()
    made.voices.says = lambda body: second if body["model"] == "m" else "No."
    asked = await made.ask(TWO)
    assert (asked.kind, asked.text) == ("audit", second)
    await made.quiet()
    return asked.record


@pytest.mark.parametrize(
    ("first", "second", "wrong"),
    [
        ("Paris.", "Paris.", 0),
        ("Paris.", " paris", 0),
        ("Paris.", "London.", 1),
        ("The answer is Paris, the capital.", "The answer is: Paris, the capital", 0),
        ("It is 12 km away from there.", "It is 13 km away from there.", 1),
    ],
)
async def test_an_audit_asks_the_model_and_compares(tmp_path: Path, first: str, second: str, wrong: int) -> None:
    async with Cached(tmp_path, ALWAYS % "") as made:
        record = await audited(made, first, second)
        found = report(made)
        assert (found.requests, found.hits, found.audits, found.wrong_audits) == (2, 0, 1, wrong)
        assert record.usage.completion == 5
        assert record.cache is not None
        assert (record.cache.saved, made.calls, made.copies) == (None, 2, [])
    assert not made.bugs


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("word", "wrong"), [("Yes.", 0), ("no", 1), ("NO, they differ", 1)])
async def test_a_judge_is_asked_what_nothing_else_could_say(
    tmp_path: Path, word: str, wrong: int, stream: bool
) -> None:
    def says(body: JsonObject) -> str:
        return word if body["model"] == "n" else f"about {text_of(body)}"

    async with Cached(tmp_path, JUDGED, voices=Voices(says=says)) as made:
        await made.ask(ONE, stream=stream)
        await made.quiet()
        asked = await made.ask(TWO, stream=stream)
        await made.quiet()
        assert (report(made).audits, report(made).wrong_audits) == (1, wrong)
        [copy] = made.copies
        assert (copy.shadow_of, copy.cache, copy.model) == (asked.record.id, CacheOutcome("audit"), "n")
        assert (copy.state, copy.stream, copy.usage.completion) == ("ok", False, 5)
        assert copy.tenant == "acme"
        prompt = text_of(made.voices.calls[-1])
        assert [one in prompt for one in (TWO, f"about {ONE}", f"about {TWO}")] == [True] * 3
        assert made.kept == 2  # no judgement among them


async def test_a_judge_that_fails_teaches_nothing(tmp_path: Path) -> None:
    def parts(body: JsonObject) -> bytes | None:
        return b"no answer" if body["model"] == "n" else None

    async with Cached(tmp_path, JUDGED, voices=Voices(parts=parts)) as made:
        for text in (ONE, TWO):
            await made.ask(text)
            await made.quiet()
        assert (report(made).audits, report(made).wrong_audits) == (0, 0)
        assert [copy.state for copy in made.copies] == ["failed"]
        assert (made.warned, made.bugs) == ([], [])
        shelf = made.cache._shelves["acme", "m", next(iter(made.cache._shelves))[2]]
        assert len(shelf.semantic) == 2


async def test_a_judge_that_mumbles_teaches_nothing(tmp_path: Path) -> None:
    voices = Voices(says=lambda body: "Perhaps." if body["model"] == "n" else f"about {text_of(body)}")
    async with Cached(tmp_path, JUDGED, voices=voices) as made:
        for text in (ONE, TWO):
            await made.ask(text)
            await made.quiet()
        assert report(made).audits == 0


async def test_an_answer_is_never_compared_with_itself(tmp_path: Path) -> None:
    """An answer past its time is replaced by the new one: the two were not compared, so nothing is learnt."""
    text = "{dir: null, ttl: 10, semantic: {threshold: 0.85, audit: 0.999999}}"
    async with Cached(tmp_path, text, clock=(clock := ManualClock())) as made:
        await made.ask(ONE)
        await made.quiet()
        clock.advance(11)
        made.voices.says = lambda body: "something else altogether"
        assert (await made.ask(ONE)).kind == "audit"
        await made.quiet()
        assert report(made).audits == 0
        assert (await made.ask(ONE)).kind == "exact"


async def test_nobody_waits_for_what_is_learnt(tmp_path: Path) -> None:
    go = asyncio.Event()
    voices = Voices(says=lambda body: "yes" if body["model"] == "n" else f"about {text_of(body)}")
    async with Cached(tmp_path, JUDGED, voices=voices) as made:
        await made.ask(ONE)
        await made.quiet()

        async def step() -> None:
            if made.voices.calls[-1]["model"] == "n":
                await go.wait()

        made.voices.step = step
        assert (await made.ask(TWO)).kind == "audit"
        await soon(lambda: made.voices.calls[-1]["model"] == "n")
        assert (await made.ask(TWO)).kind == "exact"
        go.set()
        await made.quiet()
        assert report(made).audits == 1


async def test_with_an_error_bound_hits_come_and_stay_bounded(tmp_path: Path) -> None:
    """Questions about few things, asked in many words; each thing has one answer."""
    things = ["password", "invoice", "delivery", "refund", "address"]
    forms = ["how do I change my {}", "please tell me how to change my {}", "i want to change my {} number {}"]

    def says(body: JsonObject) -> str:
        return f"about {next(thing for thing in things if thing in text_of(body))}"

    async with Cached(tmp_path, "{dir: null, semantic: {max_error: 0.1}}", voices=Voices(says=says)) as made:
        kinds, wrong = [], 0
        for at in range(600):
            text = f"{forms[at % 3].format(things[at * 7 % 5], at)} {at}"
            got = await made.ask(text)
            kinds.append(got.kind)
            wrong += got.text != says({"messages": [{"content": text}]})
            await made.quiet()
        found = report(made)
        assert kinds.count("semantic") == found.hits > 100
        assert wrong <= 0.1 * 600
        assert found.modelled is not None
        assert found.modelled <= 0.1
        assert found.requests == 600
        assert kinds.count("audit") >= found.audits > 0
    assert not made.bugs
