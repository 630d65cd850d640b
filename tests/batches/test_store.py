import os
from pathlib import Path

import pytest

from llmctl.batches.objects import WINDOW, Batch
from llmctl.batches.shelf import Shelf
from llmctl.batches.store import ABANDONED, Store
from llmctl.errors import InvalidRequest, UnknownPath
from llmctl.testing.clock import ManualClock
from tests.batches.conftest import CHAT

KEEP = 1000.0


def made(folder: Path, clock: ManualClock) -> Store:
    store = Store(folder, KEEP, clock)
    store.open()
    return store


def uploaded(shelf: Shelf, data: bytes = b"x", stays: int | None = None) -> str:
    upload = shelf.upload()
    upload.write(data)
    file = shelf.add(upload, "x", stays)
    upload.close()
    return file.id


def queued(shelf: Shelf, file: str) -> Batch:
    batch = shelf.new_batch("acme", "", 0, CHAT, file)
    shelf.enqueue(batch)
    return batch


def test_tenants_have_shelves_of_their_own(tmp_path: Path) -> None:
    store = made(tmp_path, ManualClock())
    ident = uploaded(store.shelf("acme"))
    assert store.shelf("acme").data(ident).read_bytes() == b"x"
    for tenant in ("Acme", "acme/", "../acme", "a" * 128):
        with pytest.raises(UnknownPath):
            store.shelf(tenant).file(ident)


@pytest.mark.parametrize("ident", ["../../x", "file-", "file-x", "", "file-" + "0" * 45 + "\n", "batch_" + "0" * 45])
def test_what_is_no_id_is_not_looked_for(tmp_path: Path, ident: str) -> None:
    shelf = made(tmp_path, ManualClock()).shelf("acme")
    with pytest.raises(UnknownPath):
        shelf.file(ident)
    with pytest.raises(UnknownPath):
        shelf.batch(ident)


def test_the_lane_is_one_holders(tmp_path: Path) -> None:
    first, second = made(tmp_path, ManualClock()), made(tmp_path, ManualClock())
    assert first.take_lane()
    assert first.take_lane()
    assert not second.take_lane()
    first.release_lane()
    assert second.take_lane()
    second.release_lane()


def test_a_file_that_a_batch_reads_stays(tmp_path: Path) -> None:
    clock = ManualClock()
    store = made(tmp_path, clock)
    shelf = store.shelf("acme")
    batch = queued(shelf, uploaded(shelf))
    with pytest.raises(InvalidRequest, match=batch.id):
        shelf.delete(batch.input_file_id)
    clock.advance(KEEP + 1)
    store.sweep()
    assert shelf.data(batch.input_file_id).exists()
    shelf.ended(batch.on("completed", clock.wall()))
    assert store.queue() == []
    clock.advance(KEEP - 1)
    store.sweep()
    assert shelf.file(batch.input_file_id)
    clock.advance(1)
    store.sweep()
    assert not shelf.data(batch.input_file_id).exists()
    with pytest.raises(UnknownPath):
        shelf.batch(batch.id)


def test_sweeping_leaves_what_is_to_stay(tmp_path: Path) -> None:
    clock = ManualClock()
    store = made(tmp_path, clock)
    shelf = store.shelf("acme")
    brief, plain, long = uploaded(shelf, stays=3600), uploaded(shelf), uploaded(shelf, stays=7200)
    batch = queued(shelf, long)
    clock.advance(3600)
    store.sweep()
    assert [one.id for one in shelf.all_files()] == [long]
    assert brief != plain
    assert [ident for ident, _ in store.queue()] == [batch.id]
    clock.advance(WINDOW + KEEP + ABANDONED)
    store.sweep()
    assert (store.queue(), list(shelf.all_batches())) == ([], [])


def test_what_was_never_completed_goes(tmp_path: Path) -> None:
    clock = ManualClock(wall=1e9)
    store = made(tmp_path, clock)
    shelf = store.shelf("acme")
    upload = shelf.upload()
    orphan = upload.path.parent / "file-1.data"
    orphan.write_bytes(b"x")
    for path in (upload.path, orphan):
        os.utime(path, (1e9 - ABANDONED, 1e9 - ABANDONED))
    store.sweep()
    assert os.listdir(upload.path.parent) == []
    upload.close()
