"""DuckDB, bounded and offline. Importing this module does not import it: that takes 0.1 s, for nothing elsewhere."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llmctl.errors import StoreError, UsageError

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MEMORY_MB = 1500
WANTED = "this needs DuckDB, which is not installed: pip install 'duckdb>=2.0,<3'"


Row = tuple[Any, ...]


class Database:
    """One in-memory DuckDB. A failure of its own is a StoreError that says what was being done."""

    def __init__(self, connection: "DuckDBPyConnection", failure: type[Exception]) -> None:
        self._connection = connection
        self._failure = failure

    def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), *, doing: str) -> list[Row]:
        """The result of `sql`, as tuples. Raises StoreError: `doing` names the work, as in `reading x.parquet`."""
        try:
            return self._connection.execute(sql, parameters or None).fetchall()
        except self._failure as error:
            first = str(error).strip().partition("\n")[0]
            raise StoreError(f"{doing}: DuckDB says: {first}") from error

    def one(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = (), *, doing: str) -> Row:
        """The only row of the result."""
        return self.rows(sql, parameters, doing=doing)[0]

    def close(self) -> None:
        """Give the memory back."""
        self._connection.close()


@contextmanager
def database(*, memory_mb: int = MEMORY_MB, threads: int | None = None) -> Iterator[Database]:
    """A database that spills to a temporary folder beyond `memory_mb`. Raises UsageError without DuckDB."""
    try:
        import duckdb
    except ImportError:
        raise UsageError(WANTED) from None
    with tempfile.TemporaryDirectory(prefix="llmctl-reports-") as spill:
        options: dict[str, Any] = {
            "memory_limit": f"{memory_mb}MB",
            "temp_directory": spill,
            "preserve_insertion_order": "false",
            # Nothing is fetched: both formats are built in.
            "autoinstall_known_extensions": "false",
            "allow_community_extensions": "false",
        }
        if threads is not None:
            options["threads"] = threads
        found = Database(duckdb.connect(config=options), duckdb.Error)
        try:
            yield found
        finally:
            found.close()
