"""Traces of arrivals and lengths."""

import json
from pathlib import Path

import pytest

from llmctl.errors import UsageError
from llmctl.replay.traces import BYTES_PER_TOKEN, azure, mooncake

AZURE = [
    {"timestamp": "2023-11-16 18:17:03.9799600", "context_tokens": 600, "generated_tokens": 10},
    {"timestamp": "2023-11-16 18:17:05.4799600", "context_tokens": 20, "generated_tokens": 0},
]
MOONCAKE = [
    {"timestamp": 0, "input_length": 1500, "output_length": 6, "hash_ids": [0, 1, 2]},
    {"timestamp": 2500, "input_length": 1400, "output_length": 4, "hash_ids": [0, 1, 7]},
]


def written(folder: Path, rows: list[dict[str, object]]) -> Path:
    path = folder / "trace.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_azure(tmp_path: Path) -> None:
    first, second = azure(written(tmp_path, AZURE), "m")
    assert (first.at, round(second.at, 3)) == (0.0, 1.5)
    assert first.call is not None
    assert second.call is not None
    assert len(first.call.payload["messages"][0]["content"]) == 600 * BYTES_PER_TOKEN
    assert (first.call.payload["max_tokens"], second.call.payload["max_tokens"]) == (10, 1)
    assert first.call.payload["messages"][0]["content"][:80] != second.call.payload["messages"][0]["content"][:80]
    assert (first.before.usage.prompt, first.before.text) == (600, None)


def test_mooncake_shares_what_was_shared(tmp_path: Path) -> None:
    first, second = (one.call for one in mooncake(written(tmp_path, MOONCAKE), "m"))
    assert first is not None
    assert second is not None
    a, b = (call.payload["messages"][0]["content"] for call in (first, second))
    shared = 1024 * BYTES_PER_TOKEN
    assert a[:shared] == b[:shared]
    assert a[shared : shared + 200] != b[shared : shared + 200]
    assert (len(a), len(b)) == (1500 * BYTES_PER_TOKEN, 1400 * BYTES_PER_TOKEN)


def test_what_is_made_up_is_the_same_each_time(tmp_path: Path) -> None:
    path = written(tmp_path, AZURE)
    assert list(azure(path, "m")) == list(azure(path, "m"))


@pytest.mark.parametrize("read", [azure, mooncake])
def test_bad_rows_are_placed(read: object, tmp_path: Path) -> None:
    assert callable(read)
    with pytest.raises(UsageError, match=r"trace\.jsonl:1: is no row"):
        list(read(written(tmp_path, [{"timestamp": "soon"}]), "m"))
    with pytest.raises(UsageError, match="--model"):
        list(read(written(tmp_path, AZURE), None))


def test_absurd_lengths_are_refused(tmp_path: Path) -> None:
    row = {**MOONCAKE[0], "input_length": 10**9}
    with pytest.raises(UsageError, match=":1: a prompt of"):
        list(mooncake(written(tmp_path, [row]), "m"))
