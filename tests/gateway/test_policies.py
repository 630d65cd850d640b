"""What a verdict, and the lack of one, leads to under a policy."""

import asyncio
import threading
from typing import Any

import pytest

from llmctl.config.schema import PolicyConfig
from llmctl.errors import Blocked, GuardFailed, Unavailable, UpstreamLost
from llmctl.gateway.policies import PASSED, Finding, Hearing, Policy, Second
from llmctl.guards.base import ALLOW, About, Span, Verdict
from llmctl.model.exchange import Exchange
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import exchange

NAMES = (Span(0, 2, "EMAIL"), Span(3, 5, "PHONE"))
REDACT = Verdict("redact", 0.9, "found", "EMAIL", NAMES)
BLOCK = Verdict("block", 0.8, "rule", "hate", (Span(1, 2, "hate"),))
TEXT = "ab cd"


class Fake:
    """Answers as told; an exception is raised."""

    lookbehind = 10
    cost_us = 2.0

    def __init__(self, answer: Any, unsettled: Any = 3) -> None:
        self.answer, self.held, self.seen = answer, unsettled, 0

    def judge(self, text: str, about: About) -> Any:
        self.seen += 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer

    def unsettled(self, text: str) -> Any:
        if isinstance(self.held, BaseException):
            raise self.held
        return self.held


class FakeAsked(Fake):
    """The same, asked; a number is how long it hangs."""

    async def judge(self, text: str, about: About) -> Any:
        if isinstance(self.answer, float):
            await asyncio.sleep(self.answer)
        return Fake.judge(self, text, about)


def policy(guard: Any, bugs: list[BaseException] | None = None, **config: Any) -> Policy:
    second = config.pop("tier", None)
    direction = config.pop("way", "input")
    made = PolicyConfig.model_validate({"kind": "k", "on_error": "block", "deadline": "0.05s", **config})
    asked, told = isinstance(guard, FakeAsked), bugs if bugs is not None else []
    return Policy("p", made, direction, guard, lambda _, bug: told.append(bug), asked=asked, second=second)


def look(guard: Any, **config: Any) -> Finding:
    return policy(guard, **config).look(TEXT, About(), "r")


async def ask(guard: Any, **config: Any) -> Finding:
    return await policy(guard, **config).ask(TEXT, About(), "r")


def test_what_is_allowed_passes() -> None:
    assert look(Fake(ALLOW)) is PASSED
    assert look(Fake(Verdict("allow", 0.3))) == Finding("allow", "allow", 0.3)


@pytest.mark.parametrize("asked", [False, True])
async def test_what_was_not_scanned_has_not_passed(asked: bool) -> None:
    verdict = Verdict("allow", reason="unscanned: too long")
    found = await ask(FakeAsked(verdict) if asked else Fake(verdict))
    assert (found.verdict, found.action, found.reason) == ("unscanned", "allow", "unscanned: too long")


@pytest.mark.parametrize(
    ("verdict", "actions", "action", "redacted"),
    [
        (REDACT, {}, "redact", ["EMAIL", "PHONE"]),
        (REDACT, {"PHONE": "allow"}, "redact", ["EMAIL"]),
        (REDACT, {"*": "warn"}, "warn", []),
        (REDACT, {"*": "allow"}, "allow", []),
        (REDACT, {"PHONE": "redact", "*": "warn"}, "redact", ["PHONE"]),
        (REDACT, {"PHONE": "block"}, "block", ["EMAIL", "PHONE"]),  # the record does not keep it either
        (REDACT, {"nothing": "block"}, "redact", ["EMAIL", "PHONE"]),
        (BLOCK, {}, "block", []),
        (BLOCK, {"hate": "warn"}, "warn", []),
        (BLOCK, {"hate": "redact"}, "redact", ["hate"]),
        (Verdict("block", 1.0, "", "hate"), {"hate": "redact"}, "block", []),
        (Verdict("redact", 1.0, "", "x"), {}, "block", []),
        (Verdict("warn", 0.5, "", "x"), {}, "warn", []),
        (Verdict("warn", 0.5, "", "x"), {"x": "block"}, "block", []),
        (Verdict("block", 1.0, "", "size", (Span(0, 1, "nul"),)), {"nul": "allow"}, "block", []),
        (
            Verdict("block", 1.0, "", "size", (Span(0, 1, "nul"),)),
            {"size": "allow", "nul": "redact"},
            "redact",
            ["nul"],
        ),
    ],
)
def test_actions_by_category(verdict: Verdict, actions: dict[str, str], action: str, redacted: list[str]) -> None:
    found = look(Fake(verdict), actions=actions)
    assert (found.verdict, found.action, found.score) == (verdict.outcome, action, verdict.score)
    assert [span.category for span in found.redactions] == redacted
    shadow = look(Fake(verdict), actions=actions, mode="shadow")
    would = "allow" if action == "allow" else f"would_{action}"
    assert (shadow.verdict, shadow.action, shadow.redactions) == (verdict.outcome, would, ())
    assert policy(Fake(verdict), actions=actions, mode="shadow").refused(shadow) is None


