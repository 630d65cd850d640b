from collections.abc import Callable
from hashlib import blake2b
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.cache.entry import Entry
from llmctl.cache.index import Index
from llmctl.cache.policies import Threshold
from llmctl.cache.semantic import Match, Semantic, number, packed, unpacked
from llmctl.embedding import DIMENSIONS, StaticEmbedder

P = b"partition"


def made(threshold: float = 0.9) -> Semantic:
    return Semantic(StaticEmbedder().embed, Index(DIMENSIONS), Threshold(threshold, random=Random(0)))


def key(text: str) -> bytes:
    return blake2b(text.encode(), digest_size=16).digest()


def ask(
    semantic: Semantic, text: str, same: Callable[[int], bool] = lambda entry: False, partition: bytes = P
) -> Match:
    match = semantic.lookup(partition, text)
    if not match.decision.serve:
        semantic.add(match, key(text), semantic.learn(match, same))
    return match


def test_a_paraphrase_is_found_within_its_partition_only() -> None:
    semantic = made(0.7)
    ask(semantic, "How do I reset my password?")
    match = semantic.lookup(P, "how can I reset my password")
    assert match.decision.serve
    assert match.decision.entry is not None
    assert semantic.key(match.decision.entry) == key("How do I reset my password?")
    assert semantic.lookup(b"other", "how can I reset my password").decision.reason == "empty"


def test_a_text_without_a_token_is_never_found() -> None:
    semantic = made(-1)
    ask(semantic, "   ")
    assert semantic.lookup(P, "   ").decision.reason == "empty"


def test_answers_that_agree_become_one_group() -> None:
    semantic = made(0.999)
    texts = ["reset my password", "reset my account password", "password reset please", "weather in Rome"]
    for text in texts[:2]:
        ask(semantic, text)
    first, second = (number(key(text)) for text in texts[:2])
    match = ask(semantic, texts[2], lambda entry: entry in (first, second))
    assert {one.entry for one in match.neighbours} == {first, second}
    groups = {one.entry: one.group for one in semantic.lookup(P, "my password").neighbours}
    assert len(groups) == 3
    assert len(set(groups.values())) == 1
    ask(semantic, texts[3])
    assert len({one.group for one in semantic.lookup(P, "my password").neighbours}) == 2


def test_only_one_of_each_group_is_compared_the_nearest_first() -> None:
    semantic = made(0.999)
    for text in ("reset my password", "reset my account password", "reset the password"):
        ask(semantic, text, lambda entry: True)
    asked: list[int] = []
    match = semantic.lookup(P, "please reset my password")

    def same(entry: int) -> bool:
        asked.append(entry)
        return False

    semantic.learn(match, same)
    assert asked == [match.decision.entry]


def test_what_is_removed_is_not_found_and_may_be_removed_while_it_is_compared() -> None:
    semantic = made(0.999)
    ask(semantic, "reset my password")
    entry = number(key("reset my password"))
    match = semantic.lookup(P, "reset the password")
    semantic.remove(entry)
    semantic.remove(entry)
    assert semantic.learn(match, lambda one: True) is None
    assert semantic.lookup(P, "reset my password").decision.reason == "empty"
    assert len(semantic) == 0
    with pytest.raises(KeyError):
        semantic.key(entry)


def test_entries_are_taken_up_again() -> None:
    embed = StaticEmbedder().embed
    text = "reset my password"
    entries = [
        Entry(key(text), P, "acme", b"", "m", 0.0, 1.0, text=text, vector=packed(embed(text))),
        Entry(key("other"), P, "acme", b"", "m", 0.0, 1.0),
        Entry(key("broken"), P, "acme", b"", "m", 0.0, 1.0, text="broken", vector=b"\xff" * 3),
    ]
    semantic = made()
    assert semantic.restore(entries) == 1
    match = semantic.lookup(P, text)
    assert match.decision.similarity == pytest.approx(1.0, abs=1e-3)


@given(st.integers(0, 10**6))
def test_vectors_there_and_back(seed: int) -> None:
    vector = np.random.default_rng(seed).normal(size=DIMENSIONS).astype(np.float32)
    vector /= np.linalg.norm(vector)
    back = unpacked(packed(vector))
    assert back is not None
    assert float(back @ vector) == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\0" * 4, b"\xff\xff" * 4, b"\x00\x7c" * 4])
def test_what_is_no_vector(data: bytes) -> None:
    assert unpacked(data) is None
