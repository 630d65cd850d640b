"""Items that stand in the suite itself."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from llmctl.errors import UsageError
from llmctl.evals.datasets.base import Columns, Item, Table
from llmctl.scoring.base import Assertion


class InlineOptions(Columns):
    """The items."""

    items: list[dict[str, Any]] = Field(min_length=1, description="Columns by name; `scorers` are for that item alone.")


class Inline(Table):
    """A mapping an item."""

    Options: ClassVar[type[Columns]] = InlineOptions

    def __init__(self, options: Columns, folder: Path) -> None:
        assert isinstance(options, InlineOptions)
        super().__init__(options, folder)
        self._items = options.items

    def rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """As they stand."""
        for number, item in enumerate(self._items):
            yield f"dataset.items[{number}]", item

    def item(self, where: str, number: int, row: Mapping[str, Any]) -> Item:
        """With its own scorers. Raises UsageError."""
        item = super().item(where, number, {name: value for name, value in row.items() if name != "scorers"})
        listed = row.get("scorers", [])
        if not isinstance(listed, list) or not all(isinstance(one, dict) and "kind" in one for one in listed):
            raise UsageError(f"{where}: scorers are a list of mappings with a `kind`")
        return item._replace(assertions=tuple(Assertion.model_validate(one) for one in listed))
