from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from llmctl.config.resolve import resolve
from llmctl.config.secrets import Environment
from llmctl.config.show import to_yaml
from llmctl.config.yaml import parse

WORDS = st.sampled_from(
    ["no", "0o17", "1e3", "010", "12:30", "null", "~", "<<", "=", "", "1_0", "0x1f", ".5", "a: b", "é"]
)
TEXT = st.one_of(WORDS, st.text(st.characters(categories=("L", "N", "P", "Z")), max_size=20))
SCALARS = st.one_of(TEXT, st.none(), st.booleans(), st.integers(-(10**18), 10**18), st.floats(allow_nan=False))
TREES = st.recursive(SCALARS, lambda below: st.lists(below, max_size=3) | st.dictionaries(TEXT, below, max_size=3))


@given(TREES)
def test_what_is_shown_reads_back(value: Any) -> None:
    root, findings = parse(to_yaml({"value": value}), "f")
    assert root is not None
    if not any("key is empty" in str(f) for f in findings):
        assert findings == []
        assert resolve(root, Environment({})).tree == {"value": value} or "${" in str(value)


def test_lists_shared_in_memory_are_written_out() -> None:
    shared = ["a"]
    assert "&" not in to_yaml({"x": shared, "y": shared})
