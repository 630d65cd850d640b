import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from llmctl.cache.index import Index

DIMENSIONS = 8


def vector(seed: int, dimensions: int = DIMENSIONS) -> NDArray[np.float32]:
    made = np.random.default_rng(seed).normal(size=dimensions).astype(np.float32)
    return made / np.float32(np.linalg.norm(made))


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from([b"a", b"b"]), st.integers(0, 20), st.integers(0, 1000)),
        st.tuples(st.just("remove"), st.just(b""), st.integers(0, 20), st.just(0)),
    ),
    max_size=60,
)


@pytest.mark.parametrize("exact", [1000, 5])
@settings(max_examples=40, deadline=None)
@given(steps)
def test_it_finds_what_a_scan_of_everything_finds(exact: int, steps: list[tuple[str, bytes, int, int]]) -> None:
    index = Index(DIMENSIONS, exact)
    model: dict[int, tuple[bytes, NDArray[np.float32]]] = {}
    for what, partition, entry, seed in steps:
        if what == "add":
            index.add(partition, entry, vector(seed))
            model[entry] = (partition, vector(seed))
        else:
            index.remove(entry)
            model.pop(entry, None)
    asked = vector(5000)
    assert len(index) == len(model)
    for partition in (b"a", b"b", b"c"):
        inside = {entry: float(kept @ asked) for entry, (of, kept) in model.items() if of == partition}
        found = index.search(partition, asked, 4)
        assert index.size(partition) == len(inside)
        assert {one.entry for one in found} <= set(inside)
        assert [one.similarity for one in found] == sorted((one.similarity for one in found), reverse=True)
        expected = sorted(inside.values(), reverse=True)[:4]
        assert [one.similarity for one in found] == pytest.approx(expected, abs=0.02 if exact == 5 else 1e-6)


def test_a_large_partition_is_searched_by_a_graph() -> None:
    index = Index(64, exact=200)
    vectors = [vector(seed, 64) for seed in range(600)]
    for entry, one in enumerate(vectors):
        index.add(b"p", entry, one)
    table = np.stack(vectors)
    right = 0
    for seed in range(100):
        asked = vector(seed, 64) + 0.3 * vector(10_000 + seed, 64)
        asked /= np.linalg.norm(asked)
        right += index.search(b"p", asked, 8)[0].entry == int(np.argmax(table @ asked))
    assert right >= 97
    index.remove(0)
    assert all(one.entry for one in index.search(b"p", vectors[0], 8))
    index.add(b"p", 1, vectors[0])
    assert index.search(b"p", vectors[0], 1)[0].entry == 1
    assert index.size(b"p") == 599
