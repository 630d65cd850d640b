"""Comma-separated tables, with promptfoo's columns: `__expected`, `__expected1`, `__metric`, `__threshold`."""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from llmctl.errors import UsageError
from llmctl.evals.datasets.base import Columns, Item, Table, opened
from llmctl.scoring.base import Assertion

_EXPECTED = re.compile(r"__expected\d*")
_KIND = re.compile(
    r"(?P<not>not-)?(?P<kind>[a-z][a-z-]*)(?:\((?P<number>[0-9.]+)\))?(?:\s*:\s*(?P<value>.*))?", re.DOTALL
)
KINDS = {
    "equals": "equals", "contains": "contains", "icontains": "icontains", "contains-any": "contains-any",
    "contains-all": "contains-all", "icontains-any": "icontains-any", "icontains-all": "icontains-all",
    "starts-with": "starts-with", "regex": "regex", "is-json": "is-json", "contains-json": "contains-json",
    "levenshtein": "levenshtein", "bleu": "bleu", "similar": "embedding", "llm-rubric": "llm-rubric",
    "grade": "llm-rubric", "factuality": "factuality", "is-refusal": "refusal", "cost": "cost", "latency": "latency",
}  # fmt: skip
"""Ours by promptfoo's name."""
BARE = frozenset({"is-json", "contains-json", "refusal", "cost", "latency"})


class CsvOptions(Columns):
    """File and columns."""

    path: str = Field(description="Relative to the suite; gzipped or not.")
    delimiter: str = Field(",", min_length=1, max_length=1)


class Csv(Table):
    """A row an item; the first line names the columns."""

    Options: ClassVar[type[Columns]] = CsvOptions

    def __init__(self, options: Columns, folder: Path) -> None:
        assert isinstance(options, CsvOptions)
        super().__init__(options, folder)
        self._path, self._delimiter = folder / options.path, options.delimiter

    def rows(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        """Raises UsageError."""
        with opened(self._path) as text:
            reader = csv.DictReader(text, delimiter=self._delimiter, strict=True)
            try:
                for row in reader:
                    where = f"{self._path}:{reader.line_num}"
                    if None in row or None in row.values():
                        raise UsageError(f"{where}: has not as many columns as the first line")
                    yield where, row
            except csv.Error as error:
                raise UsageError(f"{self._path}:{reader.line_num}: {error}") from None

    def item(self, where: str, number: int, row: Mapping[str, Any]) -> Item:
        """With the row's own expectations. Raises UsageError for one that we do not know."""
        plain = {name: value for name, value in row.items() if not name.startswith("__")}
        item = super().item(where, number, plain)
        metric, threshold = row.get("__metric", ""), row.get("__threshold", "")
        told = [row[name].strip() for name in sorted(row) if _EXPECTED.fullmatch(name)]
        return item._replace(assertions=tuple(expectation(where, one, metric, threshold) for one in told if one))


def expectation(where: str, text: str, metric: str, threshold: str) -> Assertion:
    """The scorer of an `__expected` cell. Raises UsageError for one that we do not know."""
    match = _KIND.fullmatch(text)
    kind = KINDS.get(match["kind"]) if match is not None else None
    if match is None or (kind is None and match["value"] is None):
        return _made(where, "equals", {"value": text}, metric, threshold)  # a text without a kind before it
    if kind is None:
        known = ", ".join(KINDS)
        raise UsageError(f"{where}: __expected: there is no scorer for {match['kind']!r}; there are {known}")
    if match["value"] is None and kind not in BARE:
        return _made(where, "equals", {"value": text}, metric, threshold)
    options: dict[str, Any] = {} if match["value"] is None or kind in BARE else {_value_of(kind): match["value"]}
    if kind == "cost":
        options = {"usd": float(match["number"] or match["value"] or 0)}
    elif kind == "latency":
        options = {"seconds": float(match["number"] or match["value"] or 0) / 1000}
    elif match["number"] is not None:
        threshold = match["number"]
    return _made(where, (match["not"] or "") + kind, options, metric, threshold)


def _value_of(kind: str) -> str:
    return "rubric" if kind == "llm-rubric" else "value"


def _made(where: str, kind: str, options: dict[str, Any], metric: str, threshold: str) -> Assertion:
    try:
        least = float(threshold) if threshold else None
        return Assertion.model_validate({"kind": kind, "name": metric or None, "threshold": least, **options})
    except ValueError:
        raise UsageError(f"{where}: the threshold {threshold!r} is no number from 0 to 1") from None
