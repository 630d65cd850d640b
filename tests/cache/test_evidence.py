import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.cache.evidence import FEATURES, NEAREST, Neighbour, features, sketch


def row(text: str, *neighbours: Neighbour, size: int = 10) -> dict[str, float]:
    return dict(zip(FEATURES, features(text, neighbours, size), strict=True))


@pytest.mark.parametrize(
    ("one", "two", "differs"),
    [
        ("Convert 10 USD", "Convert 20 USD", "numbers"),
        ("Can I cancel?", "Can't I cancel?", "negation"),
        ("Can I cancel?", "Can I not cancel?", "negation"),
        ("weather in Paris", "weather in Rome", "names"),
    ],
)
def test_what_similarity_does_not_see(one: str, two: str, differs: str) -> None:
    found = row(one, Neighbour(1, 0.97, 0, two))
    assert {name for name in ("numbers", "negation", "names") if found[name]} == {differs}


def test_the_same_text_differs_in_nothing() -> None:
    found = row("Where is my card 42?", Neighbour(1, 1.0, 0, "Where is my card 42?"))
    assert (found["words"], found["numbers"], found["negation"], found["names"]) == (1.0, 0.0, 0.0, 0.0)


def test_margin_vote_and_agreement() -> None:
    near = [Neighbour(at, 0.9 - at / 10, group, "") for at, group in enumerate([7, 7, 8, 7])]
    found = row("", *near)
    assert found["margin"] == pytest.approx(0.2)
    assert found["agreement"] == pytest.approx(0.75)
    assert 0.75 < found["vote"] < 1


@given(
    st.text(max_size=300),
    st.lists(st.tuples(st.floats(-1, 1), st.integers(0, 3), st.text(max_size=20)), min_size=1, max_size=NEAREST),
)
def test_features_are_finite(text: str, near: list[tuple[float, int, str]]) -> None:
    neighbours = [Neighbour(at, *one) for at, one in enumerate(sorted(near, reverse=True))]
    found = features(text, neighbours, 5)
    assert len(found) == len(FEATURES)
    assert all(abs(value) < 1e6 for value in found)


def test_marks_and_typographic_apostrophes() -> None:
    assert sketch("I don\u2019t").negated
    assert sketch("I don't").negated
    assert sketch("").words == frozenset()
