"""What scripted upstreams answer: texts, tool calls and embeddings, in OpenAI's wire format.

A token is a word with the white space after it; usage counts are true in that measure.
"""

import base64
import re
import struct
from dataclasses import dataclass
from random import Random
from typing import Any, Literal
from zlib import crc32

from llmctl.model import chat
from llmctl.model.chat import ChatRequest, CompletionRequest, Content
from llmctl.model.json import JsonObject, encode
from llmctl.providers.script import Script

EPOCH = 1_767_225_600
_WORD = re.compile(r"\w+")
WORDS = tuple(
    _WORD.findall(
        "the gateway reads each request once and writes one record of what it did so that every later question "
        "about cost quality or blame has an answer which was measured rather than guessed while models change prices "
        "move and networks fail in all the usual ways a good policy keeps working because it was tested against those "
        "very failures "
        "before anyone depended on it"
    )
)
_LOOP = tuple(f"{word} " for word in WORDS) * 2
_TOKEN = re.compile(r"\S+\s*|\s+")
_WORD = re.compile(r"\w+")


class EmbeddingRequest(chat.EmbeddingRequest):
    """The request, with what decides the answer's form."""

    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None


@dataclass(slots=True)
class Draft:
    """An answer before it is put on the wire. Each choice is a list of tokens or, for all of them, tool calls."""

    kind: Literal["chat", "completion"]
    id: str
    created: int
    model: str
    choices: list[list[str]]
    finish: list[str]
    calls: list[JsonObject]
    prompt_tokens: int
    include_usage: bool
    with_usage: bool = True
    head: bytes = b""

    @property
    def length(self) -> int:
        """Tokens of the longest choice."""
        return max(map(len, self.choices))

    @property
    def usage(self) -> JsonObject:
        """Token counts, summed over the choices."""
        written = sum(map(len, self.choices))
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": written,
            "total_tokens": self.prompt_tokens + written,
        }

    def body(self) -> bytes:
        """The whole answer as one JSON object."""
        choices = [self._choice(index) for index in range(len(self.choices))]
        kind = "chat.completion" if self.kind == "chat" else "text_completion"
        answer: JsonObject = {
            "id": self.id,
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }
        if self.with_usage:
            answer["usage"] = self.usage
        return encode(answer)

    def _choice(self, index: int) -> JsonObject:
        text, finish = "".join(self.choices[index]), self.finish[index]
        if self.kind == "completion":
            return {"index": index, "text": text, "logprobs": None, "finish_reason": finish}
        message: JsonObject = {"role": "assistant", "content": text, "refusal": None}
        if self.calls:
            message |= {"content": None, "tool_calls": self.calls}
        return {"index": index, "message": message, "logprobs": None, "finish_reason": finish}

    def steps(self) -> list[bytes]:
        """The answer as events: first the roles, then one step per token, last the ends, usage and `[DONE]`."""
        self.head = self._head()
        deltas = [self._deltas(tokens) for tokens in self.choices]
        steps = [self._roles()]
        for position in range(max(map(len, deltas))):
            events = (self._event(i, own[position]) for i, own in enumerate(deltas) if position < len(own))
            steps.append(b"".join(events))
        steps.append(self._end())
        return steps

    def _head(self) -> bytes:
        kind = b"chat.completion.chunk" if self.kind == "chat" else b"text_completion"
        form = b'data: {"id":"%b","object":"%b","created":%d,"model":%b,"choices":['
        return form % (self.id.encode(), kind, self.created, encode(self.model))

    def _roles(self) -> bytes:
        if self.kind == "completion":
            return b""
        role = b'"delta":{"role":"assistant","content":null}' if self.calls else _ROLE
        return b"".join(self._event(index, role) for index in range(len(self.choices)))

    def _deltas(self, tokens: list[str]) -> list[bytes]:
        if self.kind == "completion":
            return [b'"text":%b' % encode(token) for token in tokens]
        if not self.calls:
            return [b'"delta":{"content":%b}' % encode(token) for token in tokens]
        deltas = []
        for index, call in enumerate(self.calls):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            pieces = [{**call, "function": {"name": name, "arguments": ""}}]
            pieces += ({"function": {"arguments": arguments[at : at + 12]}} for at in range(0, len(arguments), 12))
            deltas += [b'"delta":{"tool_calls":[%b]}' % encode({"index": index, **piece}) for piece in pieces]
        return deltas

    def _end(self) -> bytes:
        empty = b'"text":""' if self.kind == "completion" else b'"delta":{}'
        ends = [self._event(index, empty, b'"%b"' % finish.encode()) for index, finish in enumerate(self.finish)]
        if self.with_usage and self.include_usage:
            ends.append(b'%b],"usage":%b}\n\n' % (self.head, encode(self.usage)))
        return b"".join(ends) + b"data: [DONE]\n\n"

    def _event(self, index: int, content: bytes, finish: bytes = b"null") -> bytes:
        form = b'%b{"index":%d,%b,"logprobs":null,"finish_reason":%b}]%b}\n\n'
        return form % (self.head, index, content, finish, b',"usage":null' if self.include_usage else b"")


