"""Providers to fail on purpose: imitated servers that echo, whose faults are changed while they run.

`drill_upstream.py PORT...` serves one on each port. `POST /drill` with a script's fields changes how one behaves from
now on, `GET /drill` says what it has been asked so far. One that is asked to continue an answer says the rest of it,
as a model would. Where every call fails in a way that a health check would notice, `GET /v1/models` fails too.
"""

import asyncio
import json
import sys
from pathlib import Path

import uvloop

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))

from llmctl.gateway.resumed import CONTINUE
from llmctl.model.json import decode, encode
from llmctl.providers.script import Script
from llmctl.providers.script_engine import JSON, Action, Engine, Head, Send
from llmctl.testing.scripted import ScriptedServer
from llmctl.testing.scripted_connection import Received

CONTROL = b"/drill"
NOTICED = ("hang", "error", "garbage", "reset")
_PROBE = encode({"model": "m", "messages": [{"role": "user", "content": "?"}]})


class DrillServer(ScriptedServer):
    """One provider. `asked` is every POST that came, and whether it was answered or refused."""

    def __init__(self, script: Script, port: int = 0) -> None:
        super().__init__(script, port=port, keep=1)
        self.asked: list[tuple[Received, bool]] = []

    def plan(self, received: Received) -> list[Action]:
        """The answer to a request, or to the drill itself."""
        if received.target == CONTROL:
            return self._control(received)
        if received.method == b"POST":
            received.body = _continued(received.body)
            actions = super().plan(received)
            refused = any(isinstance(action, Head) and action.status != 200 for action in actions)
            self.asked.append((received, refused))
            return actions
        return self._engine.plan(b"/v1/chat/completions", _PROBE) if self._dead() else super().plan(received)

    def behave(self, script: Script) -> None:
        """Do so from now on."""
        self._engine = Engine(script)

    def _dead(self) -> bool:
        faults = self._engine.script.faults
        return any(f.kind in NOTICED and f.probability >= 1 and f.after_chunks is None for f in faults)

    def _control(self, received: Received) -> list[Action]:
        if received.method == b"POST":
            self.behave(Script.model_validate(received.json))
            body = b"{}"
        else:
            body = encode([[_id(one), "refused" if refused else one.outcome] for one, refused in self.asked])
        return [Head(200, JSON, len(body)), Send(body)]


def _id(received: Received) -> str:
    return received.headers.get(b"x-request-id", b"").decode()


def _continued(body: bytes) -> bytes:
    """Where an answer is to be continued: a request whose echo is the rest of it."""
    if CONTINUE.encode() not in body:
        return body
    payload = decode(body)
    messages = payload["messages"]
    whole, said = messages[-3]["content"], messages[-2]["content"]
    rest = whole[len(said) :] if whole.startswith(said) else "<what was said is not the beginning of it>"
    return encode({**payload, "messages": [{"role": "user", "content": rest}]})


async def serve(ports: list[int]) -> None:
    """Until killed."""
    servers = [DrillServer(Script(echo=True), port) for port in ports]
    for server in servers:
        await server.start()
    print(json.dumps([server.port for server in servers]), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve([int(port) for port in sys.argv[1:]]))
