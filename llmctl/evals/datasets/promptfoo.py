"""Tests of a promptfoo configuration, or of a file of its tests, as items with their own scorers."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from llmctl.evals.datasets.base import At, DatasetOptions, Row, assertions_of
from llmctl.evals.promptfoo import ASSERTIONS, COLUMNS, ID, imported, refused


class PromptfooOptions(DatasetOptions):
    """Which file. Prompts and providers in it are not taken: the suite has its own."""

    path: str = Field(description="promptfooconfig.yaml, from the suite's folder.")
    id: str = Field(ID, description="Column with the item's id: the test's number.")
    cluster: str = Field(COLUMNS["cluster"], description="Items spread from one test are one cluster.")
    expected: str = Field(COLUMNS["expected"], description="None, unless this names a variable.")
    context: str = Field(COLUMNS["context"], description="None, unless this names a variable.")
    messages: str = Field(COLUMNS["messages"], description="None, unless this names a variable.")
    tools: str = Field(COLUMNS["tools"], description="None, unless this names a variable.")
    assertions: str = Field(COLUMNS["assertions"], description="The test's own scorers.")
    unsupported: Literal["refuse", "skip"] = Field("refuse", description="What to do about what has no equal here.")


class Promptfoo:
    """Rows are its tests, with their variables as columns."""

    Options: ClassVar[type[DatasetOptions]] = PromptfooOptions

    def rows(self, options: DatasetOptions, folder: Path, at: At) -> Iterator[Row]:
        """In the file's order. Raises ConfigError, which lists all that is unsupported."""
        assert isinstance(options, PromptfooOptions)
        path = folder / options.path
        found = imported(path)
        if found.unsupported and options.unsupported == "refuse":
            raise refused(path, found.unsupported)
        for number, item in enumerate(found.tree["dataset"]["items"]):
            where = f"{path}: test {number + 1}"
            columns = {name: value for name, value in item.items() if name != ASSERTIONS}
            yield Row(where, columns, assertions_of(item[ASSERTIONS], where))
