from types import SimpleNamespace
from typing import Any

import pytest

from llmctl.embedding.onnx_session import Purpose, feed, package


def piece(*ids: int) -> Any:
    return SimpleNamespace(ids=list(ids), attention_mask=[1] * len(ids), type_ids=[0] * len(ids))


def test_shorter_texts_are_filled_up_with_what_does_not_count() -> None:
    found = feed(frozenset({"input_ids", "attention_mask"}), [piece(5, 6, 7), piece(8)])
    assert {name: given.tolist() for name, given in found.items()} == {
        "input_ids": [[5, 6, 7], [8, 0, 0]],
        "attention_mask": [[1, 1, 1], [1, 0, 0]],
    }
    assert all(given.dtype == "int64" for given in found.values())


def test_a_package_that_is_missing_names_the_extra() -> None:
    with pytest.raises(ValueError, match=r"thing needs nowhere_at_all .* run `pip install 'llmctl\[onnx\]'`"):
        package("nowhere_at_all", Purpose("thing", "a model", "a tokenizer"))
