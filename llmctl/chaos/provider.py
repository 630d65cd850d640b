"""An imitated provider of a drill: it echoes what it is asked, signs for whom, keeps books, and fails as it is told."""

from collections.abc import Sequence
from dataclasses import dataclass

from llmctl.model.json import decode, encode
from llmctl.providers.script import Fault, Script
from llmctl.providers.script_engine import Action, Engine, Head
from llmctl.testing.scripted import ScriptedServer
from llmctl.testing.scripted_connection import Received

CONTINUES = 3
"""Messages from which on a request may be one to continue an answer: question, beginning, instruction."""
UNNOTICED = frozenset({"slow_first", "drip", "no_usage", "wrong_model", "cut", "malformed_chunk", "unfinished"})
"""Faults that a health check would not notice."""
_PROBE = encode({"model": "m", "messages": [{"role": "user", "content": "?"}]})


@dataclass(slots=True)
class Call:
    """A call that came: for which request, and how its answer went."""

    provider: str
    request: str
    received: Received
    refused: bool

    @property
    def answered(self) -> bool:
        """Whether a whole answer was made and sent."""
        return not self.refused and self.received.outcome == "answered"


class Provider(ScriptedServer):
    """One provider. `calls` is every POST that came.

    An answer is the question and, in brackets, the id of the request it was made for: so the client sees whose answer
    it got, also where it came from a cache.
    """

    def __init__(self, name: str, script: Script) -> None:
        super().__init__(_echoing(script), keep=1)
        self.name = name
        self.script = _echoing(script)
        self.calls: list[Call] = []

    def plan(self, received: Received) -> list[Action]:
        """The answer to a request."""
        if received.method != b"POST":
            if any(fault.kind not in UNNOTICED and fault.probability >= 1 for fault in self.script.faults):
                return self._engine.plan(b"/v1/chat/completions", _PROBE)
            return super().plan(received)
        request = received.headers.get(b"x-request-id", b"").decode("latin-1")
        received.body = signed(received.body, request)
        actions = super().plan(received)
        received.body = b""  # the books of a long drill stay small
        refused = any(isinstance(action, Head) and action.status != 200 for action in actions)
        self.calls.append(Call(self.name, request, received, refused))
        return actions

    def behave(self, script: Script) -> None:
        """So from now on."""
        self.script = _echoing(script)
        self._engine = Engine(self.script)

    def suffer(self, faults: Sequence[Fault]) -> None:
        """The same script with other faults."""
        self.behave(self.script.model_copy(update={"faults": list(faults)}))


def _echoing(script: Script) -> Script:
    return script.model_copy(update={"echo": True, "text": None})


def signed(body: bytes, request: str) -> bytes:
    """A request whose echo is the question and for which request it was asked; of an answer begun, the rest of that."""
    payload = decode(body)
    messages = payload.get("messages") if isinstance(payload, dict) else None
    if not messages:
        return body
    said = ""
    question = messages[-1]
    if len(messages) >= CONTINUES and messages[-2].get("role") == "assistant":
        question, said = messages[-3], messages[-2].get("content") or ""
    whole = f"{question.get('content')} [{request}]"
    rest = whole[len(said) :] if whole.startswith(said) else "<what was said is not the beginning of it>"
    return encode({**payload, "messages": [{"role": "user", "content": rest}]})
