"""What a provider is: a translator, without I/O, between the inner dialect and one kind of upstream.

To add one: a new file with an `Options` model and a class with the methods of `Provider`, and a line in
`providers/__init__.py`. tests/providers/test_contract.py then checks it.
"""

from typing import ClassVar, Protocol

from msgspec import Struct
from pydantic import BaseModel, ConfigDict

from llmctl.errors import UpstreamError, UpstreamStatus
from llmctl.model.chat import Answer, Chunk, Operation
from llmctl.model.json import JsonObject
from llmctl.net.transport import Request, Transport


class ProviderOptions(BaseModel):
    """Base of every provider's options. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Call(Struct, frozen=True, gc=False):
    """One attempt's input. `raw` is the client's own bytes where they still encode `payload` with this `model`.

    `headers` are complete lines for this call alone (trace context, request id). `created`, epoch seconds, is for
    answers of providers that do not say when. `foreign` payloads were translated from another dialect, whose own
    fields they may still carry; a client that speaks the inner dialect means every field it sends.
    """

    operation: Operation
    payload: JsonObject
    model: str
    stream: bool
    deadline: float
    raw: bytes | None = None
    headers: bytes = b""
    created: int = 0
    foreign: bool = False


class StreamDecoder(Protocol):
    """Reads one answer's stream. `done` is true once the provider has said that the answer is complete.

    `ended` is true once nothing more is to come, token counts included.
    `failure` is what went wrong behind the chunks that `feed` last returned; nothing follows it.
    """

    done: bool
    failure: UpstreamError | None

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come."""
        ...

    def feed(self, data: bytes) -> list[Chunk]:
        """Chunks completed by `data`. Raises UpstreamError on garbage or an error event."""
        ...


class Provider(Protocol):
    """A configured upstream. Everything that can fail is done in `__init__` and `start`."""

    Options: ClassVar[type[ProviderOptions]]
    name: str

    def request(self, call: Call) -> Request:
        """The HTTP request for a call. Raises UpstreamUnsupported."""
        ...

    def answer(self, call: Call, body: bytes) -> Answer:
        """The complete answer in a 200's body. Raises UpstreamProtocolError."""
        ...

    def decoder(self, call: Call) -> StreamDecoder:
        """A fresh decoder for a 200's stream."""
        ...

    def error(self, status: int, headers: dict[bytes, bytes], body: bytes) -> UpstreamStatus:
        """What an error answer means. Of a refusal of our credentials nothing is quoted."""
        ...

    def probe(self, deadline: float) -> Request | None:
        """A request that costs nothing and shows whether anybody is there, or None where there is none."""
        ...

    @property
    def transport(self) -> Transport | None:
        """A transport of its own (the scripted provider has one), or None for the gateway's pool."""
        ...

    async def start(self) -> None:
        """Start what it needs (a child process). Called once before the gateway goes live."""
        ...

    async def close(self) -> None:
        """Stop what `start` started."""
        ...

    def unready(self) -> str | None:
        """Why it cannot answer now, or None."""
        ...
