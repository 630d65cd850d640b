"""What a script may say: the options of `kind: scripted` and of `llmctl.testing.scripted`.

script_engine.py turns a script and a request into an answer.
"""

import math
from random import Random
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from llmctl.config.section import Seconds
from llmctl.providers.base import ProviderOptions


class Constant(ProviderOptions):
    """Always the same."""

    kind: Literal["constant"] = "constant"
    value: Seconds

    def sample(self, random: Random) -> float:
        """The value."""
        return self.value


class Uniform(ProviderOptions):
    """Anything between two bounds."""

    kind: Literal["uniform"]
    low: Seconds
    high: Seconds

    def sample(self, random: Random) -> float:
        """One draw."""
        return random.uniform(self.low, self.high)


class Exponential(ProviderOptions):
    """As the times between independent events are distributed."""

    kind: Literal["exponential"]
    mean: Seconds = Field(gt=0)

    def sample(self, random: Random) -> float:
        """One draw."""
        return random.expovariate(1 / self.mean)


class Lognormal(ProviderOptions):
    """As latencies usually are: a median and a long tail. sigma 0.5 puts p99 at 3.2 medians, 1.0 at 10."""

    kind: Literal["lognormal"]
    median: Seconds = Field(gt=0)
    sigma: float = Field(0.5, ge=0, le=4)

    def sample(self, random: Random) -> float:
        """One draw."""
        return random.lognormvariate(math.log(self.median), self.sigma)


def _constant(value: Any) -> Any:
    return value if isinstance(value, (dict, ProviderOptions)) else {"kind": "constant", "value": value}


Distribution = Annotated[
    Annotated[Constant | Uniform | Exponential | Lognormal, Field(discriminator="kind")], BeforeValidator(_constant)
]

FaultKind = Literal[
    "error", "rate_limit", "hang", "reset", "cut", "unfinished", "garbage", "malformed_chunk", "no_usage",
    "slow_first", "drip", "wrong_model",
]  # fmt: skip

_ALWAYS = {"kind", "probability", "skip", "times"}
_TAKES: dict[str, set[str]] = {
    "error": {"status", "body", "retry_after", "after_chunks"},
    "rate_limit": {"status", "body", "retry_after"},
    "hang": {"after_chunks"},
    "reset": {"after_chunks"},
    "cut": {"after_chunks"},
    "unfinished": {"after_chunks"},
    "garbage": {"body"},
    "malformed_chunk": {"after_chunks", "body"},
    "no_usage": set(),
    "slow_first": {"delay"},
    "drip": {"delay"},
    "wrong_model": {"model"},
}


class Fault(ProviderOptions):
    """One way to misbehave.

    `error` an error status, or with `after_chunks` an error event in the stream; `rate_limit` 429 with retry-after;
    `hang` silence; `reset` a TCP reset; `cut` the connection ends within the body; `unfinished` a stream's body ends
    well-formed but its answer does not; `garbage` bytes that are not HTTP; `malformed_chunk` what is not JSON;
    `no_usage` no token counts; `slow_first` a late first byte; `drip` eight bytes at a time; `wrong_model` another's.
    """

    kind: FaultKind
    probability: float = Field(1.0, ge=0, le=1, description="Share of the requests it befalls.")
    skip: int = Field(0, ge=0, description="It spares this many requests at first.")
    times: int | None = Field(None, ge=1, description="It may befall this many requests after those, then no more.")
    status: int | None = Field(None, ge=400, le=599, description="500 for error, 429 for rate_limit.")
    retry_after: Seconds | None = Field(None, description="The retry-after header; 1 for rate_limit.")
    after_chunks: int | None = Field(
        None, ge=0, description="After this many pieces of content; before the answer's head where absent."
    )
    delay: Seconds = Field(5.0, description="Further wait of slow_first; wait between pieces of drip.")
    body: str | dict[str, Any] | None = Field(None, description="What to send instead of the usual.")
    model: str = Field("wrong-model", description="The name that wrong_model answers with.")

    @model_validator(mode="after")
    def _applicable(self) -> "Fault":
        takes = _TAKES[self.kind]
        if surplus := sorted(self.model_fields_set - takes - _ALWAYS):
            known = ", ".join(sorted(takes | {"probability", "skip", "times"}))
            raise ValueError(f"fault {self.kind} has no use for {', '.join(surplus)}; it takes {known}")
        return self


class ScriptedCall(ProviderOptions):
    """A tool call to answer with where the request brings tools."""

    name: str | None = Field(None, description="The function; the request's first one if absent.")
    arguments: dict[str, Any] = Field(default_factory=dict, description="Arguments of the call.")


class Script(ProviderOptions):
    """How the imitated upstream behaves. The same seed and the same order of requests give the same answers."""

    seed: int = Field(0, description="Same seed, same answers.")
    latency: Distribution = Field(Constant(value=0.0), description="Seconds to the first byte.")
    token_rate: float = Field(0.0, ge=0, description="Tokens per second after the first; 0 is all at once.")
    tokens: Distribution = Field(Constant(value=16.0), description="Length of answers that nothing else determines.")
    text: str | list[str] | None = Field(None, description="The answer; of a list, one after the other.")
    echo: bool = Field(False, description="Answer with the last user message.")
    tool_calls: list[ScriptedCall] = Field(
        default_factory=list,
        description="Calls to make where a request has tools and does not end with a tool's answer.",
    )
    embedding_dim: int = Field(64, ge=1, le=8192, description="Length of embeddings, unless the request says.")
    faults: list[Fault] = Field(default_factory=list, description="Tried in order; the first that strikes counts.")

    @model_validator(mode="after")
    def _one_text(self) -> "Script":
        if self.echo and self.text is not None:
            raise ValueError("echo and text both say what to answer; keep one")
        if self.text == []:
            raise ValueError("text is an empty list; give at least one answer, or leave it out")
        return self
