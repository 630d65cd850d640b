"""The texts of an answer, whole or a chunk of it: what was said where, and the same answer saying something else."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from llmctl.model.chat import Answer, Choice, Message
from llmctl.model.json import decode, encode

FIELDS = ("content", "reasoning_content", "reasoning", "refusal")
REASONING = frozenset({"reasoning_content", "reasoning"})
ARGUMENTS = frozenset({"arguments", "function_call"})
REPEATING = (b'"thinking_blocks"', b'"reasoning_details"')
"""Anthropic's and OpenRouter's signed forms of the reasoning: they repeat its text, and can only be left out."""


class Place(NamedTuple):
    """Where a text stands: the choice's and the tool call's position in their lists."""

    choice: int
    field: str
    call: int = 0


class Said(NamedTuple):
    """A text, and in a stream which text it is a piece of: choice index, field, tool call index."""

    place: Place
    of: tuple[int, str, int]
    text: str


def lone(answer: Answer) -> str | None:
    """What an answer says, where that is one message's content and nothing beside it."""
    choices = answer.body.choices
    message = choices[0].message if len(choices) == 1 else None
    if message is None or type(message.content) is not str or choices[0].text:
        return None
    if message.tool_calls or message.reasoning_content or message.refusal or message.reasoning or message.function_call:
        return None
    return None if REPEATING[0] in answer.raw or REPEATING[1] in answer.raw else message.content or None


def said(choices: list[Choice]) -> Iterator[Said]:
    """Every text of an answer or a chunk."""
    for position, choice in enumerate(choices):
        message = choice.delta or choice.message
        if choice.text:
            yield Said(Place(position, "text"), (choice.index, "text", 0), choice.text)
        if message is None:
            continue
        if type(message.content) is str:
            if message.content:
                yield Said(Place(position, "content"), (choice.index, "content", 0), message.content)
        elif message.content:
            text = "".join(_parts(message.content))
            yield Said(Place(position, "content"), (choice.index, "content", 0), text)
        plain = not (message.tool_calls or message.reasoning_content or message.refusal or message.reasoning)
        if not plain or message.function_call:
            yield from _beside(position, choice.index, message)


def _beside(position: int, index: int, message: Message) -> Iterator[Said]:
    for field in FIELDS[1:]:
        if text := getattr(message, field):
            yield Said(Place(position, field), (index, field, 0), text)
    for number, call in enumerate(message.tool_calls or ()):
        which = call.index if call.index is not None else number
        if call.custom and call.custom.input:
            yield Said(Place(position, "input", number), (index, "input", which), call.custom.input)
        if call.function and call.function.arguments:
            yield Said(Place(position, "arguments", number), (index, "arguments", which), call.function.arguments)
    if message.function_call and message.function_call.arguments:
        yield Said(Place(position, "function_call"), (index, "function_call", 0), message.function_call.arguments)


def resaid(raw: bytes, texts: Mapping[Place, str], *, without_thinking: bool = False) -> bytes:
    """The answer or chunk with other texts. What repeats the old ones, as log probabilities do, is left out."""
    body = decode(raw)
    changed = {place.choice for place in texts}
    for position, choice in enumerate(body.get("choices") or ()):
        message: Any = choice.get("delta") or choice.get("message") or {}
        if without_thinking:
            message.pop("thinking_blocks", None)
            message.pop("reasoning_details", None)
        if position in changed:
            choice.pop("logprobs", None)
    for place, text in texts.items():
        choice = body["choices"][place.choice]
        message = choice.get("delta") or choice.get("message") or {}
        if place.field == "text":
            choice["text"] = text
        elif place.field == "arguments":
            message["tool_calls"][place.call]["function"]["arguments"] = text
        elif place.field == "input":
            message["tool_calls"][place.call]["custom"]["input"] = text
        elif place.field == "function_call":
            message["function_call"]["arguments"] = text
        else:
            message[place.field] = text
    return encode(body)


def untold(raw: bytes) -> bool:
    """Whether the signed forms say anything; it was not judged where no reasoning came beside them."""
    if not any(mark in raw for mark in REPEATING):
        return False
    for choice in decode(raw).get("choices") or ():
        message: Any = choice.get("delta") or choice.get("message") or {}
        for blocks in (message.get("thinking_blocks"), message.get("reasoning_details")):
            for block in blocks if isinstance(blocks, list) else ():
                if isinstance(block, dict) and any(block.get(key) for key in ("thinking", "text", "summary")):
                    return True
    return False


def _parts(content: Any) -> Iterator[str]:
    """The texts of content that comes as a list of parts."""
    for part in content:
        if isinstance(part, str):
            yield part
        elif isinstance(part, dict):
            yield from _parts([value for key, value in part.items() if key not in ("type", "id")])
        elif isinstance(part, list):
            yield from _parts(part)
