from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.errors import ConfigError
from llmctl.evals.datasets.base import TABLE, DatasetOptions, dataset
from tests.evals.datasets.opened import ids, items

ROWS: list[dict[str, Any]] = [{"id": f"i{at}", "lang": "fr" if at % 2 else "de", "n": at} for at in range(10)]


@pytest.mark.parametrize("kind", TABLE)
def test_every_kind_has_options(kind: str) -> None:
    assert issubclass(dataset(kind).Options, DatasetOptions)


def test_another_kind_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean jsonl"):
        dataset("json")


def test_columns_that_mean_something() -> None:
    row = {"key": 7, "gold": "x", "doc": "d1", "passages": ["a", "b"], "chat": [{"role": "user", "content": "q"}]}
    names: dict[str, Any] = {
        "id": "key",
        "expected": "gold",
        "cluster": "doc",
        "context": "passages",
        "messages": "chat",
    }
    (item,) = items("inline", items=[row], **names)
    sample = item.sample
    assert (sample.id, sample.expected, sample.cluster, sample.context) == ("7", "x", "d1", ("a", "b"))
    assert item.messages == row["chat"]
    assert sample.columns == row


def test_items_without_an_id_are_numbered_before_they_are_chosen() -> None:
    assert ids("inline", items=[{"a": 1}, {"a": 2}, {"a": 1}], where={"a": 1}) == ["0", "2"]


def test_where_takes_a_value_or_one_of_several() -> None:
    assert ids("inline", items=ROWS, where={"lang": "fr", "n": [1, 2, 3]}) == ["i1", "i3"]


def test_limit_sample_and_shuffle_follow_the_seed() -> None:
    assert ids("inline", items=ROWS, limit=2) == ["i0", "i1"]
    drawn = ids("inline", items=ROWS, sample=4, seed=1)
    assert drawn == sorted(drawn)
    assert len(drawn) == 4
    assert drawn == ids("inline", items=ROWS, sample=4, seed=1)
    assert drawn != ids("inline", items=ROWS, sample=4, seed=2)
    shuffled = ids("inline", items=ROWS, shuffle=True, seed=1)
    assert sorted(shuffled) == [row["id"] for row in ROWS]
    assert shuffled != sorted(shuffled)


def test_an_id_that_is_there_twice_is_refused_with_both_places() -> None:
    with pytest.raises(ConfigError, match=r"items\.1: the id 'a' is in dataset\.items\.0"):
        ids("inline", items=[{"id": "a"}, {"id": "a"}])


def test_items_bring_their_own_scorers() -> None:
    (item,) = items("inline", items=[{"assertions": [{"kind": "equals", "value": "x", "weight": 2}]}])
    (scorer,) = item.assertions
    assert (scorer.kind, scorer.weight, scorer.model_extra) == ("equals", 2, {"value": "x"})
    assert "assertions" not in item.sample.columns


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"assertions": "equals"}, "must be a list"),
        ({"assertions": [{"value": "x"}]}, "kind: Field required"),
        ({"messages": ["hello"]}, "list of objects"),
    ],
)
def test_columns_of_another_shape_are_refused(row: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        items("inline", items=[row])


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValidationError):
        items("inline", items=[], shufle=True)
