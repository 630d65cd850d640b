"""Items in CSV, with promptfoo's columns: `__expected` is what is asserted of the answer to that line.

Source: promptfoo's documentation, https://www.promptfoo.dev/docs/configuration/test-cases
"""

import re
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from llmctl.errors import ConfigError
from llmctl.evals.datasets.base import At, DatasetOptions, Row
from llmctl.evals.datasets.lines import FileOptions, csv_rows, joined
from llmctl.evals.promptfoo_assertions import Unsupported, assertions, from_text
from llmctl.scoring.base import Assertion

_EXPECTED = re.compile(r"__expected(\d*)")
_CONFIG = re.compile(r"__config:__expected(\d*):(threshold|weight|metric)")
_KNOWN = frozenset({"__prefix", "__suffix", "__description", "__metric"})


class CsvOptions(FileOptions):
    """Files of CSV with a first line of names. All values are text."""

    delimiter: str = Field(",", min_length=1, max_length=1, description="Between fields.")


class Csv:
    """Rows are the records. `__expected`, `__expected1` … and `__metric` become the item's own scorers.

    `__prefix`, `__suffix` and `__description` are columns `prefix`, `suffix`, `description`, for prompts to use. Other
    columns with two underscores are refused: nothing that a line asks for is passed over.
    """

    Options: ClassVar[type[DatasetOptions]] = CsvOptions

    def rows(self, options: DatasetOptions, folder: Path, at: At) -> Iterator[Row]:
        """In the files' order. Raises ConfigError, UsageError."""
        assert isinstance(options, CsvOptions)
        rows = chain.from_iterable(csv_rows(path, options.delimiter) for path in options.paths(folder))
        return joined((_read(row, options) for row in rows), options, folder)


def _read(row: Row, options: DatasetOptions) -> Row:
    """Raises ConfigError where a line asks for what cannot be."""
    plain = {name: value for name, value in row.columns.items() if not name.startswith("__")}
    special = {name: value for name, value in row.columns.items() if name.startswith("__") and value.strip()}
    try:
        own = own_assertions(special)
    except Unsupported as error:
        raise ConfigError([f"{row.where}: {error}"]) from None
    for name in ("prefix", "suffix", "description"):
        if f"__{name}" in row.columns:
            plain.setdefault(name, row.columns[f"__{name}"])
    # an id that is left empty is none: such items are numbered
    if plain.get(options.id) == "":
        plain.pop(options.id)
    return Row(row.where, plain, own)


def own_assertions(special: Mapping[str, str]) -> tuple[Assertion, ...]:
    """What the columns with two underscores assert. Raises Unsupported."""
    raw: dict[str, dict[str, Any]] = {}
    for name, value in special.items():
        if match := _EXPECTED.fullmatch(name):
            raw[match[1] or "1"] = from_text(value)
    for name, value in special.items():
        if match := _CONFIG.fullmatch(name):
            if (match[1] or "1") in raw:
                raw[match[1] or "1"][match[2]] = value if match[2] == "metric" else _number(name, value)
        elif name not in _KNOWN and not _EXPECTED.fullmatch(name):
            raise Unsupported(f"column {name} is not supported; remove or rename it")
    if "__metric" in special:
        raw = {key: {"metric": special["__metric"], **one} for key, one in raw.items()}
    return tuple(found for one in raw.values() for found in assertions(one, judge="judge"))


def _number(name: str, value: str) -> float:
    try:
        return float(value)
    except ValueError:
        raise Unsupported(f"column {name} holds no number") from None
