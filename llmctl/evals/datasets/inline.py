"""Items that stand in the suite."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from llmctl.evals.datasets.base import At, DatasetOptions, Row


class InlineOptions(DatasetOptions):
    """A few items."""

    items: list[dict[str, Any]] = Field(description="Columns by name.")


class Inline:
    """Rows are the items."""

    Options: ClassVar[type[DatasetOptions]] = InlineOptions

    def rows(self, options: DatasetOptions, folder: Path, at: At) -> Iterator[Row]:
        """In the suite's order."""
        assert isinstance(options, InlineOptions)
        for number, columns in enumerate(options.items):
            yield Row(at(("items", number)).rstrip(": "), columns)
