"""A gateway's own records: a folder of the record store, or the JSON lines that `traces export` writes."""

from array import array
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from llmctl.errors import UsageError
from llmctl.gateway.asking import Call
from llmctl.model.json import UNDECODABLE, JsonObject, decode, encode
from llmctl.model.record import Record, decoder
from llmctl.replay.source import Before, Entry, session_of
from llmctl.scoring.base import Unscorable
from llmctl.scoring.recorded import output_of
from llmctl.telemetry.reader import Filter, RecordReader
from llmctl.telemetry.rows import opened

SESSION = "session"


def read(
    path: Path, model: str | None, *, wanted: Filter | None = None, holds: Callable[[Record], bool] = lambda _: True
) -> Iterator[Entry]:
    """Entries of exchanges that clients asked for; `holds` says which. Raises UsageError."""
    found = _lines(path) if path.is_file() else _folder(path, wanted or Filter())
    asked = (one for one in found if not one.shadow_of and one.operation in ("chat", "completion") and holds(one))
    first: float | None = None
    for record in _by_start(asked):
        first = record.started if first is None else first
        yield _entry(record, record.started - first)


def _by_start(records: Iterator[Record]) -> Iterator[Record]:
    """In the order in which they started; they are kept in that of their ends. On disk but for 16 bytes a record."""
    started, offsets = array("d"), array("q")
    with TemporaryFile() as spool:
        for record in records:
            started.append(record.started)
            offsets.append(spool.tell())
            spool.write(encode(record) + b"\n")
        for at in sorted(range(len(started)), key=started.__getitem__):
            spool.seek(offsets[at])
            yield decoder.decode(spool.readline())


def _folder(path: Path, wanted: Filter) -> Iterator[Record]:
    if not path.is_dir():
        raise UsageError(f"{path}: there is no such file or folder; a gateway's `records.dir` is one")
    yield from RecordReader(path).read(wanted)


def _lines(path: Path) -> Iterator[Record]:
    with opened(path) as lines:
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                yield decoder.decode(line)
            except UNDECODABLE as error:
                raise UsageError(f"{path}:{number}: is no record: {error}") from None


def _entry(record: Record, at: float) -> Entry:
    request = _request(record.request)
    before = _before(record)
    if request is None:
        why = "its request was not kept (records.content, records.max_content)"
        return Entry(record.id, at, record.trace_id, None, why, before)
    if not ("messages" in request or "prompt" in request):
        why = "its request is not all there (longer than records.max_content, or in another dialect)"
        return Entry(record.id, at, record.trace_id, None, why, before)
    session = record.tags.get(SESSION) or session_of(request.get("messages") or [], record.tenant)
    payload = {**request, "model": record.requested_model or request.get("model", "")}
    call = Call(
        payload, "completion" if record.operation == "completion" else "chat", key=record.key, tenant=record.tenant
    )
    return Entry(record.id, at, session, call, "", before)


def _request(raw: Any) -> JsonObject | None:
    if raw is None:
        return None
    try:
        found = decode(encode(raw))
    except UNDECODABLE:
        return None
    return found if isinstance(found, dict) else None


def _before(record: Record) -> Before:
    seconds, ttft = record.duration_us / 1e6, record.ttft_us / 1e6 if record.ttft_us is not None else None
    error = record.failure.code if record.failure is not None else ""
    try:
        output = output_of(record)
        text, calls = (None if error else output.text), output.tool_calls
    except Unscorable:
        text, calls = None, ()
    return Before(text, calls, seconds, ttft, record.usage, record.cost, record.model, error)