NONSENSE = [
    ValueError("the text itself"),
    None,
    True,
    "allow",
    Verdict("maybe"),  # type: ignore[arg-type]
    Verdict("redact", 1.0, "", "", (Span(0, 99, "X"),)),
    Verdict("redact", 1.0, "", "", (Span(-3, 2, "X"),)),
    Verdict("redact", 1.0, "", "", ("span",)),  # type: ignore[arg-type]
]
ACTIONS = [("block", "enforce", "block"), ("allow", "enforce", "allow"), ("block", "shadow", "would_block"),
           ("allow", "shadow", "allow")]  # fmt: skip


@pytest.mark.parametrize("asked", [False, True])
@pytest.mark.parametrize("answer", NONSENSE)
@pytest.mark.parametrize(("on_error", "mode", "action"), ACTIONS)
async def test_nonsense_follows_on_error(answer: Any, on_error: str, mode: str, action: str, asked: bool) -> None:
    bugs: list[BaseException] = []
    found = await ask(FakeAsked(answer) if asked else Fake(answer), bugs=bugs, on_error=on_error, mode=mode)
    assert (found.verdict, found.action) == ("error", action)
    assert "the text" not in found.reason
    assert len(bugs) == 1


@pytest.mark.parametrize("answer", [5.0, UpstreamLost("gone"), Unavailable("closed"), TimeoutError()])
@pytest.mark.parametrize(("on_error", "mode", "action"), ACTIONS)
async def test_a_guard_that_hangs_or_cannot_be_reached_is_no_bug(
    answer: Any, on_error: str, mode: str, action: str
) -> None:
    bugs: list[BaseException] = []
    found = await ask(FakeAsked(answer), bugs=bugs, on_error=on_error, mode=mode)
    assert (found.verdict, found.action) == ("error", action)
    assert not bugs


