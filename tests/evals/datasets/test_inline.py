from pathlib import Path

from llmctl.evals.datasets.inline import Inline, InlineOptions


def test_rows_say_where_they_stand() -> None:
    options = InlineOptions.model_validate({"items": [{"a": 1}, {"a": 2}]})
    rows = list(Inline().rows(options, Path("."), lambda path: f"suite.yaml:{3 + int(path[-1])}: "))
    assert [(row.where, row.columns) for row in rows] == [("suite.yaml:3", {"a": 1}), ("suite.yaml:4", {"a": 2})]
