"""A complete answer as a stream, and a text as a complete answer: for answers that no model streams."""

from collections.abc import AsyncIterator

from llmctl.model import chat
from llmctl.model.chat import Answer, Chunk
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, decode, encode

ENDS = ("finish_reason", "native_finish_reason", "stop_sequence", "stop_reason")
"""What a choice says of its end: OpenAI's word, our Anthropic's two, vLLM's."""


def answer_of(exchange: Exchange, text: str, model: str) -> Answer:
    """A complete answer that says `text`."""
    body: JsonObject = {"id": exchange.id, "created": int(exchange.wall), "model": model}
    if exchange.operation == "completion":
        choice: JsonObject = {"index": 0, "text": text, "finish_reason": "stop"}
        body |= {"object": "text_completion", "choices": [choice]}
    else:
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        body |= {"object": "chat.completion", "choices": [choice]}
    return chat.answer(encode({**body, "usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}}))


async def streamed(answer: Answer) -> AsyncIterator[list[Chunk]]:
    """The same answer as chunks: what it says, how it ends, what it used."""
    yield chunks_of(answer)


def chunks_of(answer: Answer) -> list[Chunk]:
    """A chunk with all that was said, one with the ends, and one with the counts where there are any."""
    body: JsonObject = decode(answer.raw)
    legacy = any("message" not in choice for choice in body.get("choices", ()))
    kept = {key: value for key, value in body.items() if key not in ("choices", "usage", "object")}
    head = {**kept, "object": "text_completion" if legacy else "chat.completion.chunk"}
    said, ends = [], []
    for choice in body.get("choices", ()):
        rest = {key: value for key, value in choice.items() if key not in ("message", "text", *ENDS)}
        index = choice.get("index", 0)
        given: JsonObject = (
            {"text": choice.get("text", "")} if legacy else {"delta": _delta(choice.get("message") or {})}
        )
        said.append({**rest, **given, "finish_reason": None})
        empty: JsonObject = {"text": ""} if legacy else {"delta": {}}
        end = {key: choice[key] for key in ENDS if key in choice}
        ends.append({"index": index, **empty, **end, "finish_reason": choice.get("finish_reason") or "stop"})
    made = [{**head, "choices": said}, {**head, "choices": ends}]
    if (usage := body.get("usage")) is not None:
        made.append({**head, "choices": [], "usage": usage})
    return [chat.chunk(encode(one)) for one in made]


def _delta(message: JsonObject) -> JsonObject:
    delta = dict(message)
    if calls := delta.get("tool_calls"):
        delta["tool_calls"] = [{"index": index, **call} for index, call in enumerate(calls)]
    return delta
