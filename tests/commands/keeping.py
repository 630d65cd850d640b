"""Records on disk as the gateway's own store leaves them."""

from collections.abc import Sequence
from pathlib import Path

from llmctl.clock import SystemClock
from llmctl.config.schema import RecordsConfig
from llmctl.model.record import Record
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.store import RecordStore


def keep(folder: Path, records: Sequence[Record]) -> Path:
    """The folder, with all of them in it."""
    complaints: list[str] = []
    store = RecordStore(RecordsConfig(dir=str(folder)), Redactor(), SystemClock(), complaints.append)
    for record in records:
        store.write(record)
    store.close()
    assert (store.written, complaints) == (len(records), [])
    return folder
