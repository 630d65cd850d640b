"""An imitated service for guards that ask: judge models, a moderation endpoint and Presidio, on a loopback port.

    async with JudgeServer() as server:
        Judge(JudgeOptions(base_url=server.base_url, model="any"), pool)

Texts that hold a word of `bad` are bad. What it answers can be replaced as a whole: `server.answer = (200, b"...")`.
"""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

import msgspec

from llmctl.model.json import encode

Answer = tuple[int, bytes]


class Asked(msgspec.Struct):
    """A request that came."""

    target: str
    headers: dict[str, str]
    json: Any


class JudgeServer:
    """The server. `requests` are all that came; `delay` seconds pass before each answer.

    `style` is whose answers the chat endpoint gives: llama_guard, shieldgemma or custom. `certainty` is the
    probability that its logprobs give to what it says; None leaves them out. `drop_idle` closes each connection after
    its answer without saying so, as impatient load balancers do.
    """

    def __init__(self, *, bad: tuple[str, ...] = ("bomb",), style: str = "llama_guard") -> None:
        self.bad = bad
        self.style = style
        self.certainty: float | None = 0.9
        self.codes = "S9"
        self.answer: Answer | Callable[[Asked], Answer] | None = None
        self.delay = 0.0
        self.drop_idle = False
        self.requests: list[Asked] = []
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    @property
    def url(self) -> str:
        """`http://host:port`, which is what Presidio's clients take."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()
        return f"http://{host}:{port}"

    @property
    def base_url(self) -> str:
        """What OpenAI's clients take."""
        return f"{self.url}/v1"

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            while asked := await _request(reader):
                self.requests.append(asked)
                status, body = self._respond(asked)
                await asyncio.sleep(self.delay)
                writer.write(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\n" % status)
                writer.write(b"content-length: %d\r\n\r\n%b" % (len(body), body))
                await writer.drain()
                if self.drop_idle:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close() if self.drop_idle else writer.transport.abort()
            self._open.discard(task)

    def _respond(self, asked: Asked) -> Answer:
        if self.answer is not None:
            return self.answer(asked) if callable(self.answer) else self.answer
        if asked.target == "/v1/chat/completions":
            return 200, encode(self.completion(asked.json))
        if asked.target == "/v1/moderations":
            return 200, encode(self.moderation(asked.json))
        if asked.target == "/analyze":
            return 200, encode(self.analysis(asked.json))
        return 404, b'{"error": {"message": "no such path"}}'

    def is_bad(self, text: str) -> bool:
        """Whether `text` holds a bad word."""
        return any(word in text for word in self.bad)

    def completion(self, payload: dict[str, Any]) -> dict[str, Any]:
        """A chat completion in the judge's style, about the last message, as the models' own templates see it."""
        bad = self.is_bad(payload["messages"][-1]["content"])
        if self.style == "custom":
            found = {"violation": bad, "score": 0.95 if bad else 0.02, "category": "violation" if bad else ""}
            return completion(encode(found).decode())
        words = ("unsafe", "safe") if self.style == "llama_guard" else ("Yes", "No")
        said = words[0] if bad else words[1]
        content = f"\n\nunsafe\n{self.codes}" if said == "unsafe" else said
        if not payload.get("logprobs") or self.certainty is None:
            return completion(content)
        other = words[1] if bad else words[0]
        return completion(content, {said: self.certainty, other: 1 - self.certainty})

    def moderation(self, payload: dict[str, Any]) -> dict[str, Any]:
        """A moderation result with two categories."""
        bad = self.is_bad(payload["input"])
        flags = {"violence": bad, "harassment/threatening": False}
        scores = {"violence": 0.8 if bad else 0.01, "harassment/threatening": 0.4 if bad else 0.001}
        result = {"flagged": bad, "categories": flags, "category_scores": scores}
        return {"id": "modr-1", "model": payload.get("model", "omni-moderation-latest"), "results": [result]}

    def analysis(self, payload: dict[str, Any]) -> list[dict[str, Any]]:
        """Every bad word as a person, as Presidio's analyzer answers; positions are in characters."""
        text, found = payload["text"], []
        for word in self.bad:
            at = text.find(word)
            while at >= 0:
                hit = {"entity_type": "PERSON", "start": at, "end": at + len(word), "score": 0.85}
                found.append({**hit, "analysis_explanation": None})
                at = text.find(word, at + 1)
        return found


def completion(content: Any, first: dict[str, float] | None = None) -> dict[str, Any]:
    """A chat completion; `first` are the probabilities of its first token that is not blank."""
    logprobs: dict[str, Any] | None = None
    if first is not None:
        top = [{"token": token, "logprob": math.log(p) if p else -9999.0, "bytes": None} for token, p in first.items()]
        blank = {"token": "\n\n", "logprob": 0.0, "bytes": None, "top_logprobs": []}
        logprobs = {"content": [blank, {**top[0], "top_logprobs": top}]}
    message = {"role": "assistant", "content": content}
    choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": "stop"}
    return {"id": "c-1", "object": "chat.completion", "created": 1, "model": "judge", "choices": [choice]}


async def _request(reader: asyncio.StreamReader) -> Asked | None:
    with suppress(asyncio.IncompleteReadError):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.rstrip().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        body = await reader.readexactly(int(headers["content-length"]))
        return Asked(first.split(" ")[1], headers, msgspec.json.decode(body))
    return None
