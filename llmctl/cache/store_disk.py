"""Entries on disk: diskcache, holding nothing but bytes that we wrote.

diskcache pickles by default, keeps large values in files that its database names, and removes such files; a database
that somebody else wrote could make it run code, or read and remove files anywhere. `BytesDisk` does none of this.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from diskcache import Cache, Disk, Timeout

from llmctl.cache.entry import Codec, Entry, Unreadable
from llmctl.errors import StoreError

RAW: Final = 1
DATABASE = "cache.db"
ASIDE = "aside"
MAX_ASIDE = 100

Warn = Callable[[str], None]
"""Told, in one sentence, what was found and what was done about it. May be called from another thread."""


class BytesDisk(Disk):  # type: ignore[misc]
    """Keys and values are bytes within the database; anything else that is found there is empty bytes to its reader."""

    def put(self, key: Any) -> tuple[Any, bool]:
        """A key for the database."""
        if type(key) is not bytes:
            raise TypeError("cache keys are bytes")
        return sqlite3.Binary(key), True

    def get(self, key: Any, raw: bool) -> bytes:
        """A key from the database."""
        return bytes(key) if raw and isinstance(key, bytes | memoryview) else b""

    def store(self, value: Any, read: bool, key: Any = None) -> tuple[int, int, None, Any]:
        """A value for the database."""
        if read or type(value) is not bytes:
            raise TypeError("cache values are bytes")
        return 0, RAW, None, sqlite3.Binary(value)

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> bytes:
        """A value from the database; never a file, never a pickle."""
        fine = mode == RAW and filename is None and not read and isinstance(value, bytes | memoryview)
        return bytes(value) if fine else b""

    def remove(self, file_path: str) -> None:
        """Nothing: we keep no files, and a name in the database may be any file's."""


