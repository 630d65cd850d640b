"""Placeholders back into values on the way to the client. What is recorded or cached never sees the values again."""

from collections.abc import AsyncIterator

from llmctl.gateway.spoken import ARGUMENTS, Place, resaid, said
from llmctl.model import chat
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Restoration, Restorer
from llmctl.model.json import JsonObject, decode, encode

Key = tuple[int, str, int]


def restored(answer: Answer, restoration: Restoration) -> Answer:
    """The answer as the client is to see it."""
    texts: dict[Place, str] = {}
    for place, _, text in said(answer.body.choices):
        again = restoration.restore(text, within_json=place.field in ARGUMENTS)
        if again != text:
            texts[place] = again
    return chat.answer(resaid(answer.raw, texts)) if texts else answer


async def restored_stream(source: AsyncIterator[list[Chunk]], restoration: Restoration) -> AsyncIterator[list[Chunk]]:
    """The stream as the client is to see it. What may be the beginning of a placeholder waits for the rest of it."""
    restorers: dict[Key, Restorer] = {}
    last: Chunk | None = None
    async for batch in source:
        out: list[Chunk] = []
        for chunk in batch:
            texts: dict[Place, str] = {}
            for place, key, text in said(chunk.body.choices):
                last = chunk
                if key not in restorers:
                    restorers[key] = restoration.restorer(within_json=place.field in ARGUMENTS)
                again = restorers[key].feed(text)
                if again != text:
                    texts[place] = again
            if ended := {choice.index for choice in chunk.body.choices if choice.finish_reason is not None}:
                rest = {key: one for key, one in restorers.items() if key[0] in ended}
                for place, key, text in said(chunk.body.choices):  # what this chunk begins it also ends
                    if key in rest and (held := rest.pop(key).finish()):
                        texts[place] = texts.get(place, text) + held
                out += _rest(rest, last)
            out.append(chat.chunk(resaid(chunk.raw, texts)) if texts else chunk)
        yield out
    if left := _rest(restorers, last):
        yield left


def _rest(restorers: dict[Key, Restorer], last: Chunk | None) -> list[Chunk]:
    """What was held back of texts that have ended, as chunks like the last one."""
    out: list[Chunk] = []
    for (choice, field, call), restorer in restorers.items():
        text = restorer.finish()
        if text and last is not None:
            fields = {key: value for key, value in decode(last.raw).items() if key != "usage"}
            out.append(chat.chunk(encode({**fields, "choices": [_choice(choice, field, call, text)]})))
    return out


def _choice(index: int, field: str, call: int, text: str) -> JsonObject:
    if field == "text":
        return {"index": index, "text": text, "finish_reason": None}
    delta: JsonObject = {field: text}
    if field == "arguments":
        delta = {"tool_calls": [{"index": call, "function": {"arguments": text}}]}
    elif field == "input":
        delta = {"tool_calls": [{"index": call, "custom": {"input": text}}]}
    elif field == "function_call":
        delta = {"function_call": {"arguments": text}}
    return {"index": index, "delta": delta, "finish_reason": None}
