import numpy as np
import pytest

from llmctl.embedding.base import digest, sendable, unit


@pytest.mark.parametrize("scale", [1.0, 1e-300, 1e300])
def test_unit_length_whatever_the_size_of_the_numbers(scale: float) -> None:
    found = unit(np.array([3.0, 4.0]) * scale)
    assert found.dtype == np.float32
    assert found == pytest.approx([0.6, 0.8])


@pytest.mark.parametrize("zeros", [np.zeros(3), np.zeros(0)])
def test_zeros_stay(zeros: "np.typing.NDArray[np.float64]") -> None:
    assert unit(zeros).tolist() == zeros.tolist()


def test_an_identity_knows_where_its_parts_end() -> None:
    assert digest(["ab", b"c"]) == digest([b"ab", "c"]) != digest(["a", "bc"])
    assert len(digest(["a"])) == 32


def test_lone_surrogates_are_replaced() -> None:
    assert sendable("a\ud800b") == "a?b"
    assert sendable("größe") == "größe"
