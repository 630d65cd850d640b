"""Entries in memory, the least recently used leave first when they come to too many bytes."""

from collections import OrderedDict
from collections.abc import Iterator

from llmctl.cache.entry import Entry


class Memory:
    """A mapping from keys to entries with a bound in bytes. Not for several threads."""

    def __init__(self, limit: int) -> None:
        """`limit` in bytes of `Entry.size`; 0 keeps nothing."""
        self.limit = limit
        self.bytes = 0
        self._entries: OrderedDict[bytes, Entry] = OrderedDict()

    def get(self, key: bytes) -> Entry | None:
        """The entry, which becomes the most recently used."""
        entry = self._entries.get(key)
        if entry is not None:
            self._entries.move_to_end(key)
        return entry

    def put(self, entry: Entry) -> None:
        """Keep an entry in the place of any other of its key. One larger than the limit is not kept."""
        self.remove(entry.key)
        if entry.size > self.limit:
            return
        self._entries[entry.key] = entry
        self.bytes += entry.size
        while self.bytes > self.limit:
            _, oldest = self._entries.popitem(last=False)
            self.bytes -= oldest.size

    def remove(self, key: bytes) -> None:
        """Forget a key, if it is there."""
        entry = self._entries.pop(key, None)
        if entry is not None:
            self.bytes -= entry.size

    def clear(self, tenant: str | None = None) -> None:
        """Forget everything, or everything of one tenant."""
        for key in [key for key, entry in self._entries.items() if tenant is None or entry.tenant == tenant]:
            self.remove(key)

    def __len__(self) -> int:
        return len(self._entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())
