"""Anthropic's Messages API, and servers that speak it: https://platform.claude.com/docs/en/api/messages"""

from typing import Any, ClassVar

import msgspec
from msgspec import Struct
from pydantic import Field, SecretStr

from llmctl.errors import UpstreamStatus
from llmctl.model.chat import Answer
from llmctl.model.json import JsonObject, encode
from llmctl.net.endpoint import Endpoint
from llmctl.net.transport import Request
from llmctl.providers.anthropic_request import body_of
from llmctl.providers.anthropic_stream import AnthropicStream, AnthropicUsage, Block, finish_of, stream_error, usage_of
from llmctl.providers.base import Call, ProviderOptions, StreamDecoder
from llmctl.providers.content import Head, completion, read
from llmctl.providers.http import HttpOptions, Stateless, status_error

THINKING = ("thinking", "redacted_thinking")


class AnthropicOptions(HttpOptions):
    """Options of `anthropic`."""

    base_url: str = Field("https://api.anthropic.com", description="URL up to, and without, `/v1`.")
    api_key: SecretStr | None = Field(None, description="Key to send as x-api-key; write it as ${VARIABLE}.")
    version: str = Field("2023-06-01", description="The anthropic-version header.")
    default_max_tokens: int = Field(
        4096, gt=0, description="Most tokens to answer with where a request sets no limit; Anthropic requires one."
    )


class _Message(Struct):
    content: list[Block]
    id: str = ""
    model: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None
    stop_details: dict[str, Any] | None = None
    usage: AnthropicUsage | None = None


class _Failure(Struct):
    type: str = ""
    error: Any = None


_MESSAGE = msgspec.json.Decoder(_Message)
_FAILURE = msgspec.json.Decoder(_Failure)


class Anthropic(Stateless):
    """Translates between the inner dialect and Anthropic's. Everything that can fail is done here or in `request`."""

    Options: ClassVar[type[ProviderOptions]] = AnthropicOptions

    def __init__(self, name: str, options: AnthropicOptions) -> None:
        self.name = name
        self.options = options
        headers = {"anthropic-version": options.version}
        if options.api_key is not None:
            headers["x-api-key"] = options.api_key.get_secret_value()
        self.endpoint = Endpoint.of(options.base_url, headers, options)

    def request(self, call: Call) -> Request:
        """The request for a call of `chat`; others are unsupported."""
        body = body_of(self.name, call, self.options.default_max_tokens)
        return self.endpoint.request(b"/v1/messages", encode(body), deadline=call.deadline, headers=call.headers)

    def answer(self, call: Call, body: bytes) -> Answer:
        """The message in a 200's body."""
        failure = read(self.name, _FAILURE, body)
        if failure.type == "error":
            raise stream_error(self.name, failure.error)
        message = read(self.name, _MESSAGE, body)
        usage = usage_of(message.usage) if message.usage is not None else None
        return completion(Head(message.id, message.model or call.model, call.created), [choice_of(message)], usage)

    def decoder(self, call: Call) -> StreamDecoder:
        """A fresh decoder of Anthropic's events."""
        return AnthropicStream(self.name, call.model, call.created)

    def probe(self, deadline: float) -> Request | None:
        """The list of models."""
        return self.endpoint.get(b"/v1/models", deadline=deadline)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> UpstreamStatus:
        """Anthropic's error envelope."""
        return status_error(self.name, status, headers, body)


def choice_of(message: _Message) -> JsonObject:
    """The one choice. Blocks of server tools have no place in the inner dialect and are left out."""
    texts = [block.text for block in message.content if block.type == "text"]
    calls = [_tool_call(block) for block in message.content if block.type == "tool_use"]
    thinking = [_thinking(block) for block in message.content if block.type in THINKING]
    inner: JsonObject = {"role": "assistant", "content": "".join(texts) if texts or not calls else None}
    if calls:
        inner["tool_calls"] = calls
    if thinking:
        inner["thinking_blocks"] = thinking
    if reasoning := "".join(block.thinking for block in message.content if block.type == "thinking"):
        inner["reasoning_content"] = reasoning
    reason, more = finish_of(message.stop_reason, message.stop_sequence, message.stop_details)
    if "refusal" in more:
        inner["refusal"] = more.pop("refusal")
    return {"index": 0, "message": inner, "finish_reason": reason, **more}


def _tool_call(block: Block) -> JsonObject:
    function = {"name": block.name, "arguments": encode(block.input).decode()}
    return {"id": block.id, "type": "function", "function": function, **block.more()}


def _thinking(block: Block) -> JsonObject:
    if block.type == "redacted_thinking":
        return {"type": block.type, "data": block.data}
    return {"type": block.type, "thinking": block.thinking, "signature": block.signature}
