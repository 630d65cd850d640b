"""Everything that takes records is a Sink: it never raises, and it can be closed twice."""

from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from llmctl.clock import SystemClock
from llmctl.config.schema import RecordsConfig
from llmctl.model.record import Record
from llmctl.telemetry.base import Sink
from llmctl.telemetry.metrics import MetricsSink
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.store import RecordStore


def store(folder: Path) -> Sink:
    return RecordStore(RecordsConfig(dir=str(folder)), Redactor(), SystemClock(), print)


def metrics(_: Path) -> Sink:
    return MetricsSink(CollectorRegistry(), version="1", semconv_version="gen_ai/1")


@pytest.mark.parametrize("make", [store, metrics])
def test_takes_anything_and_closes_twice(
    tmp_path: Path, record: Callable[..., Record], make: Callable[[Path], Sink]
) -> None:
    sink = make(tmp_path)
    for each in (record(1), record(2, attempts=None, request=object()), record(3, duration_us="soon")):
        sink.write(each)
    sink.close()
    sink.close()
    sink.write(record(4))
