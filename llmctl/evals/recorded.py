"""Answers that lie in files, as a target: lines of JSON, results of `llmctl eval`, or a folder of records."""

from collections.abc import Iterator, Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Any

import msgspec
from pydantic import Field

from llmctl.config.section import Section
from llmctl.errors import UsageError
from llmctl.evals.answers import Answered
from llmctl.model.json import UNDECODABLE, decode
from llmctl.model.usage import NO_USAGE, UNPRICED, Cost, Usage
from llmctl.scoring.base import Unscorable
from llmctl.scoring.recorded import output_of
from llmctl.scoring.result import Result
from llmctl.telemetry.reader import RecordReader
from llmctl.telemetry.rows import raw_lines

_RESULT = msgspec.json.Decoder(Result).decode


class RecordedOptions(Section):
    """Where recorded answers are. Columns that name nothing in a line are errors; those not given are not known."""

    path: str | list[str] = Field(description="JSONL files, also gzipped, a results file, or a folder of records.")
    id: str = Field("id", description="Column with the item's id.")
    output: str | None = Field("output", description="Column with the answer's text; null where only scores are there.")
    where: dict[str, str | int | float | bool] = Field(
        default_factory=dict, description="Only lines whose columns have these values, as model: gpt-4o."
    )
    variant: str | None = Field(None, description="Of a results file: whose answers.")
    scores: dict[str, str] = Field(
        default_factory=dict, description="Metrics that a column has ready, as correct: correct; numbers from 0 to 1."
    )
    cost: str | None = Field(None, description="Column with US dollars.")
    seconds: str | None = Field(None, description="Column with how long it took.")
    prompt_tokens: str | None = Field(None, description="Column with tokens read.")
    completion_tokens: str | None = Field(None, description="Column with tokens written.")
    model: str | None = Field(None, description="Column with who answered.")


class Recorded:
    """All recorded answers of a target, in memory, by item and repeat. `identity` is of the files' contents."""

    def __init__(self, options: RecordedOptions, folder: Path) -> None:
        """Paths are from `folder`. Raises UsageError naming the file and line."""
        self._options = options
        self._answers: dict[str, list[Answered]] = {}
        self.path = ", ".join([options.path] if isinstance(options.path, str) else options.path)
        digest = blake2b(options.model_dump_json().encode(), digest_size=16)
        for name in [options.path] if isinstance(options.path, str) else options.path:
            path = folder / name
            for ident, answer in _records(path, digest) if path.is_dir() else self._lines(path, digest):
                self._answers.setdefault(ident, []).append(answer)
        if not self._answers:
            raise UsageError(f"{self.path}: has no answers{' that fit' if options.where else ''}; check path and where")
        self.identity = f"recorded:{digest.hexdigest()}"

    def __len__(self) -> int:
        return len(self._answers)

    def answer(self, item: str, repeat: int) -> Answered:
        """Its answer; the error `not_recorded` where there is none."""
        found = self._answers.get(item, [])
        if repeat < len(found):
            return found[repeat]
        said = f"{self.path} has {len(found)} answers to it" if found else f"{self.path} has no answer to it"
        return Answered(error="not_recorded", detail=said, attempts=0)

    def _lines(self, path: Path, digest: Any) -> Iterator[tuple[str, Answered]]:
        results = False
        for number, line in raw_lines(path):
            digest.update(line)
            try:
                row = decode(line)
            except UNDECODABLE:
                raise UsageError(f"{path}:{number}: is not JSON") from None
            if not isinstance(row, dict):
                raise UsageError(f"{path}:{number}: is not an object")
            if number == 1 and {"suite", "digest", "variants"} <= row.keys():
                results = True
                continue
            try:
                if not results:
                    if self._fits(row):
                        yield str(_column(row, self._options.id)), self._answered(row)
                    continue
                result = _RESULT(line)
            except (ValueError, msgspec.ValidationError) as error:
                raise UsageError(f"{path}:{number}: {error}") from None
            if self._options.variant in (None, result.variant):
                yield result.item, of_result(result)

    def _fits(self, row: Mapping[str, Any]) -> bool:
        return all(row.get(name) == value for name, value in self._options.where.items())

    def _answered(self, row: Mapping[str, Any]) -> Answered:
        options = self._options
        usd = _number(row, options.cost)
        seen = _number(row, options.prompt_tokens), _number(row, options.completion_tokens)
        text = _column(row, options.output) if options.output is not None else None
        return Answered(
            text if isinstance(text, str) else "" if text is None else str(text),
            scores={metric: _share(row, name) for metric, name in options.scores.items()},
            attempts=0,
            seconds=_number(row, options.seconds),
            usage=Usage(int(seen[0] or 0), output=int(seen[1] or 0), source="provider") if any(seen) else NO_USAGE,
            cost=Cost(usd, "exact") if usd is not None else UNPRICED,
            model=str(_column(row, options.model)) if options.model else "",
        )


def of_result(result: Result) -> Answered:
    """A result's answer, without what was thought of it."""
    calls = [
        {"name": str(call.get("name", "")), "arguments": str(call.get("arguments", ""))} for call in result.tool_calls
    ]
    return Answered(
        result.output,
        calls,
        error=result.error,
        detail=result.detail,
        attempts=0,
        seconds=result.seconds,
        ttft=result.ttft,
        usage=result.usage,
        cost=result.cost,
        model=result.model,
        request_id=result.request_id,
    )


def _records(folder: Path, digest: Any) -> Iterator[tuple[str, Answered]]:
    """Answers of records, by their ids. What has none is left out."""
    for record in RecordReader(folder).read():
        try:
            found = output_of(record)
        except Unscorable:
            continue
        digest.update(record.id.encode())
        calls = [{"name": call.name, "arguments": call.arguments} for call in found.tool_calls]
        yield (
            record.id,
            Answered(
                found.text,
                calls,
                found.finish_reason,
                found.refusal,
                list(found.guards),
                error=found.error,
                attempts=0,
                seconds=found.seconds,
                ttft=found.ttft,
                usage=found.usage,
                cost=found.cost,
                model=record.model,
                request_id=record.id,
            ),
        )


def _column(row: Mapping[str, Any], name: str) -> Any:
    if name not in row:
        raise ValueError(f"has no column {name!r}; it has {', '.join(list(row)[:12])}")
    return row[name]


def _share(row: Mapping[str, Any], name: str) -> float:
    value = _number(row, name)
    if value is None or not 0 <= value <= 1:
        raise ValueError(f"column {name!r} holds no score from 0 to 1")
    return value


def _number(row: Mapping[str, Any], name: str | None) -> float | None:
    if name is None:
        return None
    value = _column(row, name)
    if value is None:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"column {name!r} holds no number") from None
