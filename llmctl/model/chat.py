"""The wire types of the OpenAI dialect, which is also what travels inside.

A request is validated against the `*Request` types and then travels as the decoded JSON object, so fields nobody
here knows pass through untouched. An answer travels as the bytes to send plus the typed fields that guards,
records and other dialects read.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from llmctl.model.usage import NO_USAGE, Usage

Operation = Literal["chat", "completion", "embedding"]
Role = Literal["system", "developer", "user", "assistant", "tool", "function"]
ModelName = Annotated[str, Meta(min_length=1, max_length=256)]
Content = str | list[dict[str, Any]] | None


class RequestFunction(Struct):
    """The function a tool call names; `arguments` is JSON text."""

    name: str
    arguments: str = ""


class RequestToolCall(Struct):
    """A call the assistant made earlier in the conversation."""

    id: str
    function: RequestFunction | None = None
    type: str = "function"


class RequestMessage(Struct):
    """One turn of the conversation."""

    role: Role
    content: Content = None
    tool_calls: list[RequestToolCall] | None = None
    tool_call_id: str | None = None


class StreamOptions(Struct):
    """`include_usage`: the last chunk carries token counts."""

    include_usage: bool | None = None


class ChatRequest(Struct):
    """The fields of `/v1/chat/completions` that we rely on; others are not looked at."""

    model: ModelName
    messages: Annotated[list[RequestMessage], Meta(min_length=1)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    max_tokens: Annotated[int, Meta(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Meta(ge=1)] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    stop: str | list[str] | None = None


class CompletionRequest(Struct):
    """The fields of `/v1/completions` that we rely on."""

    model: ModelName
    prompt: str | list[Any]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: Annotated[int, Meta(ge=1, le=128)] | None = None
    max_tokens: Annotated[int, Meta(ge=0)] | None = None


class EmbeddingRequest(Struct):
    """The fields of `/v1/embeddings` that we rely on."""

    model: ModelName
    input: Annotated[str, Meta(min_length=1)] | Annotated[list[str | int | list[int]], Meta(min_length=1)]


class FunctionCall(Struct, omit_defaults=True, gc=False):
    """A function call or a piece of one; in a stream `arguments` comes in fragments."""

    name: str | None = None
    arguments: str | None = None


class CustomCall(Struct, omit_defaults=True, gc=False):
    """A call of a tool that takes any text, or a piece of one."""

    name: str | None = None
    input: str | None = None


class ToolCall(Struct, omit_defaults=True, gc=False):
    """A tool call in an answer. `index` says which call a stream's fragment belongs to."""

    index: int | None = None
    id: str | None = None
    type: str | None = None
    function: FunctionCall | None = None
    custom: CustomCall | None = None


class Message(Struct, omit_defaults=True, gc=False):
    """What the model said: a whole message, or a stream's delta."""

    role: str | None = None
    content: str | list[Any] | None = None
    refusal: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: FunctionCall | None = None


class Choice(Struct, omit_defaults=True, gc=False):
    """One candidate answer. Whole answers have `message`, streams `delta`, legacy completions `text`."""

    index: int = 0
    message: Message | None = None
    delta: Message | None = None
    text: str | None = None
    finish_reason: str | None = None


class PromptTokens(Struct, gc=False):
    """Detail of the prompt's tokens; `cached_tokens` are included in the total."""

    cached_tokens: int | None = None
    cache_write_tokens: int | None = None


class CompletionTokens(Struct, gc=False):
    """Detail of the completion's tokens; `reasoning_tokens` are included in the total."""

    reasoning_tokens: int | None = None


class WireUsage(Struct, gc=False):
    """`usage` as OpenAI writes it: totals that include their details."""

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: PromptTokens | None = None
    completion_tokens_details: CompletionTokens | None = None

    def partition(self) -> Usage:
        """The same counts as buckets that do not overlap."""
        prompt, completion = max(0, self.prompt_tokens or 0), max(0, self.completion_tokens or 0)
        detail, written = self.prompt_tokens_details, self.completion_tokens_details
        read = max(0, min(detail.cached_tokens or 0, prompt)) if detail else 0
        write = max(0, min(detail.cache_write_tokens or 0, prompt - read)) if detail else 0
        reasoning = max(0, min(written.reasoning_tokens or 0, completion)) if written else 0
        return Usage(prompt - read - write, read, write, completion - reasoning, reasoning, "provider")


class AnswerBody(Struct, gc=False):
    """The fields of an answer, or of one chunk of it, that somebody here reads."""

    id: str | None = None
    model: str | None = None
    choices: list[Choice] = []
    usage: WireUsage | None = None
    data: msgspec.Raw = msgspec.Raw(b"")
    error: Any = None


class Answer(Struct, frozen=True, gc=False):
    """A complete answer: `raw` is the JSON an OpenAI client gets, `body` its typed view."""

    raw: bytes
    body: AnswerBody

    @property
    def usage(self) -> Usage:
        """Token counts, or none if the provider gave none."""
        return self.body.usage.partition() if self.body.usage else NO_USAGE


class Chunk(Struct, frozen=True, gc=False):
    """One `chat.completion.chunk`: `raw` is the event's JSON without SSE framing, `body` its typed view."""

    raw: bytes
    body: AnswerBody


_BODY = msgspec.json.Decoder(AnswerBody)


def answer(raw: bytes) -> Answer:
    """The complete answer whose JSON is `raw`. Raises one of `json.UNDECODABLE` if it is not one."""
    raw.decode()  # fields that nobody here reads must be fit for the record and the client too
    return Answer(raw, _BODY.decode(raw))


def chunk(raw: bytes) -> Chunk:
    """The chunk whose JSON is `raw`. Raises one of `json.UNDECODABLE` if it is not one."""
    raw.decode()
    return Chunk(raw, _BODY.decode(raw))


def text_of(content: Any) -> str:
    """The text of a message's content, whose parts are joined. Empty for what is neither a text nor a list of parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) else ""
