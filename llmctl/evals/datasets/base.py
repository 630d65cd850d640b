"""Where a suite's items come from: one file per kind of dataset, read line by line.

To add one: a new file with an `Options` model and a `read`, and a line in `datasets/__init__.py`.
"""

import gzip
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NamedTuple, Protocol, TextIO

from pydantic import Field

from llmctl.config.section import Section
from llmctl.errors import UsageError
from llmctl.model.json import JsonObject
from llmctl.scoring.base import Assertion, Sample


class Item(NamedTuple):
    """An item: the sample, scorers for it alone, and the messages it brings itself (none: a prompt makes them)."""

    sample: Sample
    assertions: tuple[Assertion, ...] = ()
    messages: tuple[JsonObject, ...] = ()


class Columns(Section):
    """Which column is what; every column can be referred to by prompts and options whatever it is."""

    id: str | None = Field(None, description="Default: a column `id`, or else the row's number.")
    expected: str | None = Field(None, description="Reference answer. Default: a column `expected`, if there is one.")
    context: str | None = Field(None, description="Passages an answer may rest on: a text or a list of texts.")
    cluster: str | None = Field(None, description="Rows with the same value belong together: one document, one talk.")
    messages: str | None = Field(None, description="The request's messages. Default: a column `messages`.")
    limit: int | None = Field(None, ge=1, description="Items at most: the first, or with `sample` drawn ones.")
    sample: bool = Field(False, description="Draw `limit` items by the suite's seed instead of taking the first.")


class Dataset(Protocol):
    """A configured dataset."""

    Options: ClassVar[type[Columns]]

    def __init__(self, options: Columns, folder: Path) -> None:
        """Relative paths are from `folder`."""

    def rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """(where it stands, columns) of each row. Raises UsageError, `file:line: what`."""
        ...

    def item(self, where: str, number: int, row: Mapping[str, Any]) -> Item:
        """A row as an item. Raises UsageError."""
        ...


class Table:
    """What datasets of rows with columns have in common."""

    Options: ClassVar[type[Columns]] = Columns

    def __init__(self, options: Columns, folder: Path) -> None:
        self.options = options
        self.folder = folder

    def item(self, where: str, number: int, row: Mapping[str, Any]) -> Item:
        """By the options' columns."""
        options = self.options
        ident = row.get(options.id or "id")
        if options.id is not None and ident is None:
            raise UsageError(f"{where}: there is no column {options.id!r}; there are {', '.join(map(str, row))}")
        messages = row.get(options.messages or "messages")
        sample = Sample(
            str(number if ident is None else ident),
            dict(row),
            self._column(where, row, options.expected, "expected"),
            passages(self._column(where, row, options.context, "context")),
            str(self._column(where, row, options.cluster, None) or ""),
        )
        return Item(sample, (), messages_of(where, messages) if messages is not None else ())

    def _column(self, where: str, row: Mapping[str, Any], named: str | None, usual: str | None) -> Any:
        if named is not None and named not in row:
            raise UsageError(f"{where}: there is no column {named!r}; there are {', '.join(map(str, row))}")
        return row.get(named or usual or "")


def items(dataset: Dataset, options: Columns, seed: int) -> Iterator[Item]:
    """The dataset's items. Raises UsageError, also for an id that is there twice."""
    seen: dict[str, str] = {}
    every = _drawn(dataset, options, seed) if options.sample else _first(dataset.rows(), options.limit)
    for number, where, row in every:
        item = dataset.item(where, number, row)
        if before := seen.get(item.sample.id):
            raise UsageError(f"{where}: the id {item.sample.id!r} is that of {before} too; ids name items")
        seen[item.sample.id] = where
        yield item


def _first(rows: Iterable[tuple[str, Mapping[str, Any]]], limit: int | None) -> Iterator[tuple[int, str, Any]]:
    for number, (where, row) in enumerate(rows):
        if limit is not None and number >= limit:
            return
        yield number, where, row


def _drawn(dataset: Dataset, options: Columns, seed: int) -> Iterator[tuple[int, str, Any]]:
    """`limit` rows in their order, each as likely as any: the file is read twice and never held."""
    count = sum(1 for _ in dataset.rows())
    chosen = frozenset(Random(seed).sample(range(count), min(count, options.limit or count)))
    for number, (where, row) in enumerate(dataset.rows()):
        if number in chosen:
            yield number, where, row


def messages_of(where: str, value: Any) -> tuple[JsonObject, ...]:
    """A request's messages: a list, the JSON of one, or a text, which is one user message. Raises UsageError."""
    if isinstance(value, str):
        try:
            found = json.loads(value)
        except ValueError:
            return ({"role": "user", "content": value},)
        value = found if isinstance(found, list) else [{"role": "user", "content": value}]
    if not isinstance(value, list) or not all(isinstance(one, dict) and "role" in one for one in value) or not value:
        raise UsageError(f"{where}: messages are a list of {{role, content}}")
    return tuple(value)


def passages(value: Any) -> tuple[str, ...]:
    """Texts that an answer may rest on."""
    if value is None or value == "":
        return ()
    return tuple(map(str, value)) if isinstance(value, list | tuple) else (str(value),)


@contextmanager
def opened(path: Path) -> Iterator[TextIO]:
    """A file's text, gzipped or not. Raises UsageError for what cannot be read."""
    try:
        with path.open("rb") as file:
            zipped = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt", encoding="utf-8-sig") if zipped else path.open(encoding="utf-8-sig") as text:
            yield text
    except FileNotFoundError:
        raise UsageError(f"{path}: there is no such file") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise UsageError(f"{path}: cannot be read: {said}") from None


def json_rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(where, object) of each line that is not blank. Raises UsageError."""
    with opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                raise UsageError(f"{path}:{number}: is not JSON") from None
            if not isinstance(row, dict):
                raise UsageError(f"{path}:{number}: is not an object")
            yield f"{path}:{number}", row
