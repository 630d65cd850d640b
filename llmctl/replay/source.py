"""Recorded traffic, whatever wrote it down: what was asked and when, and what came of it as far as that is known."""

from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct, field

from llmctl.gateway.asking import Call
from llmctl.model.usage import NO_USAGE, UNPRICED, Cost, Usage
from llmctl.scoring.base import ToolCalled


class Before(Struct, frozen=True):
    """What was answered then. `text` is None where nobody wrote it down."""

    text: str | None = None
    tool_calls: tuple[ToolCalled, ...] = ()
    seconds: float | None = None
    ttft: float | None = None
    usage: Usage = NO_USAGE
    cost: Cost = UNPRICED
    model: str = ""
    error: str = ""


class Entry(Struct, frozen=True):
    """A request of then. `at` is seconds since the first; `call` None where it cannot be asked again (`why_not`).

    `session` are requests that belong together: they are sampled together.
    """

    id: str
    at: float
    session: str
    call: Call | None = None
    why_not: str = ""
    before: Before = field(default_factory=Before)


class Source(Protocol):
    """Reads a kind of file or folder, in the order of time."""

    def __call__(self, path: Path, model: str | None) -> Iterator[Entry]:
        """`model` is whom to ask where the traffic does not name one. Raises UsageError, `file:line: what`."""
        ...


def session_of(messages: list[Any], tenant: str = "") -> str:
    """Requests of one conversation begin alike: the first user's message and what stands before it."""
    begun = blake2b(tenant.encode(), digest_size=8)
    for message in messages:
        begun.update(repr(message).encode("utf-8", "replace"))
        if isinstance(message, dict) and message.get("role") == "user":
            break
    return begun.hexdigest()


def chosen(session: str, share: float, seed: int) -> bool:
    """Whether a session is in a sample of that share. A smaller share of the same seed is within a larger one."""
    drawn = int.from_bytes(blake2b(f"{seed}/{session}".encode(), digest_size=8).digest())
    return drawn < share * 2**64
