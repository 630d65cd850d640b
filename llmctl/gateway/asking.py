"""Asking a gateway from code: what is asked, what came of it, and the two ways, in this process or over HTTP."""

from typing import Protocol

from msgspec import Struct, field

from llmctl.model.chat import AnswerBody, Operation, text_of
from llmctl.model.json import JsonObject
from llmctl.model.record import CacheKind, Record, State
from llmctl.model.usage import NO_USAGE, UNPRICED, Cost, Usage


class Call(Struct, frozen=True):
    """One request, in the OpenAI dialect: `payload` has `model`, and `stream` where it is to be streamed.

    `tags` end up in its record. `timeout` is in seconds. `key` and `tenant` say for whom it is asked in this process;
    over HTTP that is who the gateway's key belongs to.
    """

    payload: JsonObject
    operation: Operation = "chat"
    tags: dict[str, str] = field(default_factory=dict)
    timeout: float = 120.0
    key: str = ""
    tenant: str = ""


class Trouble(Struct, frozen=True):
    """An error as the client is told it. `retry_after` is in seconds."""

    status: int
    code: str
    message: str
    type: str = ""
    retry_after: float | None = None

    @property
    def passing(self) -> bool:
        """Whether asking again later may help."""
        return self.status in (408, 429, 502, 503, 504, 529)


class Reply(Struct, frozen=True):
    """What came of a call. `answer` is the whole answer, put together where it came as a stream; None on `trouble`.

    Times are in seconds from the call to the last byte (`seconds`) and to the first (`ttft`, streams only). `record`
    is there in this process only; `usage`, `cost` and `cache` over HTTP too, as far as the gateway says.
    """

    id: str
    state: State
    seconds: float
    answer: AnswerBody | None = None
    raw: bytes = b""
    trouble: Trouble | None = None
    ttft: float | None = None
    model: str = ""
    usage: Usage = NO_USAGE
    cost: Cost = UNPRICED
    cache: CacheKind | None = None
    record: Record | None = None

    @property
    def text(self) -> str:
        """What the first choice says; parts of content are joined. Empty where it says nothing."""
        if self.answer is None or not self.answer.choices:
            return ""
        choice = self.answer.choices[0]
        return text_of(choice.message.content if choice.message is not None else choice.text)


class Asker(Protocol):
    """Something that can be asked. For one event loop; `start` before, `close` after."""

    async def start(self) -> None:
        """Make ready. Raises LlmctlError where that cannot be."""
        ...

    async def ask(self, call: Call) -> Reply:
        """Never raises for what the other side does: that is the reply's `trouble`."""
        ...

    async def close(self) -> None:
        """Let go of what it holds."""
        ...
