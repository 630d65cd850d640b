"""How a configuration compresses requests that were recorded, off the path: for `llmctl plan`."""

import asyncio
from random import Random
from typing import Any

from llmctl.clock import Clock
from llmctl.config.load import Loaded
from llmctl.errors import ConfigError
from llmctl.gateway.build import Surroundings
from llmctl.gateway.build_compress import compressing
from llmctl.gateway.rejudged import Nobody
from llmctl.model import trace
from llmctl.model.chat import Operation
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject
from llmctl.model.record import Decision

PATIENCE = 60.0


class Compressing:
    """The stage of a configuration, asked apart. To be closed."""

    def __init__(self, loaded: Loaded, clock: Clock) -> None:
        """Raises ConfigError."""
        trouble: list[str] = []
        self.troubles = 0
        around = Surroundings(Nobody(), clock, Random(0), (), self._failed, warn=self._warned)
        self._stage = compressing(loaded, around, trouble)
        if trouble:
            raise ConfigError(trouble)
        self._runner = asyncio.Runner()
        self._random = Random(0)

    def tokens(self, payload: JsonObject, operation: Operation, model: str) -> tuple[int, int]:
        """Tokens of the texts that become shorter, before and after, by estimate; (0, 0) where none does."""
        if self._stage is None:
            return 0, 0
        context = trace.start(None, self._random)
        exchange = Exchange("", operation, "openai", {}, None, context, 0.0, 0.0, PATIENCE)
        exchange.payload, exchange.requested_model = payload, payload["model"]
        exchange.decision = Decision(model, "", "")
        nobody: Any = None
        self._runner.run(self._stage.run(exchange, nobody))
        found = exchange.compression
        return (found.before, found.after) if found is not None else (0, 0)

    def close(self) -> None:
        """Give back the loop."""
        self._runner.close()

    def _failed(self, request_id: str, bug: BaseException) -> None:
        self.troubles += 1

    def _warned(self, message: str) -> None:
        self.troubles += 1
