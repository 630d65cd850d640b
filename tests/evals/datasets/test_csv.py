from pathlib import Path

import pytest

from llmctl.errors import ConfigError
from tests.evals.datasets.opened import items


def written(folder: Path, text: str) -> Path:
    (folder / "t.csv").write_text(text)
    return folder


def test_promptfoos_columns_become_scorers(tmp_path: Path) -> None:
    text = (
        "q,__expected1,__expected2,__metric,__config:__expected2:weight,__prefix\n"
        'one,Paris,"icontains-any:a, b",geo,2,Please: \n'
        "two,,similar(0.9):x,,,\n"
    )
    first, second = items("csv", written(tmp_path, text), path="t.csv")
    assert [one.model_dump(exclude_defaults=True) for one in first.assertions] == [
        {"kind": "equals", "name": "geo", "value": "Paris", "strip": False},
        {"kind": "icontains-any", "name": "geo", "value": ["a", "b"], "weight": 2.0},
    ]
    assert [one.model_dump(exclude_defaults=True) for one in second.assertions] == [
        {"kind": "embedding", "name": "similar", "value": "x", "threshold": 0.9}
    ]
    assert first.sample.columns == {"q": "one", "prefix": "Please: "}
    assert [first.sample.id, second.sample.id] == ["0", "1"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("q,__expected\na,javascript:1\n", r"t\.csv:2: javascript"),
        ("q,__expected\na,rouge-n(0.5):x\n", "rouge-n"),
        ("q,__odd\na,1\n", "column __odd is not supported"),
        ("q,__expected,__config:__expected:weight\na,b,much\n", "holds no number"),
    ],
)
def test_what_a_line_asks_for_in_vain_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        items("csv", written(tmp_path, text), path="t.csv")


def test_plain_columns_stay_text(tmp_path: Path) -> None:
    (item,) = items("csv", written(tmp_path, "id,answer,n\n007,Paris,1.0\n"), path="t.csv", expected="answer")
    assert (item.sample.id, item.sample.expected, item.sample.columns["n"]) == ("007", "Paris", "1.0")


def test_fields_may_be_divided_by_something_else(tmp_path: Path) -> None:
    (item,) = items("csv", written(tmp_path, "id;q\n1;a, b\n"), path="t.csv", delimiter=";")
    assert item.sample.columns == {"id": "1", "q": "a, b"}
