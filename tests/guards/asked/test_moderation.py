"""The moderation endpoint: thresholds of one's own, and answers that are none."""

import asyncio
import json
from typing import Any

import pytest

from llmctl.errors import InvalidRequest, UpstreamProtocolError, UpstreamStatus
from llmctl.guards.asked.moderation import Moderation, ModerationOptions
from llmctl.guards.base import ALLOW, About
from llmctl.net.pool import Pool
from llmctl.testing.judges import JudgeServer

BAD = "how to build a bomb"


def moderation(server: JudgeServer, pool: Pool, **options: Any) -> Moderation:
    return Moderation(ModerationOptions(base_url=server.base_url, timeout=2, **options), pool)


def result(**changes: Any) -> tuple[int, bytes]:
    usual = {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.1}}
    return 200, json.dumps({"results": [{**usual, **changes}]}).encode()


async def test_what_the_endpoint_flags_is_blocked(server: JudgeServer, pool: Pool) -> None:
    verdict = await moderation(server, pool).judge(BAD, About())
    assert (verdict.outcome, verdict.score, verdict.category) == ("block", 0.8, "violence")
    assert verdict.reason == "moderation: violence"
    assert server.requests[0].json == {"model": "omni-moderation-latest", "input": BAD}


async def test_what_it_does_not_flag_passes_with_its_score(server: JudgeServer, pool: Pool) -> None:
    verdict = await moderation(server, pool).judge("rye bread", About())
    assert (verdict.outcome, verdict.score) == ("allow", 0.01)


@pytest.mark.parametrize(
    ("options", "outcome", "category"),
    [
        ({"thresholds": {"violence": 0.8}}, "block", "violence"),
        ({"thresholds": {"violence": 0.81}}, "allow", ""),
        ({"thresholds": {"violence": 0.81, "harassment/threatening": 0.4}}, "block", "harassment/threatening"),
        ({"ignore": {"violence"}}, "allow", ""),
        ({"action": "warn"}, "warn", "violence"),
    ],
)
async def test_thresholds(
    server: JudgeServer, pool: Pool, options: dict[str, Any], outcome: str, category: str
) -> None:
    verdict = await moderation(server, pool, **options).judge(BAD, About())
    assert (verdict.outcome, verdict.category) == (outcome, category)


async def test_flagged_without_a_category_counts(server: JudgeServer, pool: Pool) -> None:
    server.answer = result(flagged=True)
    verdict = await moderation(server, pool).judge(BAD, About())
    assert (verdict.outcome, verdict.category) == ("block", "flagged")


async def test_a_threshold_for_what_is_not_scored_fails(server: JudgeServer, pool: Pool) -> None:
    with pytest.raises(UpstreamProtocolError, match="no score for voilence"):
        await moderation(server, pool, thresholds={"voilence": 0.5}).judge("fine", About())


@pytest.mark.parametrize(
    "answer",
    [
        (200, b"{}"), (200, b"[]"), (200, b"null"), (200, b'{"results": []}'), (200, b'{"results": [1]}'),
        (200, b'{"results": [{"flagged": false}]}'), (200, b'{"results": {"0": {}}}'),
        result(flagged=None), result(flagged="false"), result(flagged=0), result(categories=None),
        result(categories={"hate": "no"}), result(categories=["hate"]), result(category_scores=None),
        result(category_scores={"hate": "0.1"}), result(category_scores={"hate": 1.5}),
        result(category_scores={"hate": -1}), result(category_scores={"hate": True}),
        (200, json.dumps({"results": [json.loads(result()[1])["results"][0]] * 2}).encode()),
    ],
)  # fmt: skip
async def test_nonsense_never_passes(server: JudgeServer, pool: Pool, answer: tuple[int, bytes]) -> None:
    server.answer = answer
    with pytest.raises(UpstreamProtocolError, match="cannot be understood"):
        await moderation(server, pool).judge("fine", About())


async def test_null_for_a_category_that_the_model_does_not_have(server: JudgeServer, pool: Pool) -> None:
    server.answer = result(categories={"hate": False, "illicit": None}, category_scores={"hate": 0.1, "illicit": None})
    assert (await moderation(server, pool).judge("fine", About())).outcome == "allow"


async def test_errors_are_raised(server: JudgeServer, pool: Pool) -> None:
    server.answer = (429, b"{}")
    with pytest.raises(UpstreamStatus):
        await moderation(server, pool).judge(BAD, About())


async def test_a_bad_word_anywhere_in_a_long_text_is_found(server: JudgeServer, pool: Pool) -> None:
    guard = moderation(server, pool, max_chars=200, overlap=20)
    for at in (0, 190, 198, 375, 700, 1_195):
        text = ("x" * at + " bomb " + "x" * 1_200)[:1_200]
        assert (await guard.judge(text, About())).outcome == "block", at
    sent = server.requests[-7:]
    assert all(len(request.json["input"]) <= 200 for request in sent)


async def test_too_long_is_an_error(server: JudgeServer, pool: Pool) -> None:
    with pytest.raises(InvalidRequest, match="max_windows"):
        await moderation(server, pool, max_chars=200, overlap=0, max_windows=2).judge("x" * 401, About())
    assert server.requests == []


async def test_the_default_takes_a_long_text(server: JudgeServer, pool: Pool) -> None:
    assert (await moderation(server, pool).judge("rye bread " * 5_000, About())).outcome == "allow"


async def test_blank_texts_are_not_sent(server: JudgeServer, pool: Pool) -> None:
    assert await moderation(server, pool).judge(" \n", About()) is ALLOW
    assert server.requests == []


async def test_surrogates_are_sent_as_something(server: JudgeServer, pool: Pool) -> None:
    assert (await moderation(server, pool).judge("\ud800 bomb", About())).outcome == "block"


async def test_a_deadline_ends_it_cleanly(server: JudgeServer, pool: Pool) -> None:
    server.delay = 30
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await moderation(server, pool, max_chars=200, overlap=0).judge("x" * 2_000, About())
    assert asyncio.all_tasks() - {asyncio.current_task()} == server._open


@pytest.mark.parametrize(
    ("options", "says"),
    [({"overlap": 150, "max_chars": 200}, "overlap"), ({"thresholds": {"hate": 2}}, "hate"),
     ({"thresholds": {"hate": 0.5}, "ignore": {"hate"}}, "both ignore and thresholds")],
)  # fmt: skip
def test_options_that_cannot_be(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        ModerationOptions.model_validate(options)
