"""OpenAI evals' samples: JSON lines with `input` and `ideal` (github.com/openai/evals, docs/build-eval.md)."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from llmctl.errors import UsageError
from llmctl.evals.datasets.base import Columns, Item, Table, json_rows, messages_of


class OpenAIEvalsOptions(Columns):
    """Where they lie."""

    path: str = Field(description="Relative to the suite; gzipped or not.")


class OpenAIEvals(Table):
    """`input` is a list of messages or a text, `ideal` the reference answer or several."""

    Options: ClassVar[type[Columns]] = OpenAIEvalsOptions

    def __init__(self, options: Columns, folder: Path) -> None:
        assert isinstance(options, OpenAIEvalsOptions)
        super().__init__(options, folder)
        self._path = folder / options.path

    def rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Raises UsageError."""
        return json_rows(self._path)

    def item(self, where: str, number: int, row: Mapping[str, Any]) -> Item:
        """Raises UsageError where there is no `input`."""
        if "input" not in row:
            raise UsageError(f"{where}: there is no `input`: a list of messages or a text")
        item = super().item(where, number, {**row, "expected": row.get("ideal")})
        return item._replace(messages=messages_of(where, row["input"]))
