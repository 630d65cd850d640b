import gzip
from pathlib import Path

import pytest

from llmctl.errors import ConfigError, UsageError
from llmctl.evals.datasets.lines import csv_rows, file_rows, jsonl_rows
from tests.evals.datasets.opened import items


def test_gzipped_or_not(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1}\n\n{"id": 2}\n')
    (tmp_path / "b.jsonl.gz").write_bytes(gzip.compress(b'{"id": 1}\n\n{"id": 2}\n'))
    for name in ("a.jsonl", "b.jsonl.gz"):
        rows = list(file_rows(tmp_path / name))
        assert [row.columns["id"] for row in rows] == [1, 2]
        assert rows[1].where == f"{tmp_path / name}:3"


@pytest.mark.parametrize(
    ("text", "said"), [('{"a": 1}\n{"a": ', r"x:2: is not JSON"), ("[1]\n", "x:1: must be an obj")]
)
def test_a_line_that_is_no_object_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "x").write_text(text)
    with pytest.raises(ConfigError, match=said):
        list(jsonl_rows(tmp_path / "x"))


def test_csv_has_quotes_and_breaks_in_them(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b'\xef\xbb\xbfid,text\r\n1,"one, ""two""\n\nthree"\r\n2\r\n')
    rows = list(file_rows(tmp_path / "a.csv"))
    assert [row.columns for row in rows] == [{"id": "1", "text": 'one, "two"\n\nthree'}, {"id": "2", "text": ""}]
    assert rows[1].where.endswith("a.csv:5")


@pytest.mark.parametrize(
    ("raw", "said"),
    [(b"a,b\n1,2,3\n", "x.csv:2: has 3 fields"), (b"a,a\n1,2\n", "twice"), (b'a\n"open\n', "quotes")],
)
def test_bad_csv_is_named(tmp_path: Path, raw: bytes, said: str) -> None:
    (tmp_path / "x.csv").write_bytes(raw)
    with pytest.raises(ConfigError, match=said):
        list(csv_rows(tmp_path / "x.csv"))


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_bytes(b"a\n\xff\n")
    with pytest.raises(UsageError, match=r"x\.csv:2: is not UTF-8"):
        list(csv_rows(tmp_path / "x.csv"))
    with pytest.raises(UsageError, match=r"none\.jsonl"):
        list(jsonl_rows(tmp_path / "none.jsonl"))


def test_files_are_joined_by_id(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"id": 1, "q": "a"}\n{"id": 2, "q": "b"}\n')
    (tmp_path / "o.csv").write_text("key,out\n2,two\n1,one\n")
    join = {"path": "o.csv", "id": "key", "columns": {"out": "output"}}
    found = items("jsonl", tmp_path, path="p.jsonl", join=[join])
    assert [item.sample.columns for item in found] == [
        {"id": 1, "q": "a", "output": "one"},
        {"id": 2, "q": "b", "output": "two"},
    ]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        ('{"id": 1}', r"p\.jsonl:2: .*o\.jsonl has no id '2'; `missing: true`"),
        ('{"id": 1, "q": "other"}\n{"id": 2}', "has another 'q'; rename it"),
        ('{"id": 1}\n{"id": 1}', r"o\.jsonl:2: the id '1' is there before"),
        ('{"key": 1}', "no column 'id' to join by"),
    ],
)
def test_what_does_not_join_is_refused(tmp_path: Path, other: str, said: str) -> None:
    (tmp_path / "p.jsonl").write_text('{"id": 1, "q": "a"}\n{"id": 2, "q": "b"}\n')
    (tmp_path / "o.jsonl").write_text(other)
    with pytest.raises(ConfigError, match=said):
        items("jsonl", tmp_path, path="p.jsonl", join=[{"path": "o.jsonl"}])


def test_items_may_lack_the_other_files_columns(tmp_path: Path) -> None:
    (tmp_path / "p.jsonl").write_text('{"id": 1}\n{"id": 2}\n')
    (tmp_path / "o.jsonl").write_text('{"id": 2, "x": 1}\n')
    found = items("jsonl", tmp_path, path="p.jsonl", join=[{"path": "o.jsonl", "missing": True}])
    assert [item.sample.columns.get("x") for item in found] == [None, 1]
