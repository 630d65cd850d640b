"""An imitated provider with OpenAI's `/files` and `/batches`, on a loopback port, that goes wrong as told."""

import asyncio
import json
from collections import Counter, deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from llmctl.model.json import JsonObject, encode
from llmctl.providers.script_engine import JSON, Action, Head, Reset, Send, refuse
from llmctl.testing.scripted_connection import Connection, Received

USAGE = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
Fate = Callable[[JsonObject], tuple[int, JsonObject] | None]


def answer(line: JsonObject) -> tuple[int, JsonObject]:
    """What a request of a batch is answered: what its user said."""
    said = line["body"]["messages"][-1]["content"]
    choice = {"index": 0, "message": {"role": "assistant", "content": f"re: {said}"}, "finish_reason": "stop"}
    return 200, {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice], "usage": USAGE}


class BatchProvider:
    """`polls` are looks until a batch ends, as `ends`; `fate` answers a line, or None for no result at all.

    `faults` are played, by step (upload, create, list, look, content, cancel), before all else: a status is answered
    and nothing done, `lost` does it and breaks the connection. `paid` counts answers by what they were asked.
    """

    def __init__(self, *, polls: int = 1, ends: str = "completed", fate: Fate = answer) -> None:
        self.polls, self.ends, self.fate = polls, ends, fate
        self.faults: dict[str, deque[int | str]] = {}
        self.errors: list[JsonObject] = []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, JsonObject] = {}
        self.paid: Counter[str] = Counter()
        self.steps: list[str] = []
        self.direct: list[JsonObject] = []
        self.before: Callable[[str], None] = lambda step: None
        self._looks: Counter[str] = Counter()
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: Connection(self.plan, self._connections), "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        for connection in tuple(self._connections):
            connection.abort()
        await asyncio.sleep(0)

    @property
    def base_url(self) -> str:
        """What a provider's `base_url` is to be."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"

    def plan(self, received: Received) -> list[Action]:
        """The answer to a request."""
        path, _, _ = received.target.decode("ascii").partition("?")
        parts = path.removeprefix("/v1/").split("/")
        if parts[0] == "models":
            return _json({"object": "list", "data": []})
        if parts[0] not in ("files", "batches"):
            self.direct.append(received.json)
            return _json(answer({"body": received.json})[1])
        step = self._step(received.method, parts)
        self.steps.append(step)
        self.before(step)
        fault = faults.popleft() if (faults := self.faults.get(step)) else None
        if isinstance(fault, int):
            return refuse(fault, f"{step} was told to fail")
        done = self._do(step, parts, received)
        return [Reset()] if fault == "lost" else done

    @staticmethod
    def _step(method: bytes, parts: list[str]) -> str:
        if len(parts) == 1:
            return "upload" if parts[0] == "files" else "create" if method == b"POST" else "list"
        return {"content": "content", "cancel": "cancel"}.get(parts[-1], "look")

    def _do(self, step: str, parts: list[str], received: Received) -> list[Action]:
        if step == "upload":
            ident = f"file-{len(self.files)}"
            self.files[ident] = _uploaded(received)
            return _json({"id": ident, "object": "file", "purpose": "batch"})
        if step == "create":
            ident = f"batch-{len(self.batches)}"
            self.batches[ident] = {"id": ident, "object": "batch", "status": "in_progress", **received.json}
            return _json(self.batches[ident])
        if step == "list":
            return _json({"object": "list", "data": list(self.batches.values()), "has_more": False})
        if step == "content":
            data = self.files.get(parts[1])
            return refuse(404, "no such file") if data is None else [Head(200, JSON, len(data)), Send(data)]
        if (batch := self.batches.get(parts[1])) is None:
            return refuse(404, "no such batch")
        if step == "cancel":
            batch["status"] = "cancelled"
        else:
            self._looks[batch["id"]] += 1
            if batch["status"] == "in_progress" and self._looks[batch["id"]] >= self.polls:
                self._end(batch)
        return _json(batch)

    def _end(self, batch: JsonObject) -> None:
        batch["status"] = self.ends
        if self.ends == "failed":
            batch["errors"] = {"object": "list", "data": self.errors}
            return
        good, bad = list[bytes](), list[bytes]()
        for line in map(json.loads, self.files[batch["input_file_id"]].splitlines()):
            if (said := self.fate(line)) is None:
                if self.ends == "expired":
                    error = {"code": "batch_expired", "message": "too late"}
                    bad.append(encode({"custom_id": line["custom_id"], "response": None, "error": error}))
                continue
            status, body = said
            response = {"status_code": status, "request_id": "r", "body": body}
            (good if status == 200 else bad).append(
                encode({"id": "x", "custom_id": line["custom_id"], "response": response, "error": None})
            )
            if status == 200:
                self.paid[line["body"]["messages"][-1]["content"]] += 1
        for name, found in (("output_file_id", good), ("error_file_id", bad)):
            batch[name] = f"{batch['id']}-{name}" if found else None
            if found:
                self.files[batch[name]] = b"\n".join(found)


def _uploaded(received: Received) -> bytes:
    """The file of a form. Raises ValueError where it is not one."""
    kind = received.headers[b"content-type"]
    between = b"--" + kind.partition(b"boundary=")[2]
    empty, purpose, file, end = received.body.split(between)
    if empty or end != b"--\r\n" or b'name="purpose"\r\n\r\nbatch\r\n' not in purpose:
        raise ValueError("the form is not as it has to be")
    return file.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")


def _json(body: Any) -> list[Action]:
    data = encode(body)
    return [Head(200, JSON, len(data)), Send(data)]
