import csv
from io import StringIO

from llmctl.evals.results.table import as_csv
from tests.evals.made import answers, run_of
from tests.evals.results.hostile import FORMULA, SCRIPT, hostile


def test_a_line_per_answer_with_a_column_per_metric() -> None:
    rows = list(csv.DictReader(StringIO(as_csv(hostile()))))
    assert len(rows) == 8
    first = rows[0]
    assert (first["variant"], first["item"], first["score"], first["passed"]) == (SCRIPT, SCRIPT, "1.0", "True")
    assert (first["metric:tone"], first["cost_usd"], first["prompt_tokens"]) == ("1.0", "0.001", "12")
    assert (rows[2]["error"], rows[2]["score"], rows[2]["cost_usd"]) == ("timeout", "", "")


def test_nothing_runs_in_a_spreadsheet() -> None:
    text = as_csv(hostile())
    rows = list(csv.reader(StringIO(text)))
    assert not [cell for row in rows for cell in row if cell.lstrip().startswith(("=", "@", "+"))]
    assert rows[5][0] == f"'{FORMULA}"
    assert "\x1b" not in text


def test_an_expected_object_is_json() -> None:
    (row,) = csv.DictReader(StringIO(as_csv(run_of(answers([1.0], expected={"a": [1]})))))
    assert row["expected"] == '{"a": [1]}'
