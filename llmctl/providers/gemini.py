"""Google's Gemini API, as served with an API key: https://ai.google.dev/api"""

import base64
import struct
from typing import ClassVar
from urllib.parse import quote

import msgspec
from msgspec import Struct
from pydantic import Field, SecretStr

from llmctl.errors import UpstreamProtocolError, UpstreamStatus
from llmctl.model import chat
from llmctl.model.chat import Answer
from llmctl.model.json import JsonObject, encode
from llmctl.net.endpoint import Endpoint
from llmctl.net.transport import Request
from llmctl.providers.base import Call, ProviderOptions, StreamDecoder
from llmctl.providers.content import Head, completion, read, unsupported
from llmctl.providers.gemini_request import body_of, embedding_body, resource
from llmctl.providers.gemini_stream import (
    REPLY,
    Candidate,
    GeminiStream,
    GeminiUsage,
    blocked,
    finish_of,
    piece,
    usage_of,
)
from llmctl.providers.http import HttpOptions, Stateless, status_error


class GeminiOptions(HttpOptions):
    """Options of `gemini`."""

    base_url: str = Field(
        "https://generativelanguage.googleapis.com/v1beta", description="URL up to and with the API's version."
    )
    api_key: SecretStr | None = Field(None, description="Key to send as x-goog-api-key; write it as ${VARIABLE}.")


class _Embedding(Struct):
    values: list[float]


class _Embeddings(Struct, rename="camel"):
    embeddings: list[_Embedding]
    usage_metadata: GeminiUsage | None = None


_EMBEDDINGS = msgspec.json.Decoder(_Embeddings)


class Gemini(Stateless):
    """Translates between the inner dialect and Gemini's."""

    Options: ClassVar[type[ProviderOptions]] = GeminiOptions

    def __init__(self, name: str, options: GeminiOptions) -> None:
        self.name = name
        self.options = options
        headers = {}
        if options.api_key is not None:
            headers["x-goog-api-key"] = options.api_key.get_secret_value()
        self.endpoint = Endpoint.of(options.base_url, headers, options)

    def request(self, call: Call) -> Request:
        """The request for a call of `chat` or `embedding`."""
        if call.operation == "embedding":
            method, body = "batchEmbedContents", embedding_body(self.name, call)
        elif call.operation == "chat":
            method = "streamGenerateContent?alt=sse" if call.stream else "generateContent"
            body = body_of(self.name, call)
        else:
            raise unsupported(self.name, f"Gemini has no {call.operation} API; choose another model", "model")
        path = f"/{quote(resource(call.model), safe='/')}:{method}"
        return self.endpoint.request(path.encode("ascii"), encode(body), deadline=call.deadline, headers=call.headers)

    def answer(self, call: Call, body: bytes) -> Answer:
        """The candidates, or the embeddings, in a 200's body."""
        if call.operation == "embedding":
            return self._embeddings(call, read(self.name, _EMBEDDINGS, body))
        reply = read(self.name, REPLY, body)
        head = Head(reply.response_id or "", reply.model_version or call.model, call.created)
        choices = [self._choice(head, candidate) for candidate in reply.candidates]
        if (message := blocked(self.name, reply)) is not None:
            choices = [{"index": 0, "message": message, "finish_reason": "content_filter"}]
        if not choices:
            raise UpstreamProtocolError(f"provider {self.name} answered 200 without a candidate or a reason for none")
        return completion(head, choices, usage_of(reply.usage_metadata) if reply.usage_metadata else None)

    def decoder(self, call: Call) -> StreamDecoder:
        """A fresh decoder of Gemini's events."""
        return GeminiStream(self.name, call.model, call.payload.get("n") or 1, call.created)

    def probe(self, deadline: float) -> Request | None:
        """The list of models."""
        return self.endpoint.get(b"/models", deadline=deadline)

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> UpstreamStatus:
        """Google's error object. A key that it does not know is a 400 there, and our own fault."""
        return status_error(self.name, 401 if b"API_KEY_INVALID" in body else status, headers, body)

    def _choice(self, head: Head, candidate: Candidate) -> JsonObject:
        """A candidate as a choice. Parts that have no place in the inner dialect are left out."""
        message: JsonObject = {"role": "assistant", "content": None}
        calls: list[JsonObject] = []
        for part in candidate.content.parts:
            change = piece(head, part, len(calls))
            calls += [{key: call[key] for key in call if key != "index"} for call in change.pop("tool_calls", [])]
            for key in ("content", "reasoning_content"):
                if key in change:
                    message[key] = (message.get(key) or "") + change.pop(key)
            message |= change
        if calls:
            message["tool_calls"] = calls
        elif message["content"] is None:
            message["content"] = ""
        native = candidate.finish_reason or "STOP"
        reason = finish_of(self.name, native, calls=bool(calls))
        return {
            "index": candidate.index,
            "message": message,
            "finish_reason": reason,
            "native_finish_reason": native,
        }

    def _embeddings(self, call: Call, found: _Embeddings) -> Answer:
        """In OpenAI's shape; as little-endian floats in base64 where the client asked for that."""
        packed = call.payload.get("encoding_format") == "base64"
        data = [
            {"object": "embedding", "index": index, "embedding": _packed(item.values) if packed else item.values}
            for index, item in enumerate(found.embeddings)
        ]
        body: JsonObject = {"object": "list", "data": data, "model": call.model}
        if found.usage_metadata is not None:
            count = found.usage_metadata.prompt_token_count
            body["usage"] = {"prompt_tokens": count, "total_tokens": count}
        return chat.answer(encode(body))


def _packed(values: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode("ascii")
