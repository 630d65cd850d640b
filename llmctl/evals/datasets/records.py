"""Records of live traffic: what was asked, with what was answered as the reference."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from llmctl.errors import UsageError
from llmctl.evals.datasets.base import Columns, Item
from llmctl.model.record import Record
from llmctl.scoring.base import Unscorable
from llmctl.scoring.recorded import output_of, sample_of
from llmctl.telemetry.reader import Filter, RecordReader


class RecordsOptions(Columns):
    """Which records."""

    path: str = Field(".llmctl/records", description="Folder of the record store, relative to the suite.")
    models: list[str] | None = Field(None, min_length=1, description="Models and routes asked for; all if absent.")


class Records:
    """An answered exchange an item; those whose content was not kept are passed over. Copies of others are too."""

    Options: ClassVar[type[Columns]] = RecordsOptions

    def __init__(self, options: Columns, folder: Path) -> None:
        assert isinstance(options, RecordsOptions)
        self._options = options
        self._folder = folder / options.path

    def rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Raises UsageError where there is no such folder, or nothing in it."""
        if not self._folder.is_dir():
            raise UsageError(f"{self._folder}: there is no such folder; `path` names a gateway's `records.dir`")
        wanted = self._options.models
        for record in RecordReader(self._folder).read(Filter()):
            if record.state != "ok" or record.shadow_of or record.request is None:
                continue
            if wanted is None or record.requested_model in wanted:
                yield f"{self._folder}: {record.id}", {"record": record}

    def item(self, where: str, number: int, row: Mapping[str, Any]) -> Item:
        """The request's messages; the answer is `expected`. Raises UsageError where it cannot be read."""
        record: Record = row["record"]
        try:
            sample, output = sample_of(record), output_of(record)
        except Unscorable as error:
            raise UsageError(f"{where}: {error}") from None
        columns = {name: value for name, value in sample.columns.items() if name != "messages"}
        options = self._options
        cluster = str(columns.get(options.cluster, "")) if options.cluster else sample.cluster
        made = type(sample)(record.id, columns, output.text, sample.context, cluster)
        return Item(made, (), tuple(output.messages))
