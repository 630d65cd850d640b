"""Rows of JSONL and CSV files, plain or gzipped, read line by line; and several files joined by an id."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import Field

from llmctl.config.section import Section
from llmctl.errors import ConfigError, UsageError
from llmctl.evals.datasets.base import DatasetOptions, Row
from llmctl.model.json import UNDECODABLE, decode
from llmctl.telemetry.rows import raw_lines

LONGEST_FIELD = 16 * 1024**2
"""Characters in a field of CSV; the csv module's own limit is for all its users, so it is only ever raised."""


class JoinOptions(Section):
    """Another file whose columns are added to the items with the same id."""

    path: str = Field(description="JSONL or CSV, from the suite's folder.")
    id: str = Field("id", description="Column of that file with the item's id.")
    columns: dict[str, str] | None = Field(
        None, description="Which of its columns, and what they are called here. Default: all, as they are."
    )
    missing: bool = Field(False, description="Items that the file does not have are taken without its columns.")


class FileOptions(DatasetOptions):
    """A file, or several of the same kind one after the other."""

    path: str | list[str] = Field(description="From the suite's folder; may be gzipped.")
    join: list[JoinOptions] = Field(default_factory=list, description="More columns, from other files.")

    def paths(self, folder: Path) -> list[Path]:
        """Of all files."""
        return [folder / one for one in ([self.path] if isinstance(self.path, str) else self.path)]


def jsonl_rows(path: Path) -> Iterator[Row]:
    """Each line an object. Raises ConfigError with file and line, UsageError for what cannot be read."""
    for number, line in raw_lines(path):
        where = f"{path}:{number}"
        try:
            found = decode(line)
        except UNDECODABLE as error:
            raise ConfigError([f"{where}: is not JSON ({error}); a line must be one object"]) from None
        if not isinstance(found, dict):
            raise ConfigError([f'{where}: must be an object, as {{"id": …}}'])
        yield Row(where, found)


def csv_rows(path: Path, delimiter: str = ",") -> Iterator[Row]:
    """Each record an object of texts, named by the first line. Raises as `jsonl_rows` does.

    A field in quotes may hold line breaks; `where` is the line in which a record ends. RFC 4180.
    """
    if csv.field_size_limit() < LONGEST_FIELD:
        csv.field_size_limit(LONGEST_FIELD)
    reader = csv.reader(_texts(path), delimiter=delimiter, strict=True)
    names: list[str] = []
    try:
        for record in reader:
            if not any(record):
                continue
            where = f"{path}:{reader.line_num}"
            if not names:
                names = _names(record, where)
                continue
            if len(record) > len(names):
                raise ConfigError(
                    [f"{where}: has {len(record)} fields, the first line names {len(names)}; quote commas"]
                )
            yield Row(where, dict(zip(names, [*record, *[""] * (len(names) - len(record))], strict=True)))
    except csv.Error as error:
        raise ConfigError([f"{path}:{reader.line_num}: is no CSV: {error}; check its quotes"]) from None


def file_rows(path: Path) -> Iterator[Row]:
    """By the file's name: `.csv`, `.csv.gz`, otherwise JSONL."""
    return csv_rows(path) if path.name.removesuffix(".gz").endswith(".csv") else jsonl_rows(path)


def joined(rows: Iterator[Row], options: FileOptions, folder: Path) -> Iterator[Row]:
    """With the columns of other files. Raises ConfigError where an id is not there, or a column is there already."""
    others = [(one, folder / one.path, _by_id(folder / one.path, one)) for one in options.join]
    for row in rows:
        ident = str(row.columns.get(options.id))
        columns = dict(row.columns)
        for one, path, found in others:
            if ident not in found:
                if one.missing:
                    continue
                raise ConfigError([f"{row.where}: {path} has no {one.id} {ident!r}; `missing: true` goes on without"])
            _add(columns, found[ident], row.where, path)
        yield row._replace(columns=columns)


def _add(columns: dict[str, Any], more: Mapping[str, Any], where: str, path: Path) -> None:
    for name, value in more.items():
        if name in columns and columns[name] != value:
            raise ConfigError([f"{where}: {path} has another {name!r}; rename it with `columns: {{{name}: NEW}}`"])
        columns[name] = value


def _by_id(path: Path, options: JoinOptions) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for row in file_rows(path):
        ident = row.columns.get(options.id)
        if ident is None:
            raise ConfigError([f"{row.where}: has no column {options.id!r} to join by; set `id:` of the join"])
        if str(ident) in found:
            raise ConfigError([f"{row.where}: the id {str(ident)!r} is there before; a join needs each once"])
        found[str(ident)] = _renamed(row, options)
    return found


def _renamed(row: Row, options: JoinOptions) -> Mapping[str, Any]:
    if options.columns is None:
        return {name: value for name, value in row.columns.items() if name != options.id}
    missing = [name for name in options.columns if name not in row.columns]
    if missing:
        raise ConfigError([f"{row.where}: has no column {missing[0]!r}; it has {', '.join(list(row.columns)[:12])}"])
    return {new: row.columns[name] for name, new in options.columns.items()}


def _texts(path: Path) -> Iterator[str]:
    last = 0
    for number, line in raw_lines(path):
        # blank lines are passed over there; within quotes they count
        yield from ["\n"] * (number - last - 1)
        last = number
        try:
            yield line.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError:
            raise UsageError(f"{path}:{number}: is not UTF-8; save it as UTF-8") from None


def _names(record: Sequence[str], where: str) -> list[str]:
    names = [name.strip() for name in record]
    twice = next((name for at, name in enumerate(names) if name in names[:at]), None)
    if twice is not None:
        raise ConfigError([f"{where}: the column {twice!r} is there twice; the first line names each once"])
    return names
