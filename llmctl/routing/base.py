"""What a routing strategy is: a pure choice among the models that can take a request.

To add one: a new file with an `Options` model and a class with the methods of `Strategy`, and a line in
`routing/__init__.py`. tests/routing/test_contract.py then checks it.
"""

from collections.abc import Mapping, Sequence
from random import Random
from typing import ClassVar, Protocol, runtime_checkable

from msgspec import Struct
from pydantic import BaseModel, ConfigDict

from llmctl.model.record import Decision
from llmctl.routing.features import Features
from llmctl.routing.health import Health


class StrategyOptions(BaseModel):
    """Base of every strategy's options. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ModelFacts(Struct, frozen=True, gc=False):
    """What is known of a configured model. Prices are US dollars per token, None where none is known."""

    input_price: float | None = None
    output_price: float | None = None
    context: int | None = None


class Strategy(Protocol):
    """A configured route. `models` are the models it may choose; `build` checks that each exists."""

    Options: ClassVar[type[StrategyOptions]]
    models: tuple[str, ...]

    def __init__(self, options: StrategyOptions, facts: Mapping[str, ModelFacts]) -> None:
        """Loads and checks all it needs. `facts` has every configured model. Raises ValueError and OSError."""

    def choose(
        self, candidates: Sequence[str], features: Features, health: Mapping[str, Health], rng: Random
    ) -> Decision:
        """One of `candidates`, with the probability of having chosen it.

        `candidates` are those of `models`, in their order, that can take the request and are not known to be down;
        there is at least one. `health` has each of them, and may have others.
        """
        ...


@runtime_checkable
class Learner(Protocol):
    """A strategy that learns from what became of its choices."""

    def learn(self, decision: Decision, *, ok: bool, seconds: float, usd: float | None) -> None:
        """An exchange it decided has ended: answered or not, after so long, for so much (None: no price known)."""
        ...
