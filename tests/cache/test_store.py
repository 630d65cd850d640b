import asyncio
import pickle
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.cache.entry import Codec, Entry
from llmctl.cache.store import Store
from llmctl.cache.store_disk import ASIDE, DATABASE, BytesDisk, DiskStore
from llmctl.errors import StoreError
from llmctl.testing.clock import ManualClock

KEY = b"k" * 16
MB = 1 << 20


def entry(clock: ManualClock, **more: Any) -> Entry:
    given: dict[str, Any] = {"key": KEY, "partition": b"p" * 16, "tenant": "acme", "raw": b'{"id":"1"}', "model": "m"}
    return Entry(**{**given, "created": clock.wall(), "ttl": 60.0, "stale": 30.0, **more})


class Kept:
    """Stores on one folder, one after the other."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = ManualClock()
        self.warnings: list[str] = []
        self.open: list[Store] = []

    async def store(self, memory: int = MB, limit: int = 10 * MB, secret: bytes = b"") -> Store:
        store = Store(memory, self.clock, self.warnings.append)
        await store.open(self.folder, limit, Codec(secret))
        self.open.append(store)
        return store

    def execute(self, statement: str, *values: Any) -> None:
        connection = sqlite3.connect(self.folder / DATABASE)
        with connection:
            connection.execute(statement, values)
        connection.close()


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Kept]:
    kept = Kept(tmp_path / "cache")
    yield kept
    for store in kept.open:
        await store.close()


async def test_it_survives_a_restart(kept: Kept) -> None:
    first = await kept.store()
    one = entry(kept.clock, text="Where?", vector=b"\0\0")
    await first.put(one)
    assert first.peek(KEY, "acme") is not None
    await first.close()
    second = await kept.store()
    assert second.peek(KEY, "acme") is None
    found = await second.get(KEY, "acme")
    assert found is not None
    assert found.entry == one
    assert second.peek(KEY, "acme") is not None, "it is in memory now"
    assert await second.entries() == [msgspec.structs.replace(one, raw=b"")]
    assert kept.warnings == []


async def test_time_passes(kept: Kept) -> None:
    store = await kept.store()
    await store.put(entry(kept.clock))
    for seconds, state in ((0, False), (59, False), (1, True), (29, True)):
        kept.clock.advance(seconds)
        found = await store.get(KEY, "acme")
        assert found is not None
        assert found.stale is state
    kept.clock.advance(1)
    assert store.peek(KEY, "acme") is None
    assert await store.get(KEY, "acme") is None
    assert await store.entries() == []
    assert await store.expire() == 1
    assert (await store.stats()).disk_entries == 0


async def test_a_tenant_never_gets_anothers(kept: Kept) -> None:
    store = await kept.store()
    await store.put(entry(kept.clock))
    assert store.peek(KEY, "other") is None
    assert await store.get(KEY, "other") is None
    cold = await kept.store(memory=0)
    assert await cold.get(KEY, "other") is None
    assert "another tenant" in kept.warnings[-1]
    assert await cold.get(KEY, "acme") is not None, "its own is still there"


async def test_an_entry_moved_to_another_tenants_key_is_not_served(kept: Kept) -> None:
    store = await kept.store(memory=0)
    await store.put(entry(kept.clock))
    kept.execute("UPDATE Cache SET key = ?, tag = 'other'", sqlite3.Binary(b"o" * 16))
    await store.look_round(anew=True)
    assert await store.get(b"o" * 16, "other") is None
    assert "another key" in kept.warnings[-1]


class Bomb:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (exec, ("raise SystemExit('a pickle was loaded')",))


@pytest.mark.parametrize("mode", [1, 2, 3, 4])
async def test_foreign_values_are_set_aside(kept: Kept, mode: int) -> None:
    store = await kept.store(memory=0)
    await store.put(entry(kept.clock))
    kept.execute("UPDATE Cache SET mode = ?, value = ?", mode, sqlite3.Binary(pickle.dumps(Bomb())))
    assert await store.get(KEY, "acme") is None
    assert "set aside" in kept.warnings[-1]
    assert (kept.folder / ASIDE / f"{KEY.hex()}.bin").is_file()
    assert (await store.stats()).disk_entries == 0


async def test_a_folder_that_was_there_is_closed_to_others(tmp_path: Path) -> None:
    (folder := tmp_path / "cache").mkdir(mode=0o755)
    store = DiskStore(folder, 10 * MB, Codec(), print)
    assert folder.stat().st_mode & 0o777 == 0o700
    store.close()
    folder.chmod(0o755)
    DiskStore(folder, 10 * MB, Codec(), print, guest=True).close()
    assert folder.stat().st_mode & 0o777 == 0o755  # a guest changes nothing


async def test_foreign_keys_are_set_aside(kept: Kept) -> None:
    store = await kept.store(memory=0)
    await store.put(entry(kept.clock))
    kept.execute("UPDATE Cache SET raw = 0, key = ?", sqlite3.Binary(pickle.dumps(Bomb())))
    assert await store.entries() == []
    assert (await store.stats()).disk_entries == 0
    assert "set aside" in kept.warnings[-1]


async def test_a_file_that_the_database_names_is_neither_read_nor_removed(kept: Kept, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"mine")
    store = await kept.store(memory=0)
    await store.put(entry(kept.clock))
    kept.execute("UPDATE Cache SET mode = 2, filename = '../secret', value = NULL")
    assert await store.get(KEY, "acme") is None
    await store.put(entry(kept.clock))
    await store.purge()
    assert secret.read_bytes() == b"mine"


@pytest.mark.parametrize("where", [0, 3, 4, 19, 20, -1])
async def test_corrupted_entries_are_set_aside(kept: Kept, where: int) -> None:
    store = await kept.store(memory=0)
    one = entry(kept.clock)
    await store.put(one)
    data = bytearray(Codec().encode(one))
    data[where] ^= 1
    kept.execute("UPDATE Cache SET value = ?", sqlite3.Binary(bytes(data)))
    assert await store.get(KEY, "acme") is None
    assert (kept.folder / ASIDE / f"{KEY.hex()}.bin").read_bytes() == data
    await store.put(one)
    assert await store.get(KEY, "acme") is not None


async def test_a_database_that_is_none_is_set_aside(kept: Kept) -> None:
    kept.folder.mkdir()
    (kept.folder / DATABASE).write_bytes(b"not a database" * 100)
    store = await kept.store()
    await store.put(entry(kept.clock))
    assert "begun anew" in kept.warnings[0]
    assert (kept.folder / ASIDE / f"{DATABASE}.0").read_bytes().startswith(b"not a database")
    assert (await store.stats()).disk_entries == 1


async def test_a_secret_keeps_forged_entries_out(kept: Kept) -> None:
    await (await kept.store(secret=b"one")).put(entry(kept.clock))
    assert await (await kept.store(memory=0, secret=b"two")).get(KEY, "acme") is None
    assert "checksum" in kept.warnings[-1]


async def test_the_disk_keeps_its_size(kept: Kept) -> None:
    store = await kept.store(memory=0, limit=MB)
    for at in range(400):
        await store.put(entry(kept.clock, key=at.to_bytes(16, "big"), raw=bytes(10_000)))
    stats = await store.stats()
    assert stats.disk_bytes is not None
    assert stats.disk_entries is not None
    assert stats.disk_bytes < 1.2 * MB
    assert 30 < stats.disk_entries < 110
    assert await store.get((399).to_bytes(16, "big"), "acme") is not None, "the newest stay"
    await store.put(entry(kept.clock, raw=bytes(MB)))
    assert await store.get(KEY, "acme") is None, "one too large is not kept"


async def test_purge(kept: Kept) -> None:
    store = await kept.store()
    await store.put(entry(kept.clock))
    await store.put(entry(kept.clock, key=b"o" * 16, tenant="other"))
    assert await store.purge("acme") == 1
    assert await store.get(KEY, "acme") is None
    assert await store.get(b"o" * 16, "other") is not None
    await store.remove(b"o" * 16)
    assert await store.get(b"o" * 16, "other") is None
    assert await store.purge() == 0


async def test_what_is_purged_while_it_is_read_does_not_come_back(kept: Kept) -> None:
    await (await kept.store()).put(entry(kept.clock))
    store = await kept.store()
    reading = asyncio.create_task(store.get(KEY, "acme"))
    await asyncio.sleep(0)
    await store.purge()
    assert await reading is None
    assert store.peek(KEY, "acme") is None


async def test_a_disk_that_fails_is_no_outage(kept: Kept) -> None:
    store = await kept.store()
    kept.execute("DROP TABLE Cache")
    one = entry(kept.clock)
    await store.put(one)
    assert await store.get(KEY, "acme") is not None, "from memory"
    assert await store.get(b"o" * 16, "acme") is None
    assert "disk fails" in kept.warnings[0]


async def test_a_folder_that_cannot_be(kept: Kept, tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    with pytest.raises(StoreError, match="cannot be opened"):
        await kept.store()


async def test_without_a_disk(kept: Kept) -> None:
    store = Store(MB, kept.clock, kept.warnings.append)
    await store.put(entry(kept.clock))
    assert await store.get(KEY, "acme") is not None
    assert len(await store.entries()) == 1
    assert (await store.stats()).disk_entries is None
    assert await store.expire() == 0
    assert await store.purge("acme") == 1
    await store.close()


def test_only_bytes_are_written(tmp_path: Path) -> None:
    disk = BytesDisk(str(tmp_path))
    for value in ("text", 1, 1.5, None, [b""]):
        with pytest.raises(TypeError):
            disk.store(value, False)
        with pytest.raises(TypeError):
            disk.put(value)


tenants = st.sampled_from(["acme", "beta", ""])


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(tenants, tenants, st.integers(0, 3)), max_size=12))
def test_isolation_whatever_is_written(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, str, int]]
) -> None:
    disk = DiskStore(tmp_path_factory.mktemp("cache"), 10 * MB, Codec(), lambda said: None)
    clock = ManualClock()
    owners: dict[bytes, str] = {}
    for writer, reader, number in steps:
        key = bytes([number]) * 16
        disk.put([entry(clock, key=key, tenant=writer, raw=writer.encode())])
        owners[key] = writer
        found = disk.get(key, reader)
        assert (found is not None) == (owners[key] == reader)
        assert found is None or found.raw == reader.encode()
    disk.close()


async def test_what_is_kept_without_waiting_is_on_disk_at_the_end(kept: Kept) -> None:
    first = await kept.store()
    first.keep(entry(kept.clock))
    assert first.peek(KEY, "acme") is not None
    await first.close()
    found = await (await kept.store()).get(KEY, "acme")
    assert found is not None
    assert found.entry.raw == b'{"id":"1"}'


async def test_a_disk_that_is_far_behind_gets_no_more(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llmctl.cache.store.MOST_WAITING", 0)
    store = await kept.store()
    store.keep(entry(kept.clock))
    assert store.unwritten == 1
    assert store.peek(KEY, "acme") is not None
    assert (await store.stats()).disk_entries == 0


async def test_what_another_process_keeps_is_found_after_a_look_round(kept: Kept) -> None:
    mine, theirs = await kept.store(), await kept.store()
    await theirs.put(entry(kept.clock))
    assert await mine.get(KEY, "acme") is None
    await mine.look_round()
    assert await mine.get(KEY, "acme") is not None
    await theirs.purge()
    await theirs.put(entry(kept.clock, key=b"o" * 16))
    await mine.look_round(anew=True)
    assert await mine.get(b"o" * 16, "acme") is not None


async def test_many_kept_at_once_are_all_on_disk(kept: Kept) -> None:
    store = await kept.store(memory=0)
    keys = [at.to_bytes(16, "big") for at in range(300)]
    for at, key in enumerate(keys):
        store.keep(entry(kept.clock, key=key))
        if not at % 50:
            await asyncio.sleep(0.001)
    await store.close()
    found = await kept.store()
    assert [await found.get(key, "acme") is not None for key in keys] == [True] * 300


async def test_a_guest_leaves_alone_what_it_cannot_read(kept: Kept) -> None:
    await (await kept.store(secret=b"one")).put(entry(kept.clock))
    guest = Store(0, kept.clock, kept.warnings.append)
    await guest.open(kept.folder, MB, Codec(), guest=True)
    assert await guest.entries() == []
    assert await guest.get(KEY, "acme") is None
    await guest.close()
    assert kept.warnings == []
    assert await (await kept.store(secret=b"one")).get(KEY, "acme") is not None


async def test_places_that_were_given_to_others_are_looked_at_again(kept: Kept) -> None:
    mine, theirs = await kept.store(), await kept.store()
    for at in range(5):
        await theirs.put(entry(kept.clock, key=bytes([at]) * 16))
    await mine.look_round()
    await theirs.purge()
    await theirs.put(entry(kept.clock, key=b"n" * 16))
    await mine.look_round()
    assert await mine.get(b"n" * 16, "acme") is not None


async def test_what_is_not_for_memory_is_on_disk_alone(kept: Kept) -> None:
    store = await kept.store()
    store.keep(entry(kept.clock), memory=False)
    assert store.peek(KEY, "acme") is None
    assert await store.get(KEY, "acme") is not None
