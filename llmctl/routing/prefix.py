"""The replica that has seen the conversation's beginning before, and holds it in its cache.

Rendezvous hashing (Thaler and Ravishankar, IEEE/ACM ToN 6(1), 1998): each replica's weight is a hash of the prefix and
its name, and the highest wins, so that losing a replica moves its own conversations alone. A replica that has too much
to do is passed over, as in consistent hashing with bounded loads (Mirrokni et al., SODA 2018).
"""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import blake2b
from random import Random
from typing import Any, ClassVar

from pydantic import Field, field_validator

from llmctl.model.record import Decision
from llmctl.routing.base import ModelFacts, StrategyOptions
from llmctl.routing.features import Features
from llmctl.routing.health import Health

PASSED_OVER = ("type", "cache_control")  # clients move the latter from turn to turn
DEPTH = 6


class PrefixOptions(StrategyOptions):
    """Options of `prefix`."""

    models: tuple[str, ...] = Field(
        min_length=1, description="Names of entries in `models`: replicas that answer alike, each with its own cache."
    )
    prefix_bytes: int = Field(
        2048, ge=16, le=1 << 20, description="Requests alike in so many first bytes go to the same replica."
    )
    max_load: float | None = Field(
        1.25,
        ge=1,
        le=1000,
        allow_inf_nan=False,
        description="A replica with more calls under way than so many times the mean, and one, is passed over; "
        "null: none is.",
    )

    @field_validator("models")
    @classmethod
    def _distinct(cls, models: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(models)) < len(models):
            raise ValueError("names a model twice")
        return models


class Prefix:
    """Sends a conversation to the replica that it belongs to. Draws nothing; the same in every process."""

    Options: ClassVar[type[StrategyOptions]] = PrefixOptions

    def __init__(self, options: PrefixOptions, facts: Mapping[str, ModelFacts]) -> None:
        self.models: tuple[str, ...] = options.models
        self._bytes = options.prefix_bytes
        self._max_load = options.max_load
        self._names = {name: name.encode() for name in options.models}

    def choose(
        self, candidates: Sequence[str], features: Features, health: Mapping[str, Health], rng: Random
    ) -> Decision:
        """The candidate of the highest weight that has not too much to do; with `max_load` there is always one."""
        key = blake2b(beginning(features, self._bytes), digest_size=16).digest()
        ranked = sorted(candidates, key=lambda name: _weight(self._names[name], key), reverse=True)
        at = 0
        if self._max_load is not None and len(ranked) > 1:
            calls = [health[name].inflight for name in ranked]
            limit = self._max_load * sum(calls) / len(calls) + 1
            at = next(at for at, count in enumerate(calls) if count <= limit)
        if at:
            reason = f"prefix {key.hex()[:8]}: {ranked[0]} has {calls[0]} calls, the limit is {limit:.1f}"
        else:
            reason = f"prefix {key.hex()[:8]}: first of {len(ranked)}"
        return Decision(ranked[at], "prefix", reason)


def _weight(name: bytes, key: bytes) -> bytes:
    return blake2b(name, key=key, digest_size=8).digest()


def beginning(features: Features, size: int) -> bytes:
    """The first `size` bytes of what a model reads first: all messages up to the user's first, or the prompt.

    A text is the same however it is wrapped in parts. Tools do not count: they may change within a conversation.
    """
    found = bytearray()
    for text in _read_first(features):
        found += text[:size].encode("utf-8", "replace") + b"\0"
        if len(found) >= size:
            break
    return bytes(found[:size])


def _read_first(features: Features) -> Iterator[str]:
    payload = features.payload
    if features.operation != "chat":
        yield from _texts(payload.get("prompt" if features.operation == "completion" else "input"))
        return
    for message in payload["messages"]:
        yield message.get("role", "")
        yield from _texts(message.get("content"))
        if message.get("role") == "user":
            return


def _texts(value: Any, depth: int = DEPTH) -> Iterator[str]:
    """The texts in a message's content, and numbers as such: a prompt may be token ids.

    What holds no text gives an empty one, so that the caller, who counts, need not wait long for the next.
    """
    if isinstance(value, str):
        yield value
    elif isinstance(value, int | float):
        yield str(value)
    elif depth and isinstance(value, list):
        for one in value or ("",):
            yield from _texts(one, depth - 1)
    elif depth and isinstance(value, dict):
        yield from _texts([one for name, one in value.items() if name not in PASSED_OVER], depth - 1)
    else:
        yield ""
