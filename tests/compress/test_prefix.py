"""What of a request its provider is to find again."""

from typing import Any

import pytest

from llmctl.compress.prefix import marked, stable

ASKS = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}, {"role": "tool", "content": "t"}]


def part(**more: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": "u", **more}]}


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        (ASKS, 0),
        ([], 0),
        ([*ASKS, part(cache_control={"type": "ephemeral"}), *ASKS], 4),
        ([part(cache_control={}), part(prompt_cache_breakpoint={"type": "explicit"}), *ASKS], 2),
        ([{"role": "system", "content": "s", "cache_control": {}}, *ASKS], 1),
        (["odd", 3, {"role": "user", "content": None}, {"role": "user", "content": ["odd"]}], 0),
    ],
)
def test_messages_up_to_the_last_mark_stay(messages: list[Any], expected: int) -> None:
    assert marked(messages) == expected
    assert stable({"messages": messages}, "openai") == expected


@pytest.mark.parametrize("kind", ["openai", "local", "anthropic", "gemini", ""])
def test_a_request_that_is_marked_as_a_whole_stays(kind: str) -> None:
    assert stable({"messages": ASKS, "cache_control": {"type": "ephemeral"}}, kind) == 3
    assert stable({"messages": ASKS, "cache_control": None}, kind) == 0


@pytest.mark.parametrize(
    "given",
    [
        {"prompt_cache_key": "docs"},
        {"prompt_cache_retention": "24h"},
        {"prompt_cache_options": {"mode": "implicit"}},
        {"prompt_cache_options": {"ttl": "30m"}},
    ],
)
def test_so_does_one_with_a_key_where_the_provider_knows_keys(given: dict[str, Any]) -> None:
    assert stable({"messages": ASKS, **given}, "openai") == 3
    assert stable({"messages": ASKS, **given}, "anthropic") == 0
    assert stable({"messages": ASKS, **given}, "gemini") == 0


def test_where_only_marks_count_they_alone_do() -> None:
    options = {"prompt_cache_options": {"mode": "explicit"}}
    assert stable({"messages": [part(prompt_cache_breakpoint={}), *ASKS], **options}, "openai") == 1


@pytest.mark.parametrize("payload", [{}, {"messages": "hello"}, {"messages": None, "prompt_cache_key": "k"}])
def test_what_has_no_messages_has_none_to_keep(payload: dict[str, Any]) -> None:
    assert stable(payload, "openai") == 0