class DiskStore:
    """Blocking: for one thread. Every method raises StoreError where the disk fails: full, locked, taken away."""

    def __init__(self, folder: Path, limit: int, codec: Codec, warn: Warn, *, guest: bool = False) -> None:
        """`limit` in bytes, within some pages. A database that cannot be read is set aside, and a new one begun.

        A `guest` leaves entries alone that it cannot read: they may be sealed with a secret that it does not know.
        """
        self.folder = folder.absolute()
        self._limit = limit
        self._codec = codec
        self._warn = warn
        self._guest = guest
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not guest:
                with suppress(PermissionError):  # another user's folder, which lets us write
                    self.folder.chmod(0o700)
            self._cache = self._opened()
        except (OSError, sqlite3.Error) as error:
            raise StoreError(f"{self.folder}: the cache cannot be opened: {error}") from None

    def get(self, key: bytes, tenant: str) -> Entry | None:
        """The entry, of whatever age; None where there is none, or none that is readable and this tenant's."""
        with self._failing():
            data = self._cache.get(key)
            return None if data is None else self._read(key, data, tenant)
        return None

    def put(self, entries: Iterable[Entry]) -> None:
        """Keep entries; the longest kept leave when there are too many bytes. One over a quarter is not kept."""
        with self._failing(), self._cache.transact():  # one transaction for all: half of what an entry costs
            for entry in entries:
                data = self._codec.encode(entry)
                if len(data) <= self._limit // 4:
                    self._cache.set(entry.key, data, tag=entry.tenant)

    def keys(self, after: int = 0) -> tuple[list[bytes], int]:
        """Keys that came after a place, anybody's, and the place up to which these are."""
        with self._failing():
            (last,) = self._cache._sql("SELECT coalesce(max(rowid), 0) FROM Cache").fetchone()
            after = after if last >= after else 0  # what was removed leaves its place to others
            rows = self._cache._sql("SELECT rowid, key FROM Cache WHERE rowid > ? AND raw = 1", (after,)).fetchall()
            return [bytes(key) for _, key in rows], last
        return [], 0

    def remove(self, key: bytes) -> None:
        """Forget a key, if it is there."""
        with self._failing():
            self._cache.delete(key)

    def every_key(self) -> list[bytes]:
        """All keys; those that are not ours are empty."""
        with self._failing():
            return list(self._cache.iterkeys())
        return []

    def entries(self, keys: Iterable[bytes], with_raw: Callable[[Entry], bool]) -> list[Entry]:
        """Their entries, without `raw` unless `with_raw` wants it; what is not readable is set aside."""
        with self._failing():
            found = self._entries(keys)
            return [entry if with_raw(entry) else msgspec.structs.replace(entry, raw=b"") for entry in found]
        return []

    def purge(self, tenant: str | None = None) -> int:
        """Remove everything, or everything of one tenant; how many that were."""
        with self._failing():
            return int(self._cache.clear() if tenant is None else self._cache.evict(tenant))
        return 0

    def expire(self, keys: Iterable[bytes], now: float) -> int:
        """Remove what of them may no longer be served; how many that were."""
        with self._failing():
            dead = [entry.key for entry in self._entries(keys) if entry.state(now) == "dead"]
            for key in dead:
                self._cache.delete(key)
            return len(dead)
        return 0

    def sizes(self) -> tuple[int, int]:
        """Entries, and bytes of the database."""
        with self._failing():
            return len(self._cache), int(self._cache.volume())
        return 0, 0

    def close(self) -> None:
        """Close the database. Of no use afterwards."""
        self._cache.close()

    def _opened(self) -> Cache:
        try:
            return self._open()
        except (sqlite3.DatabaseError, ValueError, TypeError, AttributeError, KeyError) as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
            self._move_database(error)
            return self._open()

    def _open(self) -> Cache:
        # What is given here overrides what a database of somebody else's says.
        cache = Cache(
            str(self.folder),
            disk=BytesDisk,
            timeout=10,
            size_limit=self._limit,
            eviction_policy="least-recently-stored",
            cull_limit=10,
            statistics=0,
            tag_index=1,
            sqlite_auto_vacuum=1,
            sqlite_synchronous=1,
            sqlite_journal_mode="wal",
            disk_min_file_size=1 << 30,
            disk_pickle_protocol=0,
        )
        len(cache)
        return cache

    @contextmanager
    def _failing(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.OperationalError, Timeout, OSError) as error:
            raise StoreError(f"{self.folder}: the cache's disk fails: {error or type(error).__name__}") from None
        except sqlite3.DatabaseError as error:
            self._cache.close()
            self._move_database(error)
            self._cache = self._open()

    def _entries(self, keys: Iterable[bytes]) -> Iterator[Entry]:
        for key in keys:
            data = self._cache.get(key) if key else b""
            if data is not None and (entry := self._read(key, data, None)) is not None:
                yield entry

    def _move_database(self, error: Exception) -> None:
        aside = self._aside()
        at = sum(1 for _ in aside.glob(f"{DATABASE}.*"))
        for path in sorted(self.folder.glob(f"{DATABASE}*")):
            path.rename(aside / f"{path.name}.{at}")
        self._warn(f"{self.folder}: {DATABASE} is not a cache of ours ({error}); set aside in {aside}, begun anew")

    def _read(self, key: bytes, data: bytes, tenant: str | None) -> Entry | None:
        try:
            return self._codec.decode(data, key, tenant)
        except Unreadable as found:
            if found.fault == "tenant":
                self._warn(f"{self.folder}: entry {key.hex()}: {found.message}; not served")
                return None
            if not self._guest:
                self._set_aside(key, data, found)
            return None

    def _set_aside(self, key: bytes, data: bytes, found: Unreadable) -> None:
        aside = self._aside()
        kept = ""
        if sum(1 for _ in aside.iterdir()) < MAX_ASIDE:
            (aside / f"{key.hex() or 'unknown'}.bin").write_bytes(data)
            kept = f", kept in {aside}"
        if key:
            self._cache.delete(key)
        else:
            with self._cache.transact():
                self._cache._sql("DELETE FROM Cache WHERE raw != 1 OR typeof(key) != 'blob'")
        self._warn(f"{self.folder}: entry {key.hex() or 'of an unknown key'}: {found.message}; set aside{kept}")

    def _aside(self) -> Path:
        aside = self.folder / ASIDE
        aside.mkdir(exist_ok=True, mode=0o700)
        return aside
