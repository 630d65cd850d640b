"""An imitated Slack incoming webhook on a loopback port."""

from collections import deque

import msgspec

from llmctl.model.json import JsonObject
from llmctl.providers.script_engine import Action, Hang, Head, Send
from llmctl.testing.listener import Listener
from llmctl.testing.scripted_connection import Received

PATH = "/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX"


class FakeSlack(Listener):
    """`messages` are those that were taken. `faults` are played first: a status and its text, or `hang`."""

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(port=port)
        self.messages: list[JsonObject] = []
        self.faults: deque[tuple[int, str] | str] = deque()

    @property
    def webhook(self) -> str:
        """Its URL, which is the secret."""
        return self.url + PATH

    def plan(self, received: Received) -> list[Action]:
        """The answer to a request, as Slack words it."""
        fault = self.faults.popleft() if self.faults else None
        if fault == "hang":
            return [Hang()]
        if isinstance(fault, tuple):
            return _text(*fault)
        if received.target.decode("latin-1") != PATH:
            return _text(404, "no_service")
        try:
            message = msgspec.json.decode(received.body)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return _text(400, "invalid_payload")
        if not isinstance(message, dict) or not (message.get("text") or message.get("attachments")):
            return _text(400, "no_text")
        self.messages.append(message)
        return _text(200, "ok")


def _text(status: int, text: str) -> list[Action]:
    data = text.encode()
    return [Head(status, {b"content-type": b"text/plain"}, len(data)), Send(data)]
