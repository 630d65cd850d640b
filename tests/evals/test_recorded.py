import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import UsageError
from llmctl.evals.journal import Journal
from llmctl.evals.recorded import Recorded, RecordedOptions
from llmctl.model.usage import UNPRICED, Cost
from llmctl.scoring.result import Result, Run


def recorded(folder: Path, lines: list[Any], name: str = "r.jsonl", **options: Any) -> Recorded:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (folder / name).write_bytes(gzip.compress(text.encode()) if name.endswith("gz") else text.encode())
    return Recorded(RecordedOptions(path=name, **options), folder)


@pytest.mark.parametrize("name", ["r.jsonl", "r.jsonl.gz"])
def test_answers_by_item(tmp_path: Path, name: str) -> None:
    found = recorded(tmp_path, [{"id": 1, "output": "yes"}, {"id": "b", "output": "no"}], name)
    assert [found.answer(item, 0).output for item in ("1", "b")] == ["yes", "no"]
    assert found.answer("1", 0).cost == UNPRICED
    assert found.answer("c", 0).error == "not_recorded"
    assert len(found) == 2


def test_columns_of_what_it_took(tmp_path: Path) -> None:
    row = {"q": "a", "said": "x", "usd": "0.25", "s": 1.5, "in": 10, "out": 3, "who": "m1", "ok": True, "model": "m"}
    named = {"cost": "usd", "seconds": "s", "prompt_tokens": "in", "completion_tokens": "out", "model": "who"}
    found = recorded(tmp_path, [row], id="q", output="said", scores={"correct": "ok"}, **named).answer("a", 0)
    assert (found.output, found.cost, found.seconds, found.model) == ("x", Cost(0.25, "exact"), 1.5, "m1")
    assert (found.usage.prompt, found.usage.completion, found.scores) == (10, 3, {"correct": 1.0})


def test_repeats_are_further_lines_and_where_chooses(tmp_path: Path) -> None:
    rows = [{"id": "a", "model": m, "output": f"{m}{n}"} for n in range(2) for m in ("x", "y")]
    found = recorded(tmp_path, rows, where={"model": "y"})
    assert [found.answer("a", repeat).output for repeat in range(2)] == ["y0", "y1"]
    assert "has 2 answers" in found.answer("a", 2).detail


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ([{"id": "a"}], {}, r"r\.jsonl:1: has no column 'output'; it has id"),
        ([{"output": "a"}], {}, "has no column 'id'"),
        ([{"id": "a", "output": "", "usd": "dear"}], {"cost": "usd"}, "column 'usd' holds no number"),
        ([{"id": "a", "output": "", "ok": 7}], {"scores": {"c": "ok"}}, "column 'ok' holds no score from 0 to 1"),
        ([[1]], {}, r"r\.jsonl:1: is not an object"),
        ([{"id": "a", "output": ""}], {"where": {"model": "z"}}, "has no answers that fit"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, rows: list[Any], options: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        recorded(tmp_path, rows, **options)


def test_a_file_that_is_not_there_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.jsonl: cannot be read: No such file"):
        Recorded(RecordedOptions(path="none.jsonl"), tmp_path)
    (tmp_path / "x").write_text('{"id": 1, "output": ""}\n\n{nope\n')
    with pytest.raises(UsageError, match="x:3: is not JSON"):
        Recorded(RecordedOptions(path="x"), tmp_path)


def test_a_results_file_gives_the_answers_of_a_variant(tmp_path: Path) -> None:
    journal = Journal(tmp_path, Run("s", "d", ["a", "b"], 1, 1, 0, 1.0, "0.1"))
    for variant in "ab":
        journal.append(Result("i", 0, 0, variant, 1.0, True, output=f"of {variant}", cost=Cost(0.5, "exact")))
    journal.finish(complete=True)
    journal.close()
    found = Recorded(RecordedOptions(path="results.jsonl", variant="b"), tmp_path)
    assert (found.answer("i", 0).output, found.answer("i", 0).cost) == ("of b", Cost(0.5, "exact"))


def test_the_identity_is_of_what_is_in_the_files_and_how_it_is_read(tmp_path: Path) -> None:
    one = recorded(tmp_path, [{"id": "a", "output": "x"}])
    assert recorded(tmp_path, [{"id": "a", "output": "x"}]).identity == one.identity
    assert recorded(tmp_path, [{"id": "a", "output": "y"}]).identity != one.identity
    assert recorded(tmp_path, [{"id": "a", "output": "x"}], output="id").identity != one.identity
