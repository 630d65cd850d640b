"""Which request is in which batch of a provider's, so that a crash or restart pays for nothing twice.

    <dir>/journal.jsonl     what was begun, uploaded, made, and given up, each line on the disk before the next step
    <dir>/<name>.jsonl      results as they were fetched

Everything here but `keep` blocks.
"""

from pathlib import Path

import msgspec
from msgspec import Struct, field

from llmctl.batches import disk
from llmctl.batches.disk import Journal
from llmctl.errors import StoreError
from llmctl.model.json import UNDECODABLE, encode

STAYS = 2 * 86400.0
"""Seconds after which nobody asks for a result any more: a batch has a day."""


class Entry(Struct, frozen=True, omit_defaults=True):
    """A line of the journal: all fields but `name` are only there where they are new."""

    name: str
    at: float = 0.0
    provider: str = ""
    url: str = ""
    ids: list[str] = field(default_factory=list)
    file: str = ""
    batch: str = ""
    gone: list[str] = field(default_factory=list)
    over: bool = False


class Kept(Struct):
    """What is known of a batch at a provider's. `lines` are its requests in their order."""

    name: str
    at: float
    provider: str
    url: str
    lines: list[str]
    ids: set[str]
    file: str = ""
    batch: str = ""

    def entry(self) -> Entry:
        """All of it as one line. Who is gone keeps a place, as lines are counted."""
        gone = [one for one in self.lines if one not in self.ids]
        return Entry(self.name, self.at, self.provider, self.url, self.lines, self.file, self.batch, gone)


class Ledger:
    """For one process at a time: the one that has the lane."""

    def __init__(self, folder: Path, now: float, token: str) -> None:
        """Reads what there is, drops what is old, and what was never uploaded. Raises OSError or StoreError."""
        disk.make_folder(folder)
        self._folder = folder
        path = folder / "journal.jsonl"
        self.found = {name: one for name, one in _read(path).items() if one.file and one.at + STAYS > now}
        for other in folder.iterdir():
            if other != path and other.name.removesuffix(".jsonl") not in self.found:
                other.unlink()
        disk.replace(path, b"".join(encode(one.entry()) + b"\n" for one in self.found.values()), lambda _: token)
        self._journal = Journal(path)

    async def keep(self, entry: Entry) -> None:
        """Returns once it is on the disk. Raises OSError."""
        await self._journal.append(encode(entry) + b"\n")

    def results(self, name: str) -> Path:
        """Where the results of a batch are, once they have been fetched."""
        return self._folder / f"{name}.jsonl"

    def close(self) -> None:
        """No more is kept."""
        self._journal.close()


def _read(path: Path) -> dict[str, Kept]:
    found: dict[str, Kept] = {}
    if not path.exists():
        return found
    with path.open("rb") as file:
        for raw in file:
            if not raw.endswith(b"\n"):  # a crash tore it
                break
            try:
                entry = msgspec.json.decode(raw, type=Entry)
            except UNDECODABLE:
                raise StoreError(
                    f"{path} is not what llmctl wrote; remove it: batches at providers are then lost"
                ) from None
            _apply(found, entry)
    return found


def _apply(found: dict[str, Kept], entry: Entry) -> None:
    if entry.over:
        found.pop(entry.name, None)
        return
    if entry.ids:
        ids = set(entry.ids)
        found[entry.name] = Kept(entry.name, entry.at, entry.provider, entry.url, entry.ids, ids)
    if (one := found.get(entry.name)) is not None:
        one.file, one.batch = entry.file or one.file, entry.batch or one.batch
        one.ids.difference_update(entry.gone)
