"""Datasets: `TABLE` lists the kinds, `open_dataset` gives a suite's items."""

from collections.abc import Iterator
from pathlib import Path

from llmctl.evals.datasets.base import Columns, Dataset, Item, items
from llmctl.evals.datasets.csv import Csv
from llmctl.evals.datasets.inline import Inline
from llmctl.evals.datasets.jsonl import Jsonl
from llmctl.evals.datasets.openai_evals import OpenAIEvals
from llmctl.evals.datasets.records import Records

TABLE: dict[str, type[Dataset]] = {
    "inline": Inline,
    "jsonl": Jsonl,
    "csv": Csv,
    "openai_evals": OpenAIEvals,
    "records": Records,
}


def open_dataset(kind: str, options: Columns, folder: Path, seed: int = 0) -> Iterator[Item]:
    """Items of a dataset whose options were decoded by `TABLE[kind].Options`. Raises UsageError, `file:line: what`."""
    return items(TABLE[kind](options, folder), options, seed)
