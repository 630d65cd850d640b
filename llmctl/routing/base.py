"""What a routing strategy is: a pure choice among models.

To add one: a new file with an `Options` model and a class with the methods of `Strategy`, and a line in
`routing/__init__.py`. tests/routing/test_contract.py then checks it.
"""

from random import Random
from typing import ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from llmctl.model.exchange import Exchange
from llmctl.model.record import Decision


class StrategyOptions(BaseModel):
    """Base of every strategy's options. Unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Strategy(Protocol):
    """A configured route. `models` are the models it may choose; `build` checks that each exists."""

    Options: ClassVar[type[StrategyOptions]]
    models: tuple[str, ...]

    def choose(self, exchange: Exchange, random: Random) -> Decision:
        """The model for this exchange, with the probability of having chosen it."""
        ...
