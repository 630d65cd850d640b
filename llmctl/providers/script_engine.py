"""The engine behind scripted upstreams: from a script and a request to the answer, as actions for somebody to play.

Pure: no clock, no socket. `ScriptedTransport` plays the actions in memory, `ScriptedServer` on a socket.
"""

from dataclasses import dataclass
from random import Random

import msgspec

from llmctl.model.chat import ChatRequest, CompletionRequest, Operation
from llmctl.model.json import encode
from llmctl.providers.script import Fault, Script
from llmctl.providers.script_answers import Draft, EmbeddingRequest, draft_answer, embeddings


@dataclass(frozen=True, slots=True)
class Wait:
    """Let `seconds` pass."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Head:
    """Send status and headers. `length` is the content-length; None means chunked."""

    status: int
    headers: dict[bytes, bytes]
    length: int | None


@dataclass(frozen=True, slots=True)
class Send:
    """Send a piece of the body."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Raw:
    """Send bytes instead of HTTP, then close."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Close:
    """End the connection in order, though the body is not complete."""


@dataclass(frozen=True, slots=True)
class Reset:
    """Break the connection."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Do nothing more until the client gives up."""


Action = Wait | Head | Send | Raw | Close | Reset | Hang
JSON = {b"content-type": b"application/json"}
SSE = {b"content-type": b"text/event-stream; charset=utf-8", b"cache-control": b"no-cache"}
GARBAGE = b"SSH-2.0-OpenSSH_9.6\r\n\x00\xff\xfe not HTTP\r\n\r\n"
NOT_JSON = '{"id":"chatcmpl-x","choices":[{"delta":{"content":"bro'

_OPERATIONS: tuple[tuple[bytes, Operation], ...] = (
    (b"/chat/completions", "chat"),
    (b"/completions", "completion"),
    (b"/embeddings", "embedding"),
)
_DECODERS: dict[str, msgspec.json.Decoder[ChatRequest | CompletionRequest | EmbeddingRequest]] = {
    "chat": msgspec.json.Decoder(ChatRequest),
    "completion": msgspec.json.Decoder(CompletionRequest),
    "embedding": msgspec.json.Decoder(EmbeddingRequest),
}


