"""Guards of one's own and of other makers, by shape, and what happens when they misbehave."""

import asyncio
import threading
from collections.abc import Callable
from types import SimpleNamespace as Thing
from typing import Any

import pytest
from pydantic import BaseModel

from llmctl.errors import Unavailable, UpstreamError
from llmctl.guards.asked.custom import Custom, CustomOptions
from llmctl.guards.base import ALLOW, About, GuardOptions, Span, Verdict
from llmctl.net.pool import Pool

SECRET = "sk-very-secret-key"
Make = Callable[..., Custom]


class Sync:
    """Our own `Guard` shape, made with keywords."""

    directions = frozenset({"input"})

    def __init__(self, word: str = "bomb") -> None:
        self.word = word
        self.closed = 0

    def judge(self, text: str, about: About) -> Verdict:
        assert threading.current_thread() is not threading.main_thread()
        return Verdict("block", 1.0, "word", "word") if self.word in text else ALLOW

    def close(self) -> None:
        self.closed += 1


class Async:
    """Our own `Asked` shape, made with Options."""

    class Options(GuardOptions):
        word: str
        api_key: str = ""

    def __init__(self, options: Options) -> None:
        self.word = options.word

    async def judge(self, text: str, about: About) -> Verdict:
        await asyncio.sleep(0)
        return Verdict("warn", 0.5, "word", "word") if self.word in text else ALLOW


@pytest.mark.parametrize(("target", "outcome"), [(Sync, "block"), (Async, "warn")])
async def test_our_own_shapes(make: Make, target: Any, outcome: str) -> None:
    guard = make(target, word="rye")
    assert (await guard.judge("rye bread", About())).outcome == outcome
    assert await guard.judge("bread", About()) == ALLOW
    assert guard.directions == getattr(target, "directions", {"input", "output"})


async def test_a_built_in_guard_by_its_class(pool: Pool) -> None:
    options = {"patterns": [{"name": "ticket", "regex": r"TCK-\d+", "action": "redact"}]}
    given = {"class": "llmctl.guards.pattern:Pattern", "options": options}
    guard = Custom(CustomOptions.model_validate(given), pool)
    assert (await guard.judge("see TCK-4", About())).spans == (Span(4, 9, "ticket", "[TICKET]"),)
    guard.close()


