"""Samples of OpenAI's evals: `input`, messages or a text, and `ideal`, one answer or several.

Source: https://github.com/openai/evals, docs/build-eval.md
"""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from llmctl.errors import ConfigError
from llmctl.evals.datasets.base import At, DatasetOptions, Row
from llmctl.evals.datasets.lines import FileOptions, joined, jsonl_rows


class OpenAIEvalsOptions(FileOptions):
    """Files of JSON lines with `input` and `ideal`."""


class OpenAIEvals:
    """Rows have `input`, `ideal`, `expected` (the same) and `messages`, and whatever else a line holds."""

    Options: ClassVar[type[DatasetOptions]] = OpenAIEvalsOptions

    def rows(self, options: DatasetOptions, folder: Path, at: At) -> Iterator[Row]:
        """In the files' order. Raises ConfigError, UsageError."""
        assert isinstance(options, OpenAIEvalsOptions)
        rows = chain.from_iterable(map(jsonl_rows, options.paths(folder)))
        return joined((_read(row, options) for row in rows), options, folder)


def _read(row: Row, options: DatasetOptions) -> Row:
    given: Any = row.columns.get("input")
    if isinstance(given, str):
        messages = [{"role": "user", "content": given}]
    elif isinstance(given, list) and given and all(isinstance(one, dict) and "role" in one for one in given):
        messages = given
    else:
        raise ConfigError([f"{row.where}: `input` must be a text or a list of messages"])
    ideal = row.columns.get("ideal")
    columns = {**row.columns, options.messages: messages}
    if ideal is not None:
        columns.setdefault(options.expected, ideal)
    return Row(row.where, columns)
