"""What every adapter keeps to. A new kind gets its smallest options here."""

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from llmctl.guards import TABLE
from llmctl.guards.asked import ADAPTERS
from llmctl.guards.base import About, Asked, Direction, GuardOptions
from llmctl.net.pool import Pool
from llmctl.testing.judges import JudgeServer

KINDS = sorted(ADAPTERS)
MINIMAL: dict[str, Callable[[str], dict[str, Any]]] = {
    "judge": lambda url: {"base_url": f"{url}/v1", "model": "m"},
    "moderation": lambda url: {"base_url": f"{url}/v1"},
    "presidio": lambda url: {"base_url": url},
    "onnx": lambda url: {"path": "x", "bad": ["y"]},
    "custom": lambda url: {"class": "llmctl.guards.refusal:Refusal"},
}
NEEDS_FILES = {"onnx"}
KEY = "sk-very-secret-key"


def made(kind: str, url: str, pool: Pool, **options: Any) -> Asked:
    model = ADAPTERS[kind].Options
    guard: Asked = ADAPTERS[kind](model.model_validate({**MINIMAL[kind](url), **options}), pool)
    return guard


def test_no_kind_is_in_both_tables() -> None:
    assert not TABLE.keys() & ADAPTERS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_described_strict_and_frozen(kind: str) -> None:
    options = ADAPTERS[kind].Options
    assert issubclass(options, GuardOptions)
    assert [name for name, field in options.model_fields.items() if not field.description] == []
    given = MINIMAL[kind]("http://h")
    with pytest.raises(ValidationError, match="extra"):
        options(**given, nonsense=1)
    with pytest.raises(ValidationError, match="frozen"):
        options(**given).preset = "strict"
    with pytest.raises(ValidationError):
        options(**{**given, "preset": "careless"})
    assert options.model_json_schema()


@pytest.mark.parametrize("kind", KINDS)
def test_what_it_declares(kind: str) -> None:
    guard = ADAPTERS[kind]
    assert guard.__doc__
    assert isinstance(guard.directions, frozenset)
    assert guard.directions
    assert guard.directions <= set(get_args(Direction))
    assert inspect.iscoroutinefunction(guard.judge)
    assert list(inspect.signature(guard.judge).parameters) == ["self", "text", "about"]
    assert list(inspect.signature(guard).parameters) == ["options", "transport"]


@pytest.mark.parametrize("kind", sorted(set(KINDS) - NEEDS_FILES))
async def test_it_judges_and_closes_twice(kind: str, server: JudgeServer, pool: Pool) -> None:
    guard = made(kind, server.url, pool)
    assert (await guard.judge("rye bread", About())).outcome == "allow"
    output = About("output", "assistant", question="What may I bake?")
    assert (await guard.judge("rye bread", output)).outcome == "allow"
    guard.close()
    guard.close()


@pytest.mark.parametrize("kind", sorted(set(KINDS) - NEEDS_FILES))
def test_nothing_is_asked_and_no_loop_needed_to_make_one(kind: str, pool: Pool) -> None:
    made(kind, "http://127.0.0.1:9", pool).close()


@pytest.mark.parametrize("kind", ["judge", "moderation", "presidio"])
async def test_keys_show_nowhere(kind: str, server: JudgeServer, pool: Pool) -> None:
    guard = made(kind, server.url, pool, api_key=KEY)
    assert KEY not in repr(ADAPTERS[kind].Options.model_validate({**MINIMAL[kind](server.url), "api_key": KEY}))
    for answer in ((401, KEY.encode()), (500, KEY.encode()), (200, KEY.encode()), (200, b'"%b"' % KEY.encode())):
        server.answer = answer
        with pytest.raises(Exception, match="guard") as failed:
            await guard.judge("a text", About())
        assert KEY not in f"{failed.value!r} {failed.value}"
    guard.close()


@pytest.mark.parametrize("kind", ["judge", "moderation", "presidio"])
async def test_a_deadline_leaves_nothing_behind(kind: str, server: JudgeServer, pool: Pool) -> None:
    server.delay = 30
    guard = made(kind, server.url, pool, max_chars=200, overlap=0)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await guard.judge("x" * 1_000, About())
    guard.close()
