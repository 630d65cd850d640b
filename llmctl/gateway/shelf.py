"""Answers of one tenant and name that are found by meaning: their index, and the policy that keeps their bound."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b
from random import Random
from typing import Any, NamedTuple

from llmctl.cache.bounded import BoundedPolicy
from llmctl.cache.entry import Entry
from llmctl.cache.index import Index
from llmctl.cache.key import Key
from llmctl.cache.learnt import OPERATION, restored
from llmctl.cache.policies import Policy, Threshold
from llmctl.cache.semantic import Match, Semantic
from llmctl.config.schema_cost import SemanticConfig
from llmctl.embedding.base import Embedder
from llmctl.errors import LlmctlError


class Embedding(NamedTuple):
    """How a name's questions are compared: the settings, what makes vectors, and a word that stands for both."""

    config: SemanticConfig
    embedder: Embedder
    word: str

    @classmethod
    def of(cls, config: SemanticConfig, embedder: Embedder) -> "Embedding":
        """Reads the embedder's identity, which may cost milliseconds."""
        return cls(config, embedder, f"{config.model_dump_json()} {embedder.identity}")


class Spared:
    """An embedder whose trouble is no outage: it gets ready while the gateway serves."""

    def __init__(self, embedder: Embedder, warn: Callable[[str], None]) -> None:
        self.embedder = embedder
        self._warn = warn
        self._starting: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._starting = asyncio.create_task(self._start())

    async def close(self) -> None:
        """Stop it."""
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.wait([self._starting])
        await self.embedder.close()

    async def _start(self) -> None:
        try:
            await self.embedder.start()
        except LlmctlError as error:
            self._warn(f"the cache's embedder: {error.message}; until it answers only identical requests are found")


class Shelf:
    """The answers of one tenant and name that are found by meaning."""

    def __init__(self, tenant: str, route: str, semantic: Embedding, random: Random) -> None:
        self.tenant, self.route = tenant, route
        self.config, self.embedder = semantic.config, semantic.embedder
        self.policy = policy_of(semantic.config, random)
        self.identity = semantic.embedder.identity
        self._salt = blake2b(self.identity.encode()).digest()
        self._semantic: Semantic | None = None
        self._waiting: list[Entry] = []

    @property
    def semantic(self) -> Semantic:
        """Entries by meaning. Raises AssertionError before the embedder's first vector."""
        assert self._semantic is not None
        return self._semantic

    def ready(self, size: int) -> Semantic:
        """The same, once it is known how many numbers a vector has."""
        if self._semantic is None:
            self._semantic = Semantic(_no_embedding, Index(size), self.policy)
            self.take_up(self._waiting)
            self._waiting = []
        return self._semantic

    def partition(self, key: Key) -> bytes:
        """Where a request is compared: vectors of two embedders never meet."""
        return blake2b(key.partition, digest_size=16, key=self._salt).digest()

    def add(self, match: Match, key: bytes, group: int | None) -> None:
        """Keep an answer to be found, in the place of the oldest where there are too many."""
        self.semantic.add(match, key, group)
        self.semantic.trim(self.config.max_entries)

    def take_up(self, entries: Iterable[Entry]) -> None:
        """Go on with what was kept before a restart."""
        for entry in entries:
            if entry.operation == OPERATION:
                if isinstance(self.policy, BoundedPolicy) and not self.policy.report().requests:
                    restored(self.policy, entry, self.settings())
            elif self._semantic is None and not self.embedder.size:
                self._waiting.append(entry)
            elif len(entry.vector) == 2 * self.embedder.size:
                semantic = self.ready(self.embedder.size)
                semantic.restore([entry])
                semantic.trim(self.config.max_entries)

    def settings(self) -> Mapping[str, Any]:
        """What the policy's state is good for."""
        given = self.config.model_dump(include={"max_error", "audit", "confidence", "guarantee"})
        return {**given, "embedder": self.identity}


def policy_of(config: SemanticConfig, random: Random) -> Policy:
    """The policy that decides on hits."""
    if config.threshold is not None:
        return Threshold(config.threshold, random=random, audit=config.audit, confidence=config.confidence)
    assert config.max_error is not None
    return BoundedPolicy(
        config.max_error,
        random=random,
        audit=config.audit,
        confidence=config.confidence,
        guarantee=config.guarantee,
    )


def _no_embedding(text: str) -> Any:
    raise AssertionError("vectors are made by the lookup, which may have to wait for them")
