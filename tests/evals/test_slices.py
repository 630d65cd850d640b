import numpy as np

from llmctl.evals.measured import measure
from llmctl.evals.paired_metric import Method
from llmctl.evals.slices import LEAST, MOST, slices
from llmctl.evals.suite import DecisionConfig
from tests.evals.made import answers

RANDOM = np.random.default_rng(2)


def sliced(columns: list[dict[str, object]], horizon: int | None = None) -> list[tuple[str, int, str]]:
    scores = RANDOM.random((2, len(columns)))
    a = measure(answers(scores[0].tolist(), columns=columns), "score")
    b = measure(answers(scores[1].tolist(), "b", columns=columns), "score")
    found = slices(a, b, DecisionConfig(slices=["kind"]), Method(0.95, horizon=horizon))
    told = []
    for one in found:
        note = one.note if one.difference is None else f"{100 * one.difference.confidence:g}"
        told.append((one.name, one.items, note))
    return told


def test_each_value_is_a_slice_and_too_few_items_say_nothing() -> None:
    kinds: list[object] = ["long"] * 40 + [7] * 30 + [None] * 12 + [["x"]] * 3
    assert sliced([{"kind": kind} for kind in kinds]) == [
        ("kind=long", 40, "95"),
        ("kind=7", 30, "95"),
        ("kind=(none)", 12, "95"),
        ('kind=["x"]', 3, f"fewer than {LEAST} items: too few to say anything"),
    ]


def test_beyond_the_largest_the_rest_is_counted() -> None:
    kinds: list[dict[str, object]] = [{"kind": at % (MOST + 5)} for at in range(MOST * 12)]
    assert sliced(kinds)[-1][0] == "kind: 5 smaller values"


def test_alpha_is_shared_out_where_they_were_looked_at() -> None:
    kinds: list[dict[str, object]] = [{"kind": "ab"[at % 2]} for at in range(200)]
    assert [confidence for _, _, confidence in sliced(kinds, horizon=100)] == ["97.5", "97.5"]


def test_no_slices_are_asked_for() -> None:
    found = measure(answers([1.0, 0.0]), "score")
    assert slices(found, found, DecisionConfig(), Method(0.95)) == []
