import gzip
from pathlib import Path

import msgspec
import pytest

from llmctl.errors import UsageError
from llmctl.evals.results.read import read_results
from tests.evals.made import answers, run_of

FOUND = run_of(answers([1.0, 0.0], "old"), answers([0.5, None], "new"))
LINES = [msgspec.json.encode(FOUND.run), *map(msgspec.json.encode, FOUND.results)]


def written(path: Path, *lines: bytes, end: bytes = b"\n") -> Path:
    path.write_bytes(b"\n".join(lines) + end)
    return path


def test_a_file_is_read_back_gzipped_or_not(tmp_path: Path) -> None:
    plain = written(tmp_path / "r.jsonl", *LINES)
    zipped = tmp_path / "r.jsonl.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    assert read_results(plain) == read_results(zipped) == FOUND
    assert FOUND.variants == ["old", "new"]
    assert [result.score for result in FOUND.of("new")] == [0.5, None]


def test_a_torn_last_line_is_passed_over_and_the_last_answer_counts(tmp_path: Path) -> None:
    again = msgspec.json.encode(msgspec.structs.replace(FOUND.results[1], score=1.0))
    found = read_results(written(tmp_path / "r.jsonl", *LINES, again, b'{"item": "i', end=b""))
    assert len(found.results) == 4
    assert [result.score for result in found.of("old")] == [1.0, 1.0]


def test_answers_are_in_the_order_of_the_dataset(tmp_path: Path) -> None:
    found = read_results(written(tmp_path / "r.jsonl", LINES[0], *LINES[:0:-1]))
    assert [result.item for result in found.of("old")] == ["i0", "i1"]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([b"{}"], r"r\.jsonl:1: is no results file of `llmctl eval`"),
        ([b""], r"r\.jsonl:1: is no results file of `llmctl eval`"),
        ([LINES[0], LINES[1], b"[]"], r"r\.jsonl:3: is no result"),
        ([LINES[0], b"\xff\xfe", LINES[1]], r"r\.jsonl:2: is no result"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, lines: list[bytes], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        read_results(written(tmp_path / "r.jsonl", *lines))


def test_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_results(tmp_path / "none.jsonl")
    broken = tmp_path / "r.jsonl.gz"
    broken.write_bytes(gzip.compress(b"\n".join(LINES))[:-20])
    with pytest.raises(UsageError, match="cannot be read"):
        read_results(broken)
