import pytest

from llmctl.evals.measured import measure
from llmctl.evals.pairing import pairs
from tests.evals.made import answers


def test_only_what_both_have_is_paired_in_the_order_of_a() -> None:
    a, b = answers([0.1, None, 0.3, 0.4]), answers([0.5, 0.6, None, 0.8], "b")[::-1]
    both = pairs(measure(a, "score"), measure(b, "score"))
    assert both.items == ("i0", "i3")
    assert both.a.tolist() == [0.1, 0.4]
    assert both.b.tolist() == [0.5, 0.8]


def test_each_side_has_its_own_mean() -> None:
    both = pairs(measure(answers([1.0, 0.0] * 20), "score"), measure(answers([1.0] * 40, "b"), "score"))
    left, right = both.means(0.9)
    assert left is not None
    assert right is not None
    assert (left.estimate, right.estimate, left.confidence) == (0.5, 1.0, 0.9)


def test_nothing_in_common_is_refused() -> None:
    other = answers([1.0], "b", item="other")
    with pytest.raises(ValueError, match="no item has a value on both sides"):
        pairs(measure(answers([1.0]), "score"), measure(other, "score"))
