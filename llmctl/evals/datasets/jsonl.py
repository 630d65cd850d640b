"""Items in lines of JSON."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import ClassVar

from llmctl.evals.datasets.base import At, DatasetOptions, Row
from llmctl.evals.datasets.lines import FileOptions, joined, jsonl_rows


class JsonlOptions(FileOptions):
    """Files of JSON lines, an object each."""


class Jsonl:
    """Rows are the objects."""

    Options: ClassVar[type[DatasetOptions]] = JsonlOptions

    def rows(self, options: DatasetOptions, folder: Path, at: At) -> Iterator[Row]:
        """In the files' order. Raises ConfigError, UsageError."""
        assert isinstance(options, JsonlOptions)
        return joined(chain.from_iterable(map(jsonl_rows, options.paths(folder))), options, folder)
