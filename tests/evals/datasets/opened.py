"""Datasets for tests: a kind, its options as YAML has them, and the items that come."""

from pathlib import Path
from typing import Any

from llmctl.evals.datasets.base import Item, dataset, open_dataset


def items(kind: str, folder: Path = Path("."), **raw: Any) -> list[Item]:
    made = dataset(kind)
    return list(open_dataset(made, made.Options.model_validate(raw), folder))


def ids(kind: str, folder: Path = Path("."), **raw: Any) -> list[str]:
    return [item.sample.id for item in items(kind, folder, **raw)]
