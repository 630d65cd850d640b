from pathlib import Path

import pytest

from llmctl.batches.shelf import Shelf
from llmctl.batches.store import Store
from llmctl.errors import InvalidRequest, StoreError, UnknownPath
from llmctl.testing.clock import ManualClock
from tests.batches.test_store import queued, uploaded


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def shelf(tmp_path: Path, clock: ManualClock) -> Shelf:
    store = Store(tmp_path, 1000.0, clock)
    store.open()
    return store.shelf("acme")


def test_ids_sort_by_time_and_are_not_guessed(shelf: Shelf, clock: ManualClock) -> None:
    ids = []
    for _ in range(20):
        ids.append(shelf.new_id("file-"))
        clock.advance(1e-5)
    assert ids == sorted(ids)
    assert len({each[-32:] for each in ids}) == 20


def test_pages_of_files(shelf: Shelf, clock: ManualClock) -> None:
    made = []
    for _ in range(5):
        made.append(uploaded(shelf))
        clock.advance(1)
    shelf.delete(made.pop(2))
    found, more = shelf.files(None, 3, rising=False, purpose=None)
    assert ([one.id for one in found], more) == (made[:0:-1], True)
    found, more = shelf.files(found[-1].id, 3, rising=False, purpose="batch")
    assert ([one.id for one in found], more) == (made[:1], False)
    assert shelf.files(made[0], 10, rising=True, purpose="batch_output") == ([], False)
    with pytest.raises(InvalidRequest, match="after"):
        shelf.files("../x", 3, rising=True, purpose=None)


def test_a_file_that_has_expired_is_gone_at_once(shelf: Shelf, clock: ManualClock) -> None:
    ident = uploaded(shelf)
    clock.advance(1000)
    with pytest.raises(UnknownPath):
        shelf.file(ident)
    assert shelf.files(None, 9, rising=True, purpose=None) == ([], False)


def test_an_upload_that_is_given_up_leaves_nothing(shelf: Shelf) -> None:
    upload = shelf.upload()
    upload.write(b"x")
    upload.close()
    assert not upload.path.exists()


def test_to_cancel_is_to_ask_for_it(shelf: Shelf) -> None:
    batch = queued(shelf, uploaded(shelf))
    assert shelf.cancel(batch.id).status == "cancelling"
    assert shelf.cancel(batch.id).cancelling_at is not None
    shelf.save(batch.on("in_progress", 1))
    assert shelf.batch(batch.id).status == "cancelling"
    for status in ("finalizing", "cancelled"):
        shelf.save(batch.on(status, 1))
        assert shelf.batch(batch.id).status == status
    with pytest.raises(InvalidRequest, match="is cancelled"):
        shelf.cancel(batch.id)
    assert [one.id for one in shelf.batches(None, 5)[0]] == [batch.id]


def test_results_become_a_file_however_often_it_is_tried(shelf: Shelf, tmp_path: Path) -> None:
    ident = shelf.new_id("file-")
    uploaded(shelf)  # makes the folder
    (tmp_path / "out").write_bytes(b"line\n")
    for _ in range(2):
        shelf.adopt(tmp_path / "out", ident, "out.jsonl", None)
    file = shelf.file(ident)
    assert (file.bytes, file.purpose, shelf.data(ident).read_bytes()) == (5, "batch_output", b"line\n")


def test_what_is_not_ours_is_named(shelf: Shelf) -> None:
    batch = queued(shelf, uploaded(shelf))
    (shelf.folder(batch.id) / "batch.json").write_bytes(b"{}")
    with pytest.raises(StoreError, match=r"batch\.json"):
        shelf.batch(batch.id)
