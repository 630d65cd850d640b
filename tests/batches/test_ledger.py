"""What is known of providers' batches after a crash."""

from pathlib import Path

import pytest

from llmctl.batches.ledger import STAYS, Entry, Kept, Ledger
from llmctl.errors import StoreError

NOW = 1_000_000.0


def kept(name: str, at: float = NOW, **rest: str) -> Entry:
    return Kept(name, at, "up", "/v1/x", ["a", "b"], {"a", "b"}, **rest).entry()


async def test_what_was_kept_is_found(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "p", NOW, "t")
    await ledger.keep(kept("one", file="f1"))
    await ledger.keep(Entry("one", batch="b1"))
    await ledger.keep(Entry("one", gone=["a"]))
    await ledger.keep(kept("two", file="f2"))
    await ledger.keep(Entry("two", over=True))
    await ledger.keep(kept("three"))  # never uploaded
    await ledger.keep(kept("old", NOW - STAYS, file="f4"))
    for name in ("one", "two", "old"):
        ledger.results(name).write_bytes(b"{}\n")
    ledger.close()
    for _ in range(2):  # what was rewritten reads the same
        again = Ledger(tmp_path / "p", NOW, "t")
        again.close()
        assert again.found == {"one": Kept("one", NOW, "up", "/v1/x", ["a", "b"], {"b"}, "f1", "b1")}
        assert sorted(path.name for path in (tmp_path / "p").iterdir()) == ["journal.jsonl", "one.jsonl"]


async def test_a_torn_last_line_is_none_and_garbage_is_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, NOW, "t")
    await ledger.keep(kept("one", file="f1"))
    ledger.close()
    path = tmp_path / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b'{"name":"o')
    again = Ledger(tmp_path, NOW, "t")
    again.close()
    assert set(again.found) == {"one"}
    path.write_bytes(b"what?\n")
    with pytest.raises(StoreError, match="remove it"):
        Ledger(tmp_path, NOW, "t")
