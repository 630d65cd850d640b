"""Spans by OTLP: sampled and encoded on the loop, built and sent by one thread.

The loop only samples, encodes what was chosen (1% by default) and appends to a list. The thread looks every
`INTERVAL`, redacts as the record store does, and works in slices: a record's spans take 150 to 350 µs to build and
encode, so a slice keeps the interpreter's lock from the loop for three milliseconds at most. One slice goes at a time:
where the way to the collector is so long that many wait, slices are larger, and the loop asks for its lock in vain for
five milliseconds, Python's switch interval. A collector that is down costs less and less: after each failure the thread
waits longer, and what does not fit the queue meanwhile is dropped and counted.
"""

import os
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

import msgspec

from llmctl import __version__
from llmctl.clock import Clock
from llmctl.config.schema_telemetry import OtlpConfig, TelemetryConfig
from llmctl.config.secrets import Environment, mask_text, secret_values
from llmctl.errors import ConfigError
from llmctl.model.record import Record, decoder
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.sampling import Chosen, Sampler
from llmctl.telemetry.span_target import Target, target_of

INTERVAL = 1.0
SLOWEST = 60.0  # between two attempts at a collector that takes nothing
WARN_EVERY = 60.0
CLOSE_WITHIN = 1.5
GIVE_UP_WITHIN = 0.3
QUEUE_RECORDS = 2000
QUEUE_BYTES = 16 * 1024**2
SLICE_RECORDS = 8
MANY = 64
SLICE_OF_MANY = 32  # at 100 ms there and back, slices of 8 are 60 records a second
REST = 0.02  # seconds between two slices, in which the loop catches up
MOST_FAILURES = 16
SLICE_BYTES = 1024**2


class Export(Protocol):
    """Takes spans away."""

    def configure(self, providers: Mapping[str, str]) -> None:
        """`providers` are kinds by name."""
        ...

    def send(self, batch: Sequence[tuple[str, Record]]) -> str:
        """Send the spans of (why, record) pairs; what went wrong, or an empty string."""
        ...

    def close(self) -> None:
        """Stop, also a `send` that waits to try again."""
        ...


