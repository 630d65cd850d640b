"""Compacted records that meet a condition, newest first, as far as Parquet has kept them."""

# ruff: noqa: S608 - what stands in the SQL is ours or quoted by `columns`; what users give are parameters

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from llmctl.errors import UsageError
from llmctl.model.record import CacheOutcome, Decision, Failure, Record
from llmctl.model.usage import Cost, Usage
from llmctl.reports.columns import BUCKETS, COLUMNS, KEY, quoted
from llmctl.reports.duck import Database
from llmctl.reports.sources import find, manifests
from llmctl.reports.where import Where
from llmctl.telemetry.reader import Filter

_SHOWN = (
    *("id", "started", "duration_us", "ttft_us", "state", "http_status", "tenant", "key", "policy", "operation"),
    *("route", "model", "provider", "billed_model", "strategy", "experiment", "arm", "cache", "degraded", "shadow_of"),
    *(f"{bucket}_tokens" for bucket in BUCKETS),
    *("usage_source", "cost_usd", "cost_status", "price_version", "tags", "stream", "batch", "failure"),
)
_ENDED = "epoch_us(started) + duration_us"


@dataclass(frozen=True, slots=True)
class Split:
    """Where to look: `segments` as JSON lines, `parquet` by SQL. `overlapping` files may hold one record twice."""

    segments: tuple[Path, ...]
    parquet: tuple[Path, ...]
    overlapping: bool = False


def split(folder: Path, database: Database, wanted: Filter, columns: Collection[str]) -> Split:
    """What has been compacted is read from Parquet, the rest from segments.

    A file from before one of `columns` was kept is passed over where its segments are still there. Raises UsageError
    where they are not, and StoreError.
    """
    found = find(folder, database, wanted)
    lacking = _lacking(found.parquet, database, columns)
    segments, parquet = list(found.segments), [path for path in found.parquet if path not in lacking]
    for path, manifest in manifests(sorted(lacking), database).items():
        sources = [path.parent / source.name for source in manifest.sources]
        if not all(source.is_file() for source in sources):
            raise UsageError(
                f"{path}: was compacted before {', '.join(lacking[path])} of a record was kept, and its segments are "
                f"gone; leave that out of the condition, or keep away from this day with --since or --until"
            )
        segments += [source for source in sources if source not in segments]
    return Split(tuple(segments), tuple(parquet), found.overlapping)


def rows(database: Database, files: Split, condition: Where, wanted: Filter, limit: int) -> list[Record]:
    """At most `limit` of the Parquet files' records that meet both, those that ended last first. Raises StoreError."""
    if not files.parquet:
        return []
    names = tuple(dict.fromkeys((*_SHOWN, *sorted(condition.columns))))
    bounds = [("started >= make_timestamp($since)", wanted.since), ("started < make_timestamp($until)", wanted.until)]
    tests = [condition.sql, *(test for test, at in bounds if at is not None)]
    parameters: dict[str, Any] = {"files": [str(path) for path in files.parquet], **condition.parameters}
    for name, at in (("since", wanted.since), ("until", wanted.until)):
        if at is not None:
            parameters[name] = round(at * 1e6)
    listed = ", ".join(map(quoted, _SHOWN))
    once = f"DISTINCT ON ({', '.join(KEY)})" if files.overlapping else ""
    found = database.rows(
        f"SELECT {listed} FROM (SELECT {once} {', '.join(map(quoted, names))} FROM {_table(names)} "
        f"WHERE {' AND '.join(tests)}) ORDER BY {_ENDED} DESC LIMIT {limit:d}",
        parameters,
        doing=f"reading {len(files.parquet)} Parquet files",
    )
    return [_record(row) for row in found]


def _table(names: Sequence[str]) -> str:
    """The Parquet files with all of these columns, also those that were not known when a file was made."""
    none = ", ".join(f"CAST(NULL AS {COLUMNS[name].type}) AS {quoted(name)}" for name in names)
    return f"(SELECT {none} WHERE false UNION ALL BY NAME SELECT * FROM read_parquet($files, union_by_name=true))"


def _lacking(files: Sequence[Path], database: Database, columns: Collection[str]) -> dict[Path, list[str]]:
    """Files without some of `columns`, and which."""
    if not files or not columns:
        return {}
    found = database.rows(
        "SELECT file_name, list(name) FROM parquet_schema($1) GROUP BY file_name",
        [[str(path) for path in files]],
        doing="reading the Parquet files' columns",
    )
    lacking = {Path(name): sorted(set(columns) - set(has)) for name, has in found}
    return {path: names for path, names in lacking.items() if names}


def _record(row: tuple[Any, ...]) -> Record:
    """What is left of a record: no attempts, stages, verdicts or content."""
    at = dict(zip(_SHOWN, row, strict=True))
    decision = None
    if at["strategy"]:
        decision = Decision(at["model"], at["strategy"], "", experiment=at["experiment"], arm=at["arm"])
    return Record(
        id=at["id"],
        started=at["started"].replace(tzinfo=UTC).timestamp(),
        duration_us=at["duration_us"],
        state=at["state"],
        http_status=at["http_status"],
        tenant=at["tenant"],
        key=at["key"],
        policy=at["policy"],
        operation=at["operation"],
        stream=bool(at["stream"]),
        requested_model=at["route"],
        model=at["model"],
        provider=at["provider"],
        served_model=at["billed_model"],
        decision=decision,
        cache=CacheOutcome(at["cache"]) if at["cache"] else None,
        degraded=at["degraded"] or None,
        shadow_of=at["shadow_of"],
        tags=at["tags"] or {},
        batch=at["batch"] or "",
        usage=Usage(**{bucket: at[f"{bucket}_tokens"] for bucket in BUCKETS}, source=at["usage_source"]),
        cost=Cost(None if at["cost_usd"] is None else float(at["cost_usd"]), at["cost_status"], at["price_version"]),
        ttft_us=at["ttft_us"],
        failure=Failure(at["failure"], "", at["http_status"]) if at["failure"] else None,
    )
