"""Real servers that stand in for providers: OpenAI's API from a script, Anthropic's and Gemini's from a table."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from llmctl.model.json import encode
from llmctl.net.sse import frame
from llmctl.testing.scripted import ScriptedServer, ServerScript
from tests.providers.test_anthropic_stream import FINAL, USAGE, events
from tests.providers.test_gemini_stream import reply

Json = dict[str, Any]

TEXT = "The gateway answers: 42 — naïve, “quoted”\nand done."
CALLS = [{"arguments": {"city": "Oslo", "unit": "°C"}}, {"arguments": {"city": "Rome"}}]


def failing(kind: str, **options: Any) -> Json:
    """One fault. One within the answer comes after pieces that went out one by one, so that they have arrived."""
    rate = 50 if "after_chunks" in options else 0
    return {"text": TEXT, "token_rate": rate, "faults": [{"kind": kind, **options}]}


def refusing(status: int, **error: Any) -> Json:
    detail = {"message": f"upstream says {status}", "type": "its_type", "param": None, "code": None, **error}
    return failing("error", status=status, body={"error": detail})


# By the model's name, which is also the gateway's.
SCRIPTS: dict[str, Json] = {
    "echo": {"echo": True},
    "tools": {"text": "It is 21 degrees.", "tool_calls": CALLS},
    "slow": {"text": TEXT, "token_rate": 4},
    "no-usage": failing("no_usage"),
    "e400": refusing(400, param="temperature", code="unsupported_value"),
    "e401": refusing(401, message="Incorrect API key provided: sk-up***"),
    "e403": refusing(403),
    "e404": refusing(404, code="model_not_found"),
    "e413": refusing(413),
    "e422": refusing(422, param="messages"),
    "e429": failing("rate_limit", retry_after=7),
    "e500": refusing(500),
    "e503": refusing(503),
    "e529": refusing(529),
    "once-a": failing("rate_limit", retry_after=1, times=1),
    "once-b": failing("rate_limit", retry_after=1, times=1),
    "hang": failing("hang"),
    "reset": failing("reset"),
    "garbage": failing("garbage"),
    "cut": failing("cut", after_chunks=3),
    "unfinished": failing("unfinished", after_chunks=3),
    "reset-midway": failing("reset", after_chunks=3),
    "malformed": failing("malformed_chunk", after_chunks=3),
    "hang-midway": failing("hang", after_chunks=3),
    "event": failing("error", after_chunks=3),
}
MIDWAY = ("cut", "unfinished", "reset-midway", "malformed", "hang-midway", "event")


class Scripted:
    """A `ScriptedServer` in a thread with a loop of its own. `requests` are what came."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        script = ServerScript.model_validate({"text": TEXT, "scripts": SCRIPTS})
        self.server = ScriptedServer(script, keep=10_000)

    def request(self, number: int = -1) -> Any:
        """A request's decoded body; the last one's by default."""
        return self.server.requests[number].json

    def headers(self, number: int = -1) -> dict[str, str]:
        """A request's headers."""
        return {name.decode(): value.decode() for name, value in self.server.requests[number].headers.items()}


@contextmanager
def scripted() -> Iterator[Scripted]:
    found = Scripted()
    thread = threading.Thread(target=found.loop.run_forever, daemon=True)
    thread.start()
    asyncio.run_coroutine_threadsafe(found.server.start(), found.loop).result(10)
    try:
        yield found
    finally:
        asyncio.run_coroutine_threadsafe(found.server.close(), found.loop).result(10)
        found.loop.call_soon_threadsafe(found.loop.stop)
        thread.join(10)
        found.loop.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.requests: list[Json] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append({"path": self.path, "headers": headers, "body": body})
        status, kind, answer = messages(body) if self.path == "/v1/messages" else gemini(self.path)
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(answer)))
        if status == 429:
            self.send_header("retry-after", "7")
        self.end_headers()
        middle = len(answer) // 2  # two writes, so that a stream's first half has gone out before its end
        self.wfile.write(answer[:middle])
        time.sleep(0.03)
        self.wfile.write(answer[middle:])

    def log_message(self, *_: object) -> None:
        """Nothing."""


Reply = tuple[int, str, bytes]
THOUGHT = {"type": "thinking", "thinking": "Let me see.", "signature": "c2ln"}
USED = {"type": "tool_use", "id": "toolu_1", "name": "weather", "input": {"city": "Oslo", "unit": "°C"}}


def messages(body: Json) -> Reply:
    """What Anthropic's API would answer: the model's name says how it goes."""
    model = body["model"]
    if model.startswith("claude-e"):
        status = int(model.removeprefix("claude-e"))
        error = {"type": "some_error", "message": f"anthropic says {status}"}
        return status, "application/json", encode({"type": "error", "error": error, "request_id": "req_x"})
    last = body["messages"][-1]["content"]
    blocks: list[Json] = [{"type": "text", "text": TEXT}]
    reason = "end_turn"
    if model == "claude-thinks":
        blocks.insert(0, THOUGHT)
    answered = isinstance(last, list) and any(block["type"] == "tool_result" for block in last)
    if body.get("tools") and not answered:
        blocks, reason = [*blocks, USED], "tool_use"
    if not body.get("stream"):
        head = {"id": "m1", "type": "message", "role": "assistant", "model": "c-1"}
        rest = {"content": blocks, "stop_reason": reason, "stop_sequence": None, "usage": {**USAGE, **FINAL}}
        return 200, "application/json", encode({**head, **rest})
    stream = events(blocks, reason)
    if model == "claude-overloads":
        error = {"type": "overloaded_error", "message": "Overloaded"}
        stream = stream[: len(stream) * 2 // 3].rpartition(b"event:")[0]
        stream += frame(encode({"type": "error", "error": error}), "error")
    return 200, "text/event-stream; charset=utf-8", stream


def gemini(path: str) -> Reply:
    """What Gemini's API would answer."""
    if "streamGenerateContent" not in path:
        return 200, "application/json", encode(reply([{"text": TEXT}], "STOP"))
    parts = [TEXT[at : at + 7] for at in range(0, len(TEXT), 7)]
    replies = [reply([{"text": part}]) for part in parts] + [reply([], "STOP")]
    return 200, "text/event-stream", b"".join(frame(encode(item)) for item in replies)


class Fake:
    """A running fake. `requests` have `path`, `headers` and `body`."""

    def __init__(self, server: _Server) -> None:
        self.url = f"http://127.0.0.1:{server.server_address[1]}"
        self.requests = server.requests


@contextmanager
def fake() -> Iterator[Fake]:
    with _Server() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield Fake(server)
        finally:
            server.shutdown()
            thread.join(10)