class Engine:
    """Answers requests in order as a script says. Counts them; has no other state."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.served = 0
        self._random = Random()

    def plan(self, target: bytes, body: bytes) -> list[Action]:
        """The answer to a POST of `body` to `target`."""
        index = self.served
        self.served += 1
        # Seeded anew each time: what a request draws does not depend on how much the others drew.
        self._random.seed(self.script.seed * 1_000_003 + index)
        return plan(self.script, target, body, self._random, index)


def plan(script: Script, target: bytes, body: bytes, random: Random, index: int) -> list[Action]:
    """The answer to the request numbered `index`."""
    path = target.partition(b"?")[0]
    operation = next((operation for suffix, operation in _OPERATIONS if path.endswith(suffix)), None)
    if operation is None:
        return refuse(404, f"Invalid URL (POST {path.decode('latin-1')})")
    try:
        request = _DECODERS[operation].decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        return refuse(400, f"Invalid request: {error}")
    fault = _strike(script.faults, random, index)
    latency = script.latency.sample(random)
    if fault is not None:
        if fault.kind == "slow_first":
            latency += fault.delay
        elif (instead := _instead(fault)) is not None:
            return [Wait(latency), *instead]
    if isinstance(request, EmbeddingRequest):
        vectors = embeddings(request, script, with_usage=fault is None or fault.kind != "no_usage")
        return _dripped(_whole(vectors, latency, fault), fault)
    draft = draft_answer(request, script, random, index)
    if fault is not None and fault.kind == "wrong_model":
        draft.model = fault.model
    if fault is not None and fault.kind == "no_usage":
        draft.with_usage = False
    if request.stream:
        return _dripped(_streamed(draft, script, latency, fault), fault)
    generating = (draft.length - 1) / script.token_rate if script.token_rate else 0.0
    return _dripped(_whole(draft.body(), latency + max(generating, 0.0), fault), fault)


def refuse(status: int, message: str, *, retry_after: float | None = None, code: str | None = None) -> list[Action]:
    """An error answer as OpenAI gives them."""
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    body = encode({"error": {"message": message, "type": kind, "param": None, "code": code}})
    return _refusal(status, body, retry_after)


def _refusal(status: int, body: bytes, retry_after: float | None) -> list[Action]:
    headers = JSON if retry_after is None else {**JSON, b"retry-after": f"{retry_after:g}".encode()}
    return [Head(status, headers, len(body)), Send(body)]


def _strike(faults: list[Fault], random: Random, index: int) -> Fault | None:
    for fault in faults:
        if index < fault.skip or (fault.times is not None and index >= fault.skip + fault.times):
            continue
        if fault.probability >= 1 or random.random() < fault.probability:
            return fault
    return None


def _body(fault: Fault, default: bytes) -> bytes:
    if fault.body is None:
        return default
    return fault.body.encode() if isinstance(fault.body, str) else encode(fault.body)


def _instead(fault: Fault) -> list[Action] | None:
    """What comes in place of an answer, or None where the fault is within the answer."""
    if fault.after_chunks is not None:
        return None
    match fault.kind:
        case "error" | "rate_limit":
            limited = fault.kind == "rate_limit"
            status = fault.status or (429 if limited else 500)
            wait = 1.0 if limited and fault.retry_after is None else fault.retry_after
            message = "Rate limit reached; scripted" if limited else "The server had an error; scripted"
            if fault.body is not None:
                return _refusal(status, _body(fault, b""), wait)
            return refuse(status, message, retry_after=wait, code="rate_limit_exceeded" if limited else None)
        case "hang":
            return [Hang()]
        case "reset":
            return [Reset()]
        case "garbage":
            return [Raw(_body(fault, GARBAGE))]
    return None


def _break(fault: Fault) -> list[Action]:
    """How an answer goes wrong where it has begun."""
    match fault.kind:
        case "hang":
            return [Hang()]
        case "reset":
            return [Reset()]
        case "cut":
            return [Close()]
        case "malformed_chunk":
            return [Send(b"data: %b\n\n" % _body(fault, NOT_JSON.encode()))]
        case "error":
            default = {"error": {"message": "The server had an error; scripted", "type": "server_error", "code": None}}
            return [Send(b"data: %b\n\n" % _body(fault, encode(default)))]
    return []


_MIDWAY = frozenset({"hang", "reset", "cut", "malformed_chunk", "error", "unfinished"})


def _streamed(draft: Draft, script: Script, latency: float, fault: Fault | None) -> list[Action]:
    steps = draft.steps()
    actions: list[Action] = [Wait(latency), Head(200, SSE, None)]
    broken: list[Action] = []
    if fault is not None and fault.kind in _MIDWAY:
        # steps[0] carries the role and the last one the finish, so content is what stands between.
        kept = 1 if fault.after_chunks is None else fault.after_chunks
        steps = steps[: min(1 + kept, len(steps) - 1)]
        broken = _break(fault)
    if not script.token_rate:
        return [*actions, Send(b"".join(steps)), *broken]
    pause = Wait(1 / script.token_rate)
    actions.append(Send(b"".join(steps[:2])))
    for step in steps[2:]:
        actions += (pause, Send(step))
    return actions + broken


def _whole(body: bytes, latency: float, fault: Fault | None) -> list[Action]:
    if fault is not None and fault.kind == "malformed_chunk":
        body = _body(fault, body[: len(body) // 2])
    elif fault is not None and fault.kind in ("hang", "reset", "cut"):
        half = Send(body[: len(body) // 2])
        return [Wait(latency), Head(200, JSON, len(body)), half, *_break(fault)]
    elif fault is not None and fault.kind == "error":
        return [Wait(latency), *refuse(fault.status or 500, "The server had an error; scripted")]
    return [Wait(latency), Head(200, JSON, len(body)), Send(body)]


def _dripped(actions: list[Action], fault: Fault | None, size: int = 8) -> list[Action]:
    if fault is None or fault.kind != "drip":
        return actions
    slow: list[Action] = []
    for action in actions:
        if not isinstance(action, Send):
            slow.append(action)
            continue
        for start in range(0, len(action.data), size):
            slow += (Send(action.data[start : start + size]), Wait(fault.delay))
    return slow