class SpanSink:
    """A Sink that sends spans of some records. Nothing the collector does is felt by whoever writes.

    `warn` is called from the thread, at most once a minute.
    """

    def __init__(
        self,
        export: Export,
        sampler: Sampler,
        redactor: Redactor,
        clock: Clock,
        warn: Callable[[str], None],
        *,
        where: str,
        content: bool = False,
        interval: float = INTERVAL,
    ) -> None:
        """`where` is what warnings call the collector; without `content` requests and answers never enter the queue."""
        self._export = export
        self._sampler = sampler
        self._encode = msgspec.json.Encoder().encode
        self._redact = redactor.redact
        self._clock = clock
        self._warn = warn
        self._where = where
        self._content = content
        self._interval = interval
        self._queue: list[tuple[Chosen, bytes]] = []
        # Each of these is written by one thread only, so none needs a lock: the loop's, then the exporting one's.
        self._taken_bytes = 0
        self._dropped = {"queue_full": 0, "encode": 0, "shutdown": 0}
        self._lost = {"redact": 0, "export_failed": 0}
        self._done_bytes = 0
        self._exported = 0
        self._sending = 0
        self._failures = 0
        self._warned_at = -WARN_EVERY
        self._started = self._closed = self._abandoned = False
        self._stop = threading.Event()
        # Started by the first record that is chosen: a gateway that is only built has no thread.
        self._thread = threading.Thread(target=self._run, name="llmctl-spans", daemon=True)

    def configure(self, providers: Mapping[str, str]) -> None:
        """Take over the providers' kinds by name, at start and whenever the configuration was reloaded."""
        self._export.configure(providers)

    def write(self, record: Record) -> None:
        """Queue `record` if it is chosen. Never raises and never blocks."""
        if not (why := self._sampler.choose(record)):
            return
        try:
            if not self._content and (record.request is not None or record.response is not None):
                record = msgspec.structs.replace(record, request=None, response=None)
            line = self._encode(record)
        except Exception:  # a record nobody can encode must not fail the request it is about
            self._dropped["encode"] += 1
            return
        waiting = self._taken_bytes - self._done_bytes
        if self._closed or waiting + len(line) > QUEUE_BYTES or len(self._queue) >= QUEUE_RECORDS:
            self._dropped["shutdown" if self._closed else "queue_full"] += 1
            return
        self._taken_bytes += len(line)
        self._queue.append((why, line))
        if not self._started:
            self._started = True
            self._thread.start()

    def close(self) -> None:
        """Send what is queued, within two seconds; what a collector does not take by then is dropped and counted."""
        if self._closed:
            return
        self._closed = True
        self._stop.set()
        if self._started:
            self._thread.join(CLOSE_WITHIN)
        self._abandoned = True
        with suppress(Exception):
            self._export.close()
        if self._started:
            self._thread.join(GIVE_UP_WITHIN)
        self._dropped["shutdown"] += len(self._queue) + self._sending

    @property
    def exported(self) -> int:
        """Exchanges whose spans a collector took."""
        return self._exported

    @property
    def dropped(self) -> dict[str, int]:
        """Exchanges chosen whose spans were lost, by reason: queue_full, encode, shutdown, redact, export_failed."""
        return self._dropped | self._lost

    @property
    def passed_over(self) -> dict[str, int]:
        """Exchanges not chosen, by reason: not_sampled, over_rate."""
        return self._sampler.passed_over

    def counts(self) -> Mapping[str, float]:
        """Exchanges by what became of their spans: exported, why they were lost, or why they were not chosen."""
        return {"exported": self.exported, **self.dropped, **self.passed_over}

    @property
    def queued_bytes(self) -> int:
        """Bytes that wait for the collector."""
        return self._taken_bytes - self._done_bytes

    def _run(self) -> None:
        while not self._stop.wait(min(SLOWEST, self._interval * 2**self._failures)):
            self._drain()
        deadline = self._clock.monotonic() + CLOSE_WITHIN
        while self._queue and not self._abandoned and self._clock.monotonic() < deadline:
            if not self._slice():
                break

    def _drain(self) -> None:
        """Send what is queued, slice by slice and with rests between, up to the first that is not taken."""
        while self._queue and self._slice():
            if self._stop.wait(REST):
                return

    def _slice(self) -> bool:
        """Send the oldest records; false if nobody took them."""
        count = size = 0
        most = SLICE_OF_MANY if len(self._queue) >= MANY else SLICE_RECORDS
        for _, line in self._queue[:most]:  # its front is only touched here, so the loop can append meanwhile
            if count and size + len(line) > SLICE_BYTES:
                break
            count, size = count + 1, size + len(line)
        taken = self._queue[:count]
        self._sending = count
        del self._queue[:count]
        batch = self._batch(taken)
        trouble = self._send(batch) if batch else ""
        self._done_bytes += size
        if self._abandoned:
            return False  # `close` has counted them
        self._sending = 0
        if trouble:
            self._failures = min(MOST_FAILURES, self._failures + 1)
            self._lost["export_failed"] += len(batch)
            self._complain(trouble)
            return False
        self._failures = 0
        self._exported += len(batch)
        return True

    def _send(self, batch: Sequence[tuple[str, Record]]) -> str:
        try:
            return self._export.send(batch)
        except Exception as error:  # a bug here must not end the thread, or spans would stop for good
            return f"{type(error).__name__}: {error}"

    def _batch(self, taken: Iterable[tuple[Chosen, bytes]]) -> list[tuple[str, Record]]:
        """The records of encoded lines, secrets redacted."""
        batch: list[tuple[str, Record]] = []
        for why, line in taken:
            try:
                batch.append((why, decoder.decode(self._redact(line))))
            except Exception:  # what cannot be redacted is not sent
                self._lost["redact"] += 1
        return batch

    def _complain(self, trouble: str) -> None:
        now = self._clock.monotonic()
        if now - self._warned_at < WARN_EVERY:
            return
        self._warned_at = now
        lost = sum(self.dropped.values())
        with suppress(Exception):  # a log that is broken too must not end the thread
            self._warn(f"spans: cannot send to {self._where}: {mask_text(trouble)}; exchanges lost since start: {lost}")


def span_sink(
    config: TelemetryConfig, env: Environment, redactor: Redactor, clock: Clock, warn: Callable[[str], None]
) -> SpanSink | None:
    """The sink for spans, or None where no collector is named. `redactor` learns the collector's keys.

    Raises ConfigError where the settings are wrong or OpenTelemetry's packages are missing.
    """
    if (target := target_of(config, env)) is None:
        return None
    try:
        from llmctl.telemetry.span_export import OtlpExport, instance_id
    except ImportError as error:
        packages = "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        raise ConfigError([f"telemetry.otlp: spans need OpenTelemetry's packages ({error}): {packages}"]) from error
    if (protocol := (env.get("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf").strip()) != "http/protobuf":
        warn(f"spans: OTEL_EXPORTER_OTLP_PROTOCOL is {protocol!r}; spans are sent by http/protobuf all the same")
    redactor.learn(_secrets_of(target))
    otlp = config.otlp or OtlpConfig()
    export = OtlpExport(
        target,
        service=config.service or env.get("OTEL_SERVICE_NAME") or "llmctl",
        version=__version__,
        instance=instance_id(os.getpid()),
        semconv=config.semconv,
    )
    sampler = Sampler(otlp.sample, otlp.slow, otlp.per_second, clock)
    return SpanSink(export, sampler, redactor, clock, warn, where=mask_text(target.url), content=target.content)


def _secrets_of(target: Target) -> frozenset[str]:
    return secret_values({"endpoint": target.url, "headers": dict(target.headers)})
