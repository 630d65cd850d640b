"""JSON lines, and further files whose rows are joined to them by a column."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from llmctl.config.section import Section
from llmctl.errors import UsageError
from llmctl.evals.datasets.base import Columns, Table, json_rows


class JoinOptions(Section):
    """Another file, whose columns come to those of the rows with the same value."""

    path: str
    on: str = Field(description="Column that both have.")
    columns: list[str] | None = Field(None, description="Which of its columns. Default: all.")


class JsonlOptions(Columns):
    """Files and columns."""

    path: str = Field(description="Relative to the suite; gzipped or not.")
    join: list[JoinOptions] = Field(default_factory=list)
    where: dict[str, Any] = Field(default_factory=dict, description="Only rows whose columns have these values.")


class Jsonl(Table):
    """An object a line."""

    Options: ClassVar[type[Columns]] = JsonlOptions

    def __init__(self, options: Columns, folder: Path) -> None:
        assert isinstance(options, JsonlOptions)
        super().__init__(options, folder)
        self._options = options

    def rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Rows of the first file, those without a partner in the others left out. Raises UsageError."""
        others = [(join, self._other(join)) for join in self._options.join]
        for where, row in json_rows(self.folder / self._options.path):
            if any(row.get(name) != value for name, value in self._options.where.items()):
                continue
            merged: dict[str, Any] | None = row
            for join, known in others:
                if join.on not in row:
                    raise UsageError(f"{where}: there is no column {join.on!r} to join {join.path} on")
                more = known.get(_key(row[join.on]))
                merged = {**more, **merged} if more is not None and merged is not None else None
            if merged is not None:
                yield where, merged

    def _other(self, join: JoinOptions) -> dict[str, dict[str, Any]]:
        found = {}
        for where, row in json_rows(self.folder / join.path):
            if join.on not in row:
                raise UsageError(f"{where}: there is no column {join.on!r} to join on")
            wanted = row if join.columns is None else {name: row[name] for name in join.columns if name in row}
            found[_key(row[join.on])] = wanted
        return found


def _key(value: Any) -> str:
    return str(value)
