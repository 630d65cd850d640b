"""What a guard is: a judge of text. It decides nothing; the stage that asked acts on its verdict, as the policy says.

To add one: a new file with an `Options` model and a class with the methods of `Guard`, and a line in
`guards/__init__.py`. tests/guards/test_contract.py then checks it.
"""

import sys
from typing import ClassVar, Literal, NamedTuple, Protocol

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from llmctl.model.json import JsonObject

Outcome = Literal["allow", "redact", "block", "warn"]
Direction = Literal["input", "output"]
Source = Literal["system", "user", "assistant", "tool", "retrieved"]
Preset = Literal["strict", "balanced", "lenient"]


class Span(Struct, frozen=True, gc=False):
    """A part of the judged text, in characters; `category` says of what kind, `replacement` what would stand there."""

    start: int
    end: int
    category: str
    replacement: str | None = None


class Verdict(Struct, frozen=True, gc=False, omit_defaults=True):
    """What a guard thinks of a text.

    `score` is between 0 and 1, higher is worse, and comparable only within one guard. `reason` is for operators:
    it names the rule or feature, never quotes the text. `category` is the worst one found.
    """

    outcome: Outcome
    score: float = 0.0
    reason: str = ""
    category: str = ""
    spans: tuple[Span, ...] = ()


ALLOW = Verdict("allow")


class About(Struct, frozen=True, gc=False):
    """What is known about a text: where it comes from, and what the answer may rest on.

    `context` are the passages supplied with the request, as citations number them (tool and retrieved messages,
    `llmctl.context`); `system` is the system prompt; `question` is the last user message. `response_format` is the
    request's own. Of a stream that is judged piece by piece, `at` says where in the whole the text begins.
    """

    direction: Direction = "input"
    source: Source = "user"
    context: tuple[str, ...] = ()
    question: str = ""
    system: str = ""
    response_format: JsonObject | None = None
    at: int = 0


class Signs(NamedTuple):
    """What a guard of whole texts says nothing without: `judge` returns ALLOW where RE2 finds none of the patterns.

    That holds for texts of at most `upto` characters, and with `unless_told` only where there is no system prompt. A
    guard that has them as its `signs` is not asked about texts without: the gateway looks for those of all guards at
    once.
    """

    patterns: tuple[str, ...]
    upto: int = sys.maxsize
    unless_told: bool = False


class GuardOptions(BaseModel):
    """Base of every guard's options. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Preset = Field("balanced", description="How cautious: strict, balanced or lenient.")


class Guard(Protocol):
    """A configured guard. Everything that can fail is done in `__init__`; `judge` is pure and does no I/O.

    `lookbehind` is how many characters of a stream must be held back so that nothing is half-judged; None means
    that only the whole answer can be judged. `cost_us` is its declared cost for 1,000 characters, measured by
    bench/guards.py; what costs more than 5,000 runs off the event loop.
    """

    Options: ClassVar[type[GuardOptions]]
    directions: ClassVar[frozenset[Direction]]
    lookbehind: ClassVar[int | None]
    cost_us: ClassVar[float]

    def judge(self, text: str, about: About) -> Verdict:
        """What it thinks of `text`. The outcome is the one at the preset's threshold."""
        ...

    def unsettled(self, text: str) -> int:
        """How many characters at the end of `text`, the first part of a stream, must not be released yet.

        Whatever may come, nothing before them will be (part of) a span that `judge` did not find in `text`, as long as
        it sees `lookbehind` characters before them too. 0 where nothing can come that would change what was found.
        """
        ...


class Asked(Protocol):
    """A guard that asks somebody else, such as a model behind an endpoint: slow, and it may fail.

    It is made with its options and a `Transport`. The stage keeps its deadline. Whatever `judge` raises, and a verdict
    that is none, is the policy's `on_error`.
    """

    Options: ClassVar[type[GuardOptions]]
    directions: ClassVar[frozenset[Direction]]

    async def judge(self, text: str, about: About) -> Verdict:
        """What it thinks of `text`."""
        ...

    def close(self) -> None:
        """Give back threads and the like."""
        ...
