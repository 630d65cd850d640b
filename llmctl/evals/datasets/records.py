"""Items from what the gateway recorded: requests that people really sent, and what was answered."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from llmctl.config.section import Section
from llmctl.errors import ConfigError, UsageError
from llmctl.evals.datasets.base import At, DatasetOptions, Row
from llmctl.model.record import Record
from llmctl.scoring.base import Unscorable
from llmctl.scoring.recorded import output_of, sample_of
from llmctl.telemetry.reader import Filter, RecordReader, parse_when


class RecordsOptions(DatasetOptions):
    """Which records. Only those whose content was kept (`records.content: redacted`) can be asked again."""

    path: str = Field(description="Folder of the record store, from the suite's folder.")
    since: str | None = Field(None, description="From then on: 2026-01-31, or with a time and zone.")
    until: str | None = Field(None, description="Before then.")
    model: str | None = None
    tenant: str | None = None
    state: Literal["ok", "blocked", "failed", "aborted"] | None = "ok"
    answer: Literal["expected", "output"] = Field(
        "output", description="What the recorded answer is: the reference, or only a column `output`."
    )
    cluster_by: str = Field("session", description="The tag whose value items of one cluster share, else their trace.")


class Records:
    """Rows have `id`, `question`, `messages`, `tools`, `output`, `model`, `tenant`, and the record's tags."""

    Options: ClassVar[type[DatasetOptions]] = RecordsOptions

    def rows(self, options: DatasetOptions, folder: Path, at: At) -> Iterator[Row]:
        """In the order in which they ended. Raises ConfigError where a time is none, UsageError without records."""
        assert isinstance(options, RecordsOptions)
        path = folder / options.path
        if not path.is_dir():
            raise UsageError(f"{path}: there is no such folder; give the one of `records.path` in gateway.yaml")
        since, until = (_when(options, key, at) for key in ("since", "until"))
        wanted = Filter(since, until, options.tenant, options.model, options.state)
        seen = found = 0
        for record in RecordReader(path).read(wanted):
            seen += 1
            if not record.shadow_of and (row := _row(record, options, path)) is not None:
                found += 1
                yield row
        if seen and not found:
            raise UsageError(f"{path}: {seen} records, none with its messages; records.content: redacted keeps them")


def _row(record: Record, options: RecordsOptions, path: Path) -> Row | None:
    try:
        sample, output = sample_of(record), output_of(record)
    except Unscorable:
        return None
    columns: dict[str, Any] = {
        **sample.columns,
        "tenant": record.tenant,
        "output": output.text,
        options.id: record.id,
        options.messages: sample.columns["messages"],
        options.tools: list(output.tools),
        options.context: list(sample.context),
        options.cluster: record.tags.get(options.cluster_by) or sample.cluster or None,
    }
    if options.answer == "expected":
        columns[options.expected] = output.text
    return Row(f"{path}: record {record.id}", columns)


def _when(options: Section, key: str, at: At) -> float | None:
    given = getattr(options, key)
    if given is None:
        return None
    try:
        found = parse_when(given, math.nan)
    except ValueError as error:
        raise ConfigError([f"{at((key,))}{error}"]) from None
    if math.isnan(found):
        raise ConfigError([f"{at((key,))}write a date; items that change with the day cannot be resumed or compared"])
    return found