async def test_a_cancelled_question_stays_cancelled() -> None:
    task = asyncio.create_task(ask(FakeAsked(5.0), on_error="allow", deadline="20s"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("score", "asked"), [(0.29, 0), (0.3, 1), (0.5, 1), (0.8, 1), (0.81, 0)])
async def test_the_second_tier_is_asked_in_the_band_only(score: float, asked: int) -> None:
    second = FakeAsked(BLOCK)
    found = await ask(Fake(Verdict("allow", score)), tier=Second(second, 0.3, 0.8, 1.0))  # type: ignore[arg-type]
    assert second.seen == asked
    assert found.action == ("block" if asked else "allow")


async def test_the_second_tier_may_acquit() -> None:
    tier = Second(FakeAsked(Verdict("allow", 0.1)), 0.3, 0.8, 1.0)  # type: ignore[arg-type]
    assert await ask(Fake(BLOCK), tier=tier) == Finding("allow", "allow", 0.1)


@pytest.mark.parametrize("first", [ValueError(), Verdict("allow", 0.5, "unscanned: x")])
async def test_no_second_tier_after_no_first(first: Any) -> None:
    second = FakeAsked(ALLOW)
    found = await ask(Fake(first), tier=Second(second, 0.0, 1.0, 1.0))  # type: ignore[arg-type]
    assert found.verdict in ("error", "unscanned")
    assert not second.seen


@pytest.mark.parametrize("answer", [5.0, ValueError(), None])
@pytest.mark.parametrize(("on_error", "action"), [("block", "block"), ("allow", "warn")])
async def test_without_the_second_tier_the_first_stands_or_nothing(answer: Any, on_error: str, action: str) -> None:
    tier = Second(FakeAsked(answer), 0.0, 1.0, 0.02)  # type: ignore[arg-type]
    found = await ask(Fake(Verdict("warn", 0.5, "", "c")), tier=tier, on_error=on_error)
    assert (found.verdict, found.action) == ("error", action)


@pytest.mark.parametrize(("held", "expected"), [(3, 3), (-2, 0), (ValueError(), len(TEXT)), (None, len(TEXT))])
def test_what_is_held_back(held: Any, expected: int) -> None:
    bugs: list[BaseException] = []
    assert policy(Fake(ALLOW, held), bugs).unsettled(TEXT, "r") == expected
    assert len(bugs) == (0 if isinstance(held, int) else 1)
    assert policy(Fake(ALLOW, held), mode="shadow").unsettled(TEXT, "r") == 0
    assert policy(FakeAsked(ALLOW, held)).unsettled(TEXT, "r") == 0


@pytest.mark.parametrize(("way", "what"), [("input", "request"), ("output", "answer")])
def test_messages_name_the_policy_and_nothing_else(way: str, what: str) -> None:
    made = policy(Fake(BLOCK), way=way)
    blocked = made.refused(made.look(TEXT, About(), "r"))
    assert isinstance(blocked, Blocked)
    assert (blocked.http_status, blocked.state, blocked.code) == (400, "blocked", "guardrail_blocked")
    made = policy(Fake(ValueError("abc")), way=way)
    failed = made.refused(made.look(TEXT, About(), "r"))
    assert isinstance(failed, GuardFailed)
    assert (failed.http_status, failed.state, failed.retryable) == (503, "blocked", True)
    for error in (blocked, failed):
        assert "'p'" in error.message
        assert what in error.message
        assert not any(word in error.message for word in ("hate", "rule", TEXT, "abc", "ValueError"))


def hearing() -> tuple[Exchange, Hearing, ManualClock]:
    clock = ManualClock()
    asked = exchange(clock)
    return asked, Hearing(asked, "input", clock.monotonic), clock


@pytest.mark.parametrize(
    ("findings", "verdict", "action"),
    [
        ([PASSED, Finding("allow", "allow", 0.4)], "allow", "allow"),
        ([Finding("unscanned", "allow"), Finding("allow", "allow", 0.4)], "unscanned", "allow"),
        ([Finding("allow", "allow", 0.4), Finding("unscanned", "allow")], "unscanned", "allow"),
        ([Finding("error", "allow", 1.0), PASSED, Finding("unscanned", "allow")], "error", "allow"),
        ([Finding("warn", "warn", 0.9), Finding("redact", "redact", 0.2), PASSED], "redact", "redact"),
        ([Finding("block", "would_block", 0.2), Finding("warn", "would_warn", 0.9)], "block", "would_block"),
        ([Finding("redact", "allow", 0.2), Finding("allow", "allow", 0.5)], "redact", "allow"),
    ],
)
def test_the_worst_is_what_is_recorded(findings: list[Finding], verdict: str, action: str) -> None:
    asked, heard, clock = hearing()
    made = policy(Fake(ALLOW))
    for finding in findings:
        clock.advance(0.001)
        heard.hear(made, finding)
    heard.close()
    heard.close()
    [result] = asked.guards
    assert (result.verdict, result.action, result.policy, result.guard) == (verdict, action, "p", "k")
    assert result.duration_us == pytest.approx(1000 * len(findings), abs=2)
    assert asked.notices == (["input.p=redact"] if action == "redact" else [])


@pytest.mark.parametrize(("verdict", "error"), [("block", Blocked), ("error", GuardFailed)])
def test_a_block_is_raised_and_recorded(verdict: Any, error: type[Exception]) -> None:
    asked, heard, _ = hearing()
    with pytest.raises(error):
        heard.hear(policy(Fake(ALLOW)), Finding(verdict, "block", 1.0))
    heard.close()
    assert [(one.verdict, one.action) for one in asked.guards] == [(verdict, "block")]
    assert asked.notices == ["input.p=block"]


def test_what_is_remembered_never_hides_what_was_found() -> None:
    asked, heard, _ = hearing()
    made, other = policy(Fake(ALLOW)), policy(Fake(ALLOW))
    heard.hear(made, Finding("unscanned", "allow"))
    heard.note({made: Finding("allow", "allow", 0.4), other: Finding("allow", "allow", 0.2)})
    heard.note({made: Finding("allow", "allow", 0.1), other: Finding("allow", "allow", 0.3)})
    heard.close()
    assert [(one.verdict, one.score) for one in asked.guards] == [("unscanned", None), ("allow", 0.3)]


async def test_a_long_text_is_looked_at_in_a_thread_before_the_second_tier_too() -> None:
    threads: list[str] = []

    class Noted(Fake):
        """Says where it was asked."""

        def judge(self, text: str, about: About) -> Any:
            threads.append(threading.current_thread().name)
            return ALLOW

    made = policy(Noted(ALLOW), tier=Second(FakeAsked(ALLOW), 0.5, 1.0, 0.05))  # type: ignore[arg-type]
    await made.ask("x" * made.most_inline, About(), "r")
    await made.ask("x" * (made.most_inline + 1), About(), "r")
    assert [name == threading.main_thread().name for name in threads] == [True, False]
