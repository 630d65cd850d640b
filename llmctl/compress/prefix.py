"""Which beginning of a request its provider is to find again in its prompt cache, as far as the request says so.

Providers keep what they computed of a prompt's beginning and charge 5 to 50% for reading it again, so a beginning that
comes again must not change: a document shortened for another question each time would be paid for in full each time.
"""

from collections.abc import Sequence
from typing import Any

from llmctl.model.json import JsonObject

MARKS = ("cache_control", "prompt_cache_breakpoint")
"""On a message or a part of it: cache the prompt up to here (Anthropic; OpenAI)."""

KEYS = ("prompt_cache_key", "prompt_cache_retention")
"""Of a request that shares a long beginning with others (OpenAI, which does not say how long)."""

WITHOUT_KEYS = frozenset({"anthropic", "gemini"})  # kinds of providers who are not sent these keys


def marked(messages: Sequence[Any]) -> int:
    """The number after the last message with a mark; 0 where there is none."""
    for at in range(len(messages), 0, -1):
        message = messages[at - 1]
        if not isinstance(message, dict):
            continue
        content = message.get("content")
        parts = content if isinstance(content, list) else ()
        if any(mark in one for one in (message, *parts) if isinstance(one, dict) for mark in MARKS):
            return at
    return 0


def stable(payload: JsonObject, kind: str) -> int:
    """How many messages at the beginning are to stay as they are for a provider of this kind.

    All of them where the request as a whole asks for caching: by `cache_control` beside the messages, and where the
    provider knows them by `prompt_cache_key`, `prompt_cache_retention`, or `prompt_cache_options` that do not say that
    only marks count.
    """
    messages = payload.get("messages")
    if not isinstance(messages, list):
        return 0
    if payload.get("cache_control") is not None:
        return len(messages)
    if kind not in WITHOUT_KEYS:
        options = payload.get("prompt_cache_options")
        implicit = isinstance(options, dict) and options.get("mode") != "explicit"
        if implicit or any(payload.get(key) is not None for key in KEYS):
            return len(messages)
    return marked(messages)
