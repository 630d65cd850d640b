"""What a dataset is: rows of a file, as items of a suite.

To add one: a new file with an `Options` model and a class with the methods of `Dataset`, and a line in `TABLE`.
"""

import importlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any, ClassVar, NamedTuple, Protocol

from pydantic import Field, ValidationError

from llmctl.config.explain import nearest
from llmctl.config.finding import KeyPath
from llmctl.config.section import Section
from llmctl.errors import ConfigError
from llmctl.model.json import JsonObject
from llmctl.scoring.base import Assertion, Sample

TABLE: dict[str, str] = {
    "inline": "inline:Inline",
    "jsonl": "jsonl:Jsonl",
    "csv": "csv:Csv",
    "promptfoo": "promptfoo:Promptfoo",
    "openai_evals": "openai_evals:OpenAIEvals",
    "records": "records:Records",
}
"""`module:Class` within llmctl.evals.datasets, by kind. Imported when one is asked for."""
Scalar = str | int | float | bool | None
At = Callable[[KeyPath], str]
"""Where a key of the suite's `dataset` stands, as `file:line: dataset.key: `."""


class DatasetOptions(Section):
    """What every kind takes: which columns mean something, and which items are taken. Prompts may use all columns.

    Items are chosen in this order: `where`, `shuffle`, `sample`, `limit`.
    """

    id: str = Field("id", description="Column with the item's id; items without are numbered from 0.")
    expected: str = Field("expected", description="Column with the reference answer.")
    cluster: str = Field("cluster", description="Column that items of one cluster share.")
    context: str = Field("context", description="Column with a passage, or a list of them.")
    messages: str = Field("messages", description="Column with the item's own messages.")
    tools: str = Field("tools", description="Column with the tools that its request offers.")
    assertions: str = Field("assertions", description="Column with the item's own scorers, as a suite lists them.")
    where: dict[str, Scalar | list[Scalar]] = Field(
        default_factory=dict, description="Only items whose columns have these values, or one of them."
    )
    shuffle: bool = Field(False, description="In an order that `seed` decides.")
    sample: int | None = Field(None, ge=1, description="So many, drawn at random by `seed`, in the dataset's order.")
    limit: int | None = Field(None, ge=1, description="The first so many.")
    seed: int = Field(0, description="Of `shuffle` and `sample`.")


class Row(NamedTuple):
    """A line of a dataset. `where` says where it stands, `file:line`; `assertions` are its own scorers."""

    where: str
    columns: Mapping[str, Any]
    assertions: tuple[Assertion, ...] = ()


class Item(NamedTuple):
    """An item. `assertions` count beside the suite's; `messages` and `tools` are its own request, if it has one."""

    sample: Sample
    assertions: tuple[Assertion, ...] = ()
    messages: Sequence[JsonObject] = ()
    tools: Sequence[JsonObject] = ()


class Dataset(Protocol):
    """A kind of dataset."""

    Options: ClassVar[type[DatasetOptions]]

    def rows(self, options: DatasetOptions, folder: Path, at: At) -> Iterator[Row]:
        """Rows in the file's order; paths are from `folder`, the suite's. Raises ConfigError, UsageError."""
        ...


def dataset(kind: str) -> Dataset:
    """The kind of that name. Raises ValueError."""
    place = TABLE.get(kind)
    if place is None:
        raise ValueError(f"no such kind of dataset{nearest(kind, list(TABLE))}")
    module, _, name = place.partition(":")
    made: Dataset = getattr(importlib.import_module(f"llmctl.evals.datasets.{module}"), name)()
    return made


def nowhere(path: KeyPath) -> str:
    """For datasets that stand in no file."""
    return f"dataset.{'.'.join(map(str, path))}: "


def open_dataset(kind: Dataset, options: DatasetOptions, folder: Path, at: At = nowhere) -> Iterator[Item]:
    """The chosen items. Raises ConfigError, UsageError naming the file and line, also for an id that is there twice.

    One after the other where nothing is shuffled or sampled.
    """
    items = _items(kind.rows(options, folder, at), options)
    chosen = (item for item in items if _fits(item.sample.columns, options.where))
    return _first(_drawn(chosen, options), options.limit)


def assertions_of(raw: Any, where: str) -> tuple[Assertion, ...]:
    """Scorers as a column lists them. Raises ConfigError."""
    if raw is None:
        return ()
    if not isinstance(raw, list):
        raise ConfigError([f"{where}: an item's scorers must be a list, as in a suite's `scorers`"])
    try:
        return tuple(Assertion.model_validate(one) for one in raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))
        raise ConfigError([f"{where}: a scorer of the item: {key}: {first['msg']}"]) from None


def _items(rows: Iterable[Row], options: DatasetOptions) -> Iterator[Item]:
    seen: dict[str, str] = {}
    for number, row in enumerate(rows):
        columns = row.columns
        sample = _sample(number, columns, options)
        if (before := seen.get(sample.id)) is not None:
            raise ConfigError(
                [f"{row.where}: the id {sample.id!r} is in {before} already; results are kept by it, so make it unique"]
            )
        seen[sample.id] = row.where
        own = (*row.assertions, *assertions_of(columns.get(options.assertions), row.where))
        yield Item(sample, own, _objects(columns, options.messages, row), _objects(columns, options.tools, row))


def _sample(number: int, columns: Mapping[str, Any], options: DatasetOptions) -> Sample:
    ident, context, cluster = (columns.get(name) for name in (options.id, options.context, options.cluster))
    passages = tuple(map(str, context)) if isinstance(context, list) else (str(context),) if context else ()
    return Sample(
        str(number) if ident is None else str(ident),
        {name: value for name, value in columns.items() if name != options.assertions},
        columns.get(options.expected),
        passages,
        "" if cluster is None else str(cluster),
    )


def _objects(columns: Mapping[str, Any], name: str, row: Row) -> Sequence[JsonObject]:
    found = columns.get(name)
    if not isinstance(found, list):
        return ()
    if not all(isinstance(one, dict) for one in found):
        raise ConfigError([f"{row.where}: column {name!r} must be a list of objects; set `{name}:` to another column"])
    return found


def _fits(columns: Mapping[str, Any], where: Mapping[str, Scalar | list[Scalar]]) -> bool:
    return all(
        columns.get(name) in wanted if isinstance(wanted, list) else columns.get(name) == wanted
        for name, wanted in where.items()
    )


def _drawn(items: Iterator[Item], options: DatasetOptions) -> Iterator[Item]:
    if not options.shuffle and options.sample is None:
        return items
    random, found = Random(options.seed), list(items)
    if options.shuffle:
        random.shuffle(found)
    if options.sample is not None and options.sample < len(found):
        found = [found[at] for at in sorted(random.sample(range(len(found)), options.sample))]
    return iter(found)


def _first(items: Iterator[Item], limit: int | None) -> Iterator[Item]:
    for number, item in enumerate(items, 1):
        yield item
        if number == limit:
            return
