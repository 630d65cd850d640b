"""Gemini's answers, whole and streamed: a stream's events have the whole answer's shape."""

from typing import Any

import msgspec
from msgspec import Struct

from llmctl.errors import UpstreamProtocolError
from llmctl.model.chat import Chunk
from llmctl.model.json import JsonObject, encode
from llmctl.providers.content import Head, delta, read, usage_chunk
from llmctl.providers.events import EventDecoder
from llmctl.providers.http import status_error

FINISH = {"STOP": "stop", "MAX_TOKENS": "length"}
# The model wrote a tool call that nobody can read: no answer at all, and worth another try.
BROKEN = ("MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "MALFORMED_RESPONSE")


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


class GeminiUsage(Struct, rename=_camel):
    """`usageMetadata`. The prompt includes what was cached; the candidates exclude thoughts."""

    prompt_token_count: int = 0
    cached_content_token_count: int = 0
    candidates_token_count: int = 0
    thoughts_token_count: int = 0
    tool_use_prompt_token_count: int = 0


class FunctionCall(Struct):
    """A call of one of the client's functions."""

    name: str
    id: str | None = None
    args: dict[str, Any] | None = None


class Part(Struct, rename=_camel):
    """A piece of an answer."""

    text: str | None = None
    thought: bool = False
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


class Content(Struct):
    """What a candidate says."""

    parts: list[Part] = []


class Candidate(Struct, rename=_camel):
    """One of the answers asked for."""

    content: Content = msgspec.field(default_factory=Content)
    finish_reason: str | None = None
    index: int = 0


class Feedback(Struct, rename=_camel):
    """Why the prompt was not answered."""

    block_reason: str | None = None


class Reply(Struct, rename=_camel):
    """A whole answer or one event of a stream."""

    candidates: list[Candidate] = []
    prompt_feedback: Feedback | None = None
    usage_metadata: GeminiUsage | None = None
    model_version: str | None = None
    response_id: str | None = None
    error: Any = None


REPLY = msgspec.json.Decoder(Reply)


def usage_of(usage: GeminiUsage) -> JsonObject:
    """The same counts as OpenAI writes them: totals that include their details."""
    prompt = usage.prompt_token_count + usage.tool_use_prompt_token_count
    output = usage.candidates_token_count + usage.thoughts_token_count
    counts: JsonObject = {"prompt_tokens": prompt, "completion_tokens": output, "total_tokens": prompt + output}
    counts["prompt_tokens_details"] = {"cached_tokens": usage.cached_content_token_count}
    counts["completion_tokens_details"] = {"reasoning_tokens": usage.thoughts_token_count}
    return counts


def finish_of(provider: str, reason: str, *, calls: bool) -> str:
    """OpenAI's word for a finish reason; every reason but the usual ones withholds something."""
    if reason in BROKEN:
        raise UpstreamProtocolError(f"provider {provider}: the model wrote a tool call that cannot be read ({reason})")
    found = FINISH.get(reason, "content_filter")
    return "tool_calls" if calls and found == "stop" else found


def blocked(provider: str, reply: Reply) -> JsonObject | None:
    """The message that stands for an answer where the prompt was refused."""
    reason = reply.prompt_feedback.block_reason if reply.prompt_feedback else None
    if reason is None or reply.candidates:
        return None
    return {"role": "assistant", "content": None, "refusal": f"{provider} did not answer this prompt: {reason}"}


def tool_call(head: Head, number: int, part: Part, call: FunctionCall) -> JsonObject:
    """A tool call; where Gemini names none, its id is made of the answer's, so that no two in a conversation agree."""
    function = {"name": call.name, "arguments": encode(call.args or {}).decode()}
    found: JsonObject = {"id": call.id or f"call_{head.id}_{number}", "type": "function", "function": function}
    return found | _signature(part)


def _signature(part: Part) -> JsonObject:
    """Google's own OpenAI endpoint keeps signatures here; a client sends them back with the conversation."""
    if part.thought_signature is None:
        return {}
    return {"extra_content": {"google": {"thought_signature": part.thought_signature}}}


def piece(head: Head, part: Part, calls: int) -> JsonObject:
    """What one part adds to a message, a tool call as the `calls`-th; empty for what has no place in one."""
    if part.function_call is not None:
        return {"tool_calls": [{"index": calls, **tool_call(head, calls, part, part.function_call)}]}
    if part.thought:
        return {"reasoning_content": part.text} if part.text else {}
    return ({"content": part.text} if part.text else {}) | _signature(part)


class GeminiStream(EventDecoder):
    """Decodes one stream. It is complete when every candidate has its finish reason."""

    def __init__(self, provider: str, model: str, candidates: int, created: int = 0) -> None:
        super().__init__()
        self._provider = provider
        self._head = Head("", model, created)
        self._unfinished = candidates
        self._calls = [0] * candidates
        self._started: set[int] = set()
        self._usage: GeminiUsage | None = None

    def _event(self, data: bytes, chunks: list[Chunk]) -> None:
        if not self.done:  # what follows a complete answer is left unread
            chunks += self._reply(read(self._provider, REPLY, data))

    def _reply(self, reply: Reply) -> list[Chunk]:
        if reply.error is not None:
            code = reply.error.get("code") if isinstance(reply.error, dict) else None
            status = code if isinstance(code, int) and 400 <= code < 600 else 502
            raise status_error(self._provider, status, {}, encode({"error": reply.error}))
        self._head = self._head._replace(
            id=reply.response_id or self._head.id, model=reply.model_version or self._head.model
        )
        self._usage = reply.usage_metadata or self._usage
        chunks = []
        for candidate in reply.candidates:
            chunks += self._candidate(candidate)
        if (message := blocked(self._provider, reply)) is not None:
            reason = reply.prompt_feedback.block_reason if reply.prompt_feedback else None
            chunks.append(delta(self._head, 0, message, "content_filter", native_finish_reason=reason))
            self._unfinished = 0
        if self._unfinished <= 0:
            self.done = True
            if self._usage is not None:
                chunks.append(usage_chunk(self._head, usage_of(self._usage)))
        return chunks

    def _candidate(self, candidate: Candidate) -> list[Chunk]:
        index = candidate.index
        if not 0 <= index < len(self._calls):
            raise UpstreamProtocolError(f"provider {self._provider} sent candidate {index}, which nobody asked for")
        chunks = []
        if index not in self._started:
            self._started.add(index)
            chunks.append(delta(self._head, index, {"role": "assistant", "content": ""}))
        for part in candidate.content.parts:
            if change := piece(self._head, part, self._calls[index]):
                self._calls[index] += part.function_call is not None
                chunks.append(delta(self._head, index, change))
        if candidate.finish_reason is not None:
            reason = finish_of(self._provider, candidate.finish_reason, calls=self._calls[index] > 0)
            chunks.append(delta(self._head, index, {}, reason, native_finish_reason=candidate.finish_reason))
            self._unfinished -= 1
        return chunks