_ROLE = b'"delta":{"role":"assistant","content":""}'


def draft_answer(request: ChatRequest | CompletionRequest, script: Script, random: Random, index: int) -> Draft:
    """What the script answers to the request numbered `index`."""
    calls: list[JsonObject] = []
    limit = request.max_tokens
    if isinstance(request, ChatRequest):
        prompt = " ".join(_text(message.content) for message in request.messages)
        user = next((_text(m.content) for m in reversed(request.messages) if m.role == "user"), prompt)
        limit = request.max_completion_tokens or limit
        calls = _calls(request, script, index)
    else:
        prompt = user = request.prompt if isinstance(request.prompt, str) else " ".join(map(str, request.prompt))
    choices: list[list[str]] = []
    finish: list[str] = []
    for _ in range(request.n or 1):
        if calls:
            choices.append([token for call in calls for token in _TOKEN.findall(call["function"]["arguments"])])
            finish.append("tool_calls")
            continue
        tokens = _answer(script, user, random, index)
        if isinstance(request, ChatRequest) and request.stop:
            tokens = _stopped(tokens, request.stop)
        cut = limit is not None and len(tokens) > limit
        choices.append(tokens[:limit] if cut else tokens)
        finish.append("length" if cut else "stop")
    chatting = isinstance(request, ChatRequest)
    return Draft(
        kind="chat" if chatting else "completion",
        id=f"{'chatcmpl' if chatting else 'cmpl'}-scripted{script.seed:x}-{index:x}",
        created=EPOCH + index,
        model=request.model,
        choices=choices,
        finish=finish,
        calls=calls,
        prompt_tokens=len(prompt.split()),
        include_usage=bool(request.stream_options and request.stream_options.include_usage),
    )


def _answer(script: Script, user: str, random: Random, index: int) -> list[str]:
    if script.echo:
        return _TOKEN.findall(user)
    if script.text is not None:
        return _TOKEN.findall(script.text if isinstance(script.text, str) else script.text[index % len(script.text)])
    count = max(1, round(script.tokens.sample(random)))
    start = int(random.random() * len(WORDS))
    tokens = list(_LOOP[start : start + count])
    while len(tokens) < count:
        tokens += _LOOP[: count - len(tokens)]
    tokens[-1] = tokens[-1].rstrip()
    return tokens


def _stopped(tokens: list[str], stop: str | list[str]) -> list[str]:
    text = "".join(tokens)
    found = [text.find(end) for end in ([stop] if isinstance(stop, str) else stop) if end]
    at = min((place for place in found if place >= 0), default=-1)
    return tokens if at < 0 else _TOKEN.findall(text[:at])


def _calls(request: ChatRequest, script: Script, index: int) -> list[JsonObject]:
    if not script.tool_calls or not request.tools or request.tool_choice == "none":
        return []
    if request.messages[-1].role == "tool":
        return []
    first = request.tools[0].get("function") or {}
    return [
        {
            "id": f"call_{index:x}_{position:x}",
            "type": "function",
            "function": {"name": call.name or first.get("name"), "arguments": encode(call.arguments).decode()},
        }
        for position, call in enumerate(script.tool_calls)
    ]


def _text(content: Content) -> str:
    if isinstance(content, str):
        return content
    parts: list[Any] = content or []
    return " ".join(part["text"] for part in parts if isinstance(part.get("text"), str))


def embeddings(request: EmbeddingRequest, script: Script, *, with_usage: bool) -> bytes:
    """Unit vectors of hashed words, so that texts sharing words are near each other."""
    given_input: Any = request.input
    inputs: list[Any] = given_input if _many(given_input) else [given_input]
    size = request.dimensions or script.embedding_dim
    data = []
    for index, given in enumerate(inputs):
        vector = _vector(given if isinstance(given, str) else " ".join(map(str, given)), size)
        form: Any = vector
        if request.encoding_format == "base64":
            form = base64.b64encode(struct.pack(f"<{size}f", *vector)).decode()
        data.append({"object": "embedding", "index": index, "embedding": form})
    answer: JsonObject = {"object": "list", "data": data, "model": request.model}
    if with_usage:
        count = sum(len(given.split()) if isinstance(given, str) else len(given) for given in inputs)
        answer["usage"] = {"prompt_tokens": count, "total_tokens": count}
    return encode(answer)


def _many(given: str | list[Any]) -> bool:
    """Whether these are several inputs; a list of integers is one input's token ids."""
    return not isinstance(given, str) and not isinstance(given[0], int)


def _vector(text: str, size: int) -> list[float]:
    vector = [0.0] * size
    for word in _WORD.findall(text.lower()) or [text]:
        # Three places per word keep collisions from making unrelated texts alike.
        for salt in (1, 2, 3):
            code = crc32(word.encode(), salt)
            vector[code % size] += 1.0 if code & 0x8000_0000 else -1.0
    norm = sum(value * value for value in vector) ** 0.5
    if not norm:
        vector[0] = norm = 1.0
    return [value / norm for value in vector]
