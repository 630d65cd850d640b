"""Any server that speaks OpenAI's API: OpenAI, Azure, vLLM, TGI, Ollama, llama.cpp, OpenRouter."""

from dataclasses import dataclass
from typing import ClassVar, Literal, Self
from urllib.parse import quote

from pydantic import Field, SecretStr, model_validator

from llmctl.errors import UpstreamProtocolError, UpstreamStatus
from llmctl.model import chat
from llmctl.model.chat import Answer, Chunk
from llmctl.model.json import UNDECODABLE, JsonObject, compact, encode
from llmctl.net.endpoint import Endpoint
from llmctl.net.transport import Request
from llmctl.providers.base import Call, ProviderOptions, StreamDecoder
from llmctl.providers.events import EventDecoder
from llmctl.providers.http import HttpOptions, Seconds, Stateless, status_error

# What OpenAI's chat endpoint knows; its current reference is the source.
NATIVE = frozenset(
    {"model", "messages", "stream", "stream_options", "n", "temperature", "top_p", "max_tokens"}
    | {"max_completion_tokens", "stop", "tools", "tool_choice", "parallel_tool_calls", "response_format", "seed"}
    | {"logprobs", "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "user", "store"}
    | {"reasoning_effort", "verbosity", "prediction", "modalities", "audio", "prompt_cache_key", "safety_identifier"}
)
NATIVE_MESSAGE = frozenset({"role", "content", "name", "tool_calls", "tool_call_id", "refusal"})
NATIVE_PARTS = frozenset({"text", "image_url", "input_audio", "file", "refusal"})

PATHS = {"chat": b"/chat/completions", "completion": b"/completions", "embedding": b"/embeddings"}


class OpenAIOptions(HttpOptions):
    """Options of `openai`."""

    base_url: str = Field("https://api.openai.com/v1", description="URL up to and with `/v1`.")
    api_key: SecretStr | None = Field(None, description="Key to send; write it as ${VARIABLE}.")
    auth: Literal["bearer", "api-key"] = Field("bearer", description="How the key is sent; Azure takes `api-key`.")
    organization: str | None = Field(None, description="OpenAI organization to bill.")
    project: str | None = Field(None, description="OpenAI project to bill.")
    api_version: str | None = Field(
        None, description="Azure's dated API: `base_url` ends with /openai, the model names the deployment."
    )
    stream_usage: bool = Field(True, description="Ask for token counts in streams; false for servers that refuse to.")
    batch: bool = Field(
        False, description="Send requests of batches to its own `/files` and `/batches`, at their price and pace."
    )
    batch_window: Seconds = Field(30.0, description="Requests of batches are gathered for so long into one of its own.")
    batch_poll: Seconds = Field(
        10.0, description="Its batch is first looked after so late; then less and less often, up to 30 times that."
    )

    @model_validator(mode="after")
    def _batches_there(self) -> Self:
        if self.batch and self.api_version is not None:
            raise ValueError(
                "batch: Azure's dated API is not supported; end base_url with /openai/v1 and drop api_version"
            )
        if self.batch and any(name.lower() == "content-type" for name in self.headers):
            raise ValueError("headers: with batch: true files are uploaded too, so drop content-type")
        return self


BOUNDARY = "llmctl-lines-of-json-have-no-line-breaks"
"""Separates the parts of an upload. JSON on one line has no CR LF, which stands before it, so it cannot be forged."""


@dataclass(frozen=True, slots=True)
class BatchApi:
    """Where a provider's own batches are made: `form` is for uploads, `plain` for the rest. Times in seconds."""

    plain: Endpoint
    form: Endpoint
    window: float
    poll: float

    @classmethod
    def of(cls, options: OpenAIOptions) -> "BatchApi":
        """Raises ValueError on an address that cannot be."""
        own = headers_of(options)
        form = {**own, "content-type": f"multipart/form-data; boundary={BOUNDARY}"}
        plain = Endpoint.of(options.base_url, own, options)
        return cls(plain, Endpoint.of(options.base_url, form, options), options.batch_window, options.batch_poll)


def headers_of(options: OpenAIOptions) -> dict[str, str]:
    """The headers that carry who we are."""
    headers: dict[str, str] = {}
    if options.api_key is not None:
        secret = options.api_key.get_secret_value()
        headers |= {"authorization": f"Bearer {secret}"} if options.auth == "bearer" else {"api-key": secret}
    if options.organization:
        headers["openai-organization"] = options.organization
    if options.project:
        headers["openai-project"] = options.project
    return headers


class OpenAI(Stateless):
    """Requests and answers pass through; only the model's name is exchanged, and usage asked for in streams."""

    Options: ClassVar[type[ProviderOptions]] = OpenAIOptions

    def __init__(self, name: str, options: OpenAIOptions) -> None:
        self.name = name
        self.options = options
        self.endpoint = Endpoint.of(options.base_url, headers_of(options), options)
        self.batch_api = BatchApi.of(options) if options.batch else None
        self._stream_usage = options.stream_usage
        self._api_version = options.api_version

    def request(self, call: Call) -> Request:
        """The client's own body where nothing in it changes."""
        path = PATHS[call.operation]
        if self._api_version is not None:
            deployment = quote(call.model, safe="").encode()
            path = b"/deployments/%b%b?api-version=%b" % (deployment, path, quote(self._api_version).encode())
        return self.endpoint.request(
            path, encode_request(call, stream_usage=self._stream_usage), deadline=call.deadline, headers=call.headers
        )

    def answer(self, call: Call, body: bytes) -> Answer:
        """The answer as it came."""
        return decode_answer(self.name, call, body)

    def decoder(self, call: Call) -> StreamDecoder:
        """Chunks as they come."""
        return OpenAIStream(self.name, choices_of(call))

    def probe(self, deadline: float) -> Request | None:
        """The list of models."""
        return self.endpoint.get(b"/models", deadline=deadline) if self._api_version is None else None

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> UpstreamStatus:
        """OpenAI's error object, or one of its common variations."""
        return status_error(self.name, status, headers, body)


def encode_request(call: Call, *, stream_usage: bool) -> bytes:
    """The body to send."""
    payload = native(call.payload) if call.foreign else call.payload
    changes: JsonObject = {}
    if payload.get("model") != call.model:
        changes["model"] = call.model
    if call.stream and stream_usage:
        options = payload.get("stream_options") or {}
        if options.get("include_usage") is not True:
            changes["stream_options"] = {**options, "include_usage": True}
    if not changes and call.raw is not None:
        return call.raw
    return encode({**payload, **changes} if changes else payload)


def native(payload: JsonObject) -> JsonObject:
    """`payload` without what another dialect left in it, which OpenAI would refuse."""
    kept = {key: value for key, value in payload.items() if key in NATIVE}
    kept["messages"] = [_native_message(message) for message in payload["messages"]]
    if "tools" in kept:
        functions = (tool for tool in kept["tools"] if tool.get("type") == "function")
        kept["tools"] = [{"type": "function", "function": tool.get("function")} for tool in functions]
    return kept


def _native_message(message: JsonObject) -> JsonObject:
    kept = {key: value for key, value in message.items() if key in NATIVE_MESSAGE}
    if isinstance(content := kept.get("content"), list):
        parts = (part for part in content if part.get("type") in NATIVE_PARTS)
        kept["content"] = [{key: part[key] for key in ("type", part["type"]) if key in part} for part in parts]
    if calls := kept.get("tool_calls"):
        kept["tool_calls"] = [{key: call[key] for key in ("id", "type", "function") if key in call} for call in calls]
    return kept


def decode_answer(name: str, call: Call, body: bytes) -> Answer:
    """A 200's body as an answer. Raises UpstreamProtocolError where it is not one."""
    try:
        answer = chat.answer(body)
    except UNDECODABLE as error:
        raise UpstreamProtocolError(f"provider {name} answered 200 with what is not an answer: {error}") from None
    complete = answer.body.data if call.operation == "embedding" else answer.body.choices
    if not complete:
        said = f" but an error: {answer.body.error!r:.500}" if answer.body.error else ""
        raise UpstreamProtocolError(f"provider {name} answered 200 without an answer{said}")
    return answer


class OpenAIStream(EventDecoder):
    """Decodes `data:` events. `[DONE]` completes the answer, or `choices` finish reasons where a server sends none."""

    def __init__(self, name: str, choices: int) -> None:
        super().__init__()
        self._name = name
        self._choices = choices
        self._finished: set[int] = set()
        self._closed = False

    @property
    def ended(self) -> bool:
        """`[DONE]` has come: token counts stand before it, behind the last of the text."""
        return self._closed

    def _event(self, data: bytes, chunks: list[Chunk]) -> None:
        if data == b"[DONE]":
            self.done = self._closed = True
            return
        try:
            chunk = chat.chunk(compact(data))
        except UNDECODABLE as error:
            raise UpstreamProtocolError(f"provider {self._name} sent what is not a chat chunk: {error}") from None
        if chunk.body.error:
            raise stream_error(self._name, chunk.body.error)
        for choice in chunk.body.choices:
            if choice.finish_reason is not None:
                self._finished.add(choice.index)
                self.done = self.done or len(self._finished) >= self._choices
        chunks.append(chunk)


def choices_of(call: Call) -> int:
    """How many choices the answer will have: `n` for each prompt, of which legacy completions may send a list."""
    prompt = call.payload.get("prompt")
    listed = isinstance(prompt, list) and bool(prompt) and isinstance(prompt[0], str | list)
    return int(call.payload.get("n") or 1) * (len(prompt) if listed and prompt else 1)


def stream_error(name: str, error: object) -> UpstreamStatus:
    """What an error object within a stream means; some servers send their status as `code`."""
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else 502
    return status_error(name, status, {}, encode({"error": error}))