async def test_functions_and_finished_objects(make: Make) -> None:
    def factory(word: str) -> Sync:
        return Sync(word)

    assert (await make(factory, word="rye").judge("rye", About())).outcome == "block"
    ready = Sync("bread")
    guard = make(ready)
    assert (await guard.judge("bread", About())).outcome == "block"
    guard.close()
    guard.close()
    assert ready.closed == 1
    with pytest.raises(ValueError, match="takes no options"):
        make(ready, word="x")


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("nosuchpackage.guards:X", "nosuchpackage.*install it"),
        ("llmctl.guards.base:Nope", "has no Nope"),
        ("llmctl.guards.base:MAX", "has no MAX"),
        ("json:dumps", "making it fails with TypeError"),
        ("json:JSONDecoder", "no guard that we can ask"),
        ("llmctl.guards.pattern:Pattern", "patterns: Field required"),
    ],
)
def test_what_cannot_be_made(pool: Pool, spec: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Custom(CustomOptions.model_validate({"class": spec}), pool)


@pytest.mark.parametrize("spec", ["", "a.b", "a:b:c", "a b:c", "../a:b", ":x", "a:", "a.b:c()"])
def test_names_that_cannot_be(spec: str) -> None:
    with pytest.raises(ValueError, match="class"):
        CustomOptions.model_validate({"class": spec})


def test_failing_to_be_made_shows_no_secret(make: Make) -> None:
    class Explodes:
        def __init__(self, api_key: str) -> None:
            raise RuntimeError(f"401 for {api_key}")

    class Exits:
        def __init__(self, **options: str) -> None:
            raise SystemExit(2)

    class Strict(BaseModel):
        api_key: int

    class Typed:
        Options = Strict

    for target, says in ((Explodes, "RuntimeError: 401 for"), (Exits, "SystemExit"), (Typed, "api_key: ")):
        with pytest.raises(ValueError, match=says) as refused:
            make(target, api_key=SECRET)
        assert SECRET not in str(refused.value)
    assert SECRET not in repr(CustomOptions.model_validate({"class": "a:b", "options": {"api_key": SECRET}}))


def judging(answer: Any) -> type:
    class Judges:
        def judge(self, text: str, about: About) -> Any:
            return answer(text) if callable(answer) else answer

    return Judges


@pytest.mark.parametrize(
    "answer",
    [None, True, "allow", {"outcome": "allow"}, Verdict("pass"), Verdict("allow", 7.0),  # type: ignore[arg-type]
     Verdict("redact", 0.5, "r", "c", (Span(0, 99, "x", ""),)), lambda text: text],
)  # fmt: skip
async def test_a_verdict_that_is_none_is_an_error(make: Make, answer: Any) -> None:
    with pytest.raises(UpstreamError, match="acme_guards:Name") as failed:
        await make(judging(answer)).judge("my hunter2", About())
    assert "hunter2" not in failed.value.message


@pytest.mark.parametrize("error", [ValueError, RuntimeError, StopIteration, SystemExit, asyncio.CancelledError])
@pytest.mark.parametrize("is_async", [False, True])
async def test_what_it_raises_is_an_error_without_the_text(
    make: Make, error: type[BaseException], is_async: bool
) -> None:
    class Raises:
        def judge(self, text: str, about: About) -> Verdict:
            raise error(text)

    class RaisesAsync:
        async def judge(self, text: str, about: About) -> Verdict:
            raise error(text)

    with pytest.raises(UpstreamError, match="failed with") as failed:
        await make(RaisesAsync if is_async else Raises).judge("my hunter2", About())
    assert "hunter2" not in failed.value.message


async def test_a_coroutine_behind_a_decorator_is_awaited(make: Make) -> None:
    class Decorated:
        def judge(self, text: str, about: About) -> Any:
            async def answer() -> Verdict:
                return Verdict("warn", 0.1, "r", "c")

            return answer()

    assert (await make(Decorated).judge("x", About())).outcome == "warn"


async def test_a_hung_guard_fails_at_once_after_its_threads_are_gone(make: Make) -> None:
    release = threading.Event()

    class Hangs:
        def judge(self, text: str, about: About) -> Verdict:
            if text == "hang":
                release.wait()
            return ALLOW

    guard, other = make(Hangs, threads=2), make(Sync)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await guard.judge("hang", About())
    with pytest.raises(Unavailable, match="2 threads hang"):
        await guard.judge("fine", About())
    assert await other.judge("fine", About()) == ALLOW
    release.set()
    async with asyncio.timeout(5):
        while True:
            try:
                assert await guard.judge("fine", About()) == ALLOW
                break
            except Unavailable:
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("directions", [(), ("inward",), "input", 7])
def test_directions_that_cannot_be(make: Make, directions: Any) -> None:
    with pytest.raises(ValueError, match="directions"):
        make(type("Odd", (Sync,), {"directions": directions}))


# --- Guardrails AI: the shapes of guardrails.Guard and guardrails.Validator


def outcome(passed: Any, output: Any = None, *failed: str, error: str | None = None) -> Thing:
    summaries = [Thing(validator_name=name, failure_reason="quotes hunter2", error_spans=None) for name in failed]
    return Thing(validation_passed=passed, validated_output=output, validation_summaries=summaries, error=error)


def validating(answer: Any) -> type:
    class Validates:
        def validate(self, llm_output: str, *args: Any, **kwargs: Any) -> Any:
            assert (args, kwargs) == ((), {})
            return answer

    return Validates


async def test_a_guardrails_outcome(make: Make) -> None:
    text = "my hunter2, see"
    assert await make(validating(outcome(True, text))).judge(text, About()) == ALLOW
    verdict = await make(validating(outcome(False, None, "DetectPII", "ToxicLanguage"))).judge(text, About())
    assert (verdict.outcome, verdict.category) == ("block", "guardrails")
    assert verdict.reason == "guardrails: DetectPII, ToxicLanguage failed"
    fixed = await make(validating(outcome(True, "my <PASSWORD>, see", "DetectPII"))).judge(text, About())
    assert (fixed.outcome, fixed.spans) == ("redact", (Span(3, 10, "guardrails", "<PASSWORD>"),))
    assert "hunter2" not in fixed.reason
    structured = make(validating(outcome(True, {"a": 1})))
    assert await structured.judge('{"a": 1}', About()) == ALLOW


@pytest.mark.parametrize(
    "answer",
    [None, "text", True, outcome(None), outcome("True", "x"), outcome(1, "x"), outcome(True), outcome(True, 7),
     outcome(True, {"b": 1}), outcome(False, error="cannot reach hunter2"), Thing(outcome="maybe"),
     {"outcome": "pass"}],
)  # fmt: skip
async def test_guardrails_answers_that_are_none(make: Make, answer: Any) -> None:
    with pytest.raises(UpstreamError, match="acme_guards") as failed:
        await make(validating(answer)).judge("x", About())
    assert "hunter2" not in failed.value.message


async def test_a_guardrails_guard_that_raises_on_failure_blocks(make: Make) -> None:
    failed = type("ValidationError", (Exception,), {"__module__": "guardrails.errors"})
    other = type("ValidationError", (Exception,), {"__module__": "pydantic"})

    class Raises:
        def validate(self, llm_output: str, *args: Any, **kwargs: Any) -> Thing:
            raise (failed if "bomb" in llm_output else other)(llm_output)

    guard = make(Raises)
    verdict = await guard.judge("my bomb", About())
    assert (verdict.outcome, verdict.reason) == ("block", "guardrails: validation failed")
    with pytest.raises(UpstreamError, match="ValidationError"):
        await guard.judge("rye", About())


async def test_a_guardrails_validator(make: Make) -> None:
    class Validator:
        def validate(self, value: Any, metadata: dict[str, Any]) -> Thing:
            assert metadata == {}
            if "bomb" not in value:
                return Thing(outcome="pass")
            spans = [Thing(start=0, end=4, reason="quotes"), Thing(start=0, end=99, reason="is off")]
            return Thing(outcome="fail", error_message="quotes bomb", fix_value=None, error_spans=spans)

    guard = make(Validator)
    assert await guard.judge("rye", About()) == ALLOW
    verdict = await guard.judge("bomb", About())
    assert (verdict.outcome, verdict.spans) == ("block", (Span(0, 4, "guardrails"),))
    assert "bomb" not in verdict.reason


async def test_an_async_guardrails_guard(make: Make) -> None:
    class AsyncGuard:
        async def validate(self, llm_output: str, *args: Any, **kwargs: Any) -> Thing:
            return outcome("bomb" not in llm_output, llm_output)

    guard = make(AsyncGuard)
    assert await guard.judge("rye", About()) == ALLOW
    assert (await guard.judge("bomb", About())).outcome == "block"
