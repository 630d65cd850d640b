"""Answers of one tenant and name by meaning: bounds, restarts, embedders that differ or die."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import ClassVar

import numpy as np
import pytest

from llmctl.cache.bounded import BoundedPolicy
from llmctl.cache.entry import Entry
from llmctl.cache.key import Key
from llmctl.cache.policies import Threshold
from llmctl.cache.semantic import packed
from llmctl.config.schema_cost import SemanticConfig
from llmctl.embedding.base import EmbedderOptions, Vector
from llmctl.errors import Unavailable
from llmctl.gateway.shelf import Embedding, Shelf, Spared, policy_of
from tests.gateway.cached import Cached

CONFIG = SemanticConfig(threshold=0.9, audit=1e-9)


class Letters:
    """A vector of the counts of letters."""

    Options: ClassVar[type[EmbedderOptions]] = EmbedderOptions

    def __init__(self, identity: str = "letters", size: int = 8, dead: Callable[[], bool] = lambda: False) -> None:
        self.identity, self.size, self._dead = identity, size, dead
        self.closed = 0

    def now(self, text: str) -> Vector | None:
        return None

    async def vector(self, text: str) -> Vector:
        if self._dead():
            raise Unavailable("dead")
        made = np.zeros(8, np.float32)
        for letter in text:
            made[ord(letter) % 8] += 1
        return made / np.linalg.norm(made)

    async def start(self) -> None:
        if self._dead():
            raise Unavailable("dead")

    async def close(self) -> None:
        self.closed += 1


def shelf(embedder: Letters, config: SemanticConfig = CONFIG) -> Shelf:
    return Shelf("acme", "m", Embedding.of(config, embedder), Random(0))


async def entry(one: Shelf, text: str, key: bytes) -> Entry:
    """As the store stage keeps it."""
    vector = await one.embedder.vector(text)
    partition = one.partition(Key("acme", key, b"part", text))
    return Entry(key, partition, "acme", b"", "m", 0.0, 60.0, text=text, vector=packed(vector), route="m")


async def found(one: Shelf, text: str) -> bool:
    vector = await one.embedder.vector(text)
    return one.semantic.lookup(one.partition(Key("acme", b"", b"part", text)), text, vector).decision.serve


async def test_what_was_kept_is_found_again() -> None:
    before, after = shelf(Letters()), shelf(Letters())
    after.take_up([await entry(before, "hello", b"12345678")])
    assert await found(after, "hello")
    assert not await found(after, "zzz")


async def test_vectors_of_two_embedders_never_meet() -> None:
    """Also after a restart with another embedder whose vectors have as many numbers."""
    before, after = shelf(Letters("one")), shelf(Letters("other"))
    kept = await entry(before, "hello", b"12345678")
    after.take_up([kept])
    after.ready(8)
    assert not await found(after, "hello")
    assert before.partition(Key("", b"", b"p", "")) != after.partition(Key("", b"", b"p", ""))


async def test_vectors_of_another_size_are_left() -> None:
    one = shelf(Letters())
    kept = await entry(one, "hello", b"12345678")
    other = shelf(Letters(size=4))
    other.take_up([kept])
    other.ready(4)
    assert len(other.semantic) == 0


async def test_what_is_kept_waits_for_the_first_vector_of_an_embedder() -> None:
    embedder = Letters(size=0)
    one = shelf(embedder)
    one.take_up([await entry(one, "hello", b"12345678")])
    with pytest.raises(AssertionError):
        _ = one.semantic
    embedder.size = 8
    one.ready(8)
    assert await found(one, "hello")


async def test_the_oldest_leave_also_at_a_restart() -> None:
    one = shelf(Letters(), CONFIG.model_copy(update={"max_entries": 3}))
    texts = ["aaaa", "bbbb", "cccc", "dddd", "eeee"]
    one.take_up([await entry(one, text, bytes([at]) * 8) for at, text in enumerate(texts)])
    assert [await found(one, text) for text in texts] == [False, False, True, True, True]


async def test_max_entries_holds_while_serving(tmp_path: Path) -> None:
    text = "{dir: null, semantic: {threshold: 0.85, audit: 0.000001, max_entries: 3}}"
    async with Cached(tmp_path, text) as made:
        for at in range(8):
            await made.ask(["apple", "banana", "cherry", "dog", "elephant", "flower", "garden", "house"][at])
            await made.quiet()
        [one] = made.cache._shelves.values()
        assert len(one.semantic) == 3


async def test_long_questions_are_not_compared(tmp_path: Path) -> None:
    text = "{dir: null, semantic: {threshold: 0.5, audit: 0.000001, max_text: 30}}"
    async with Cached(tmp_path, text) as made:
        for question in ("tell me about " + "cats " * 10, "tell me about " + "cats " * 11, "about cats"):
            assert (await made.ask(question)).kind == "miss"
            await made.quiet()
        assert (await made.ask("about  cats?")).kind == "semantic"
        assert made.cache.reports()["acme", "m"].requests == 4


@pytest.mark.parametrize("stream", [False, True])
async def test_a_dead_embedder_costs_hits_and_nothing_else(tmp_path: Path, stream: bool) -> None:
    text = "{dir: null, semantic: {threshold: 0.5, embedder: {kind: endpoint, url: 'http://127.0.0.1:9/v1', model: e}}}"
    async with Cached(tmp_path, text) as made:
        made.voices.parts = lambda body: b"{}" if "input" in body else None
        first = await made.ask(stream=stream)
        again = await made.ask(stream=stream)
        other = await made.ask("hello!", stream=stream)
        await asyncio.sleep(0.01)
        assert [one.kind for one in (first, again, other)] == ["miss", "exact", "miss"]
        assert [one.record.state for one in (first, again, other)] == ["ok"] * 3
        assert any("only identical requests are found" in one for one in made.warned)
    assert not made.bugs


async def test_an_embedder_that_does_not_start_is_told_and_closed() -> None:
    warned: list[str] = []
    spared = Spared(embedder := Letters(dead=lambda: True), warned.append)
    await spared.start()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    [told] = warned
    assert "dead" in told
    await spared.close()
    await spared.close()
    assert embedder.closed == 2


def test_policies_of_a_configuration() -> None:
    assert isinstance(policy_of(CONFIG, Random(0)), Threshold)
    bounded = policy_of(SemanticConfig(max_error=0.03, guarantee="certified"), Random(0))
    assert isinstance(bounded, BoundedPolicy)
    assert bounded.max_error == 0.03
