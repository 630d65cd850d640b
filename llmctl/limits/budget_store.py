"""What budgets have spent, kept over restarts: one JSON file, replaced as a whole."""

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from llmctl.config.schema_cost import BudgetConfig
from llmctl.errors import StoreError
from llmctl.limits.budget import Row, Subject, Sums, zone_of

FILE = "budgets.json"
LOCK = "lock"
VERSION = 1
SAVE_EVERY = 1.0
WARN_EVERY = 60.0
Key = tuple[str, str, tuple[str, ...], str]


class SavedRow(Struct, frozen=True):
    """One subject in one period; dollars. `reserved` is for people: what was under way is not under way again."""

    subject: tuple[str, ...]
    window: str
    spent: float
    unpriced: int = 0
    reserved: float = 0.0


class SavedBudget(Struct, frozen=True):
    """A budget's rows, and what they were counted by."""

    name: str
    every: str
    per: tuple[str, ...]
    timezone: str
    rows: list[SavedRow]

    @property
    def key(self) -> Key:
        """Equal for budgets whose sums are the same."""
        return self.name, self.every, self.per, self.timezone


class Snapshot(Struct, frozen=True):
    """All that was spent, at the epoch second `at`."""

    at: float
    budgets: list[SavedBudget]
    v: int = VERSION


def key_of(name: str, config: BudgetConfig) -> Key:
    """What makes a budget's sums: with another limit they go on, with another period they begin anew."""
    return name, config.every, tuple(config.per), config.timezone


def read(folder: Path) -> Snapshot | None:
    """What the folder holds; None where nothing was saved yet. Raises StoreError for a file that is damaged."""
    path = folder / FILE
    try:
        found = msgspec.json.decode(path.read_bytes(), type=Snapshot)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise StoreError(f"{path}: cannot be read: {error}") from None
    if found.v != VERSION:
        raise StoreError(f"{path}: is of version {found.v}, and this is a gateway for version {VERSION}")
    return found


def write(folder: Path, data: bytes) -> None:
    """Replace the file, and have it on the disk. Raises OSError."""
    path = folder / FILE
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    directory = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class Book:
    """The sums of all budgets in one folder, shared by the gateways before and after a reload."""

    def __init__(self, folder: Path, wall: Callable[[], float], warn: Callable[[str], None]) -> None:
        """`warn` is told, in one sentence, of what is damaged or cannot be written. Touches nothing on disk."""
        self.folder = folder
        self._wall, self._warn = wall, warn
        self._sums: dict[Key, Sums] = {}
        self._saved: dict[Key, SavedBudget] = {}
        self._at: float | None = None
        self._filled: set[Key] = set()
        self._users = 0
        self._lock = -1
        self._task: asyncio.Task[None] | None = None
        self._written = -1
        self._warned = float("-inf")

    def sums(self, name: str, config: BudgetConfig) -> Sums:
        """Those that go on, or new ones."""
        key = key_of(name, config)
        if key not in self._sums:
            self._sums[key] = Sums(config.every, zone_of(config.timezone), self._wall)
        return self._sums[key]

    async def open(self) -> None:
        """For another user: the first locks the folder and reads it. Raises StoreError."""
        self._users += 1
        if self._users > 1:
            return
        try:
            await asyncio.to_thread(self._open)
        except BaseException:
            self._users -= 1
            raise
        self._task = asyncio.create_task(self._saving())

    def fill(self, name: str, config: BudgetConfig) -> float | None:
        """Take up what was saved; the epoch second since which records tell what was spent, None if all is there."""
        key = key_of(name, config)
        if key in self._filled:
            return None
        self._filled.add(key)
        sums = self._sums[key]
        window, saved = sums.window(), self._saved.get(key)
        if saved is None or self._at is None or self._at > sums.now:
            return window.start
        for row in saved.rows:
            if row.window == window.name:
                told = 2 if row.spent >= config.usd else 1 if row.spent >= config.soft * config.usd else 0
                sums.rows[row.subject] = Row(row.window, row.spent, row.unpriced, told=told)
        return max(self._at, window.start)

    async def close(self) -> None:
        """The last user's: save and let go of the folder."""
        self._users -= 1
        if self._users:
            return
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.save()
        os.close(self._lock)
        self._lock = -1
        self._saved, self._at = {}, None
        self._filled.clear()

    async def save(self) -> None:
        """Write what is known now, off the loop. A disk that takes nothing is told of once a minute."""
        changed = sum(sums.changed for sums in self._sums.values())
        data = msgspec.json.encode(self.snapshot())
        try:
            await asyncio.to_thread(write, self.folder, data)
        except OSError as error:
            now = self._wall()
            if not 0 <= now - self._warned < WARN_EVERY:
                self._warned = now
                self._warn(f"{self.folder}: what budgets have spent cannot be saved: {error.strerror or error}")
            return
        self._written = changed

    def snapshot(self) -> Snapshot:
        """As of now. Budgets that are no longer configured are kept as they were read."""
        budgets = [saved for key, saved in self._saved.items() if key not in self._filled]
        for key in self._filled:
            name, every, per, timezone = key
            budgets.append(SavedBudget(name, every, per, timezone, _rows(self._sums[key])))
        return Snapshot(self._wall(), budgets)

    async def _saving(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY)
            if sum(sums.changed for sums in self._sums.values()) != self._written:
                await self.save()

    def _open(self) -> None:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.folder.chmod(0o700)
            self._lock = os.open(self.folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise StoreError(f"budgets.dir {self.folder}: {error.strerror or error}; name a folder of ours") from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            self._lock = -1
            raise StoreError(
                f"budgets.dir {self.folder}: another gateway keeps its budgets there; stop it, or name another folder"
            ) from None
        try:
            found = read(self.folder)
        except StoreError as error:
            aside = self.folder / f"{FILE}.damaged-{self._wall():.0f}"
            (self.folder / FILE).replace(aside)
            self._warn(f"{error.message}; it is set aside as {aside.name}, and records say what was spent")
            return
        if found is not None:
            self._at = found.at
            self._saved = {budget.key: budget for budget in found.budgets}


def _rows(sums: Sums) -> list[SavedRow]:
    window = sums.window().name
    current: list[tuple[Subject, Row]] = [(subject, sums.row(subject)) for subject in list(sums.rows)]
    return [SavedRow(subject, window, row.spent, row.unpriced, row.held) for subject, row in current]
