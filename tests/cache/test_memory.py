from collections import OrderedDict

from hypothesis import given
from hypothesis import strategies as st

from llmctl.cache.entry import Entry
from llmctl.cache.memory import Memory

LIMIT = 3000


def entry(key: int, size: int, tenant: str = "acme") -> Entry:
    return Entry(bytes([key]), b"", tenant, b"x" * size, "m", 0.0, 1.0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.integers(0, 7), st.integers(0, 3000)),
        st.tuples(st.just("get"), st.integers(0, 7), st.just(0)),
        st.tuples(st.just("remove"), st.integers(0, 7), st.just(0)),
    ),
    max_size=60,
)


@given(steps)
def test_it_is_a_least_recently_used_mapping_within_its_bytes(steps: list[tuple[str, int, int]]) -> None:
    memory, model = Memory(LIMIT), OrderedDict[bytes, Entry]()
    for what, key, size in steps:
        name = bytes([key])
        if what == "put":
            one = entry(key, size)
            memory.put(one)
            model.pop(name, None)
            if one.size <= LIMIT:
                model[name] = one
            while sum(kept.size for kept in model.values()) > LIMIT:
                model.popitem(last=False)
        elif what == "get":
            assert memory.get(name) is model.get(name)
            if name in model:
                model.move_to_end(name)
        else:
            memory.remove(name)
            model.pop(name, None)
        assert list(memory) == list(model.values())
        assert memory.bytes == sum(kept.size for kept in model.values()) <= LIMIT
        assert len(memory) == len(model)


def test_one_tenant_is_forgotten() -> None:
    memory = Memory(LIMIT)
    memory.put(entry(1, 1))
    memory.put(entry(2, 1, "other"))
    memory.clear("acme")
    assert [one.tenant for one in memory] == ["other"]
    memory.clear()
    assert (len(memory), memory.bytes) == (0, 0)
