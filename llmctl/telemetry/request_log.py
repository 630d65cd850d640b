"""The request log: a line for each exchange, made from its record, without what was asked and answered.

On the loop a line costs one small encoding and a search for secrets; a thread writes (see batched.py). What a client
or a provider chose is never more than a string in it: JSON escapes what could begin another line.
"""

import os
import stat
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from select import PIPE_BUF
from typing import Literal

import msgspec

from llmctl.clock import Clock
from llmctl.config.schema_telemetry import TelemetryConfig
from llmctl.model.record import CacheKind, Degraded, GuardResult, Record, State
from llmctl.telemetry.batched import Batched, Output
from llmctl.telemetry.log import Format
from llmctl.telemetry.redact import Redactor

STDOUT = "stdout"
STDOUT_FD = 1
INTERVAL = 0.05
QUEUE_BYTES = 8 * 1024 * 1024
LONGEST_NAME = 256  # characters of what a client calls a model or a request
POLICY_CHARS = 12

Level = Literal["info", "warning", "error"]


class Line(msgspec.Struct, omit_defaults=True, gc=False):
    """One exchange. `time` is its end; fields from `error` on are left out where there is nothing to say.

    `status` is the HTTP status that the client was sent: a stream that failed later has 200, and `error`.
    `guards` are those that did something, or failed, as `direction.policy=action`.
    """

    time: str
    level: Level
    event: Literal["request"]
    request_id: str
    trace_id: str
    tenant: str
    key: str
    dialect: str
    operation: str
    stream: bool
    requested_model: str
    model: str
    provider: str
    state: State
    status: int
    duration_ms: float
    overhead_ms: float
    tokens_in: int
    tokens_out: int
    attempts: int
    policy: str
    error: str | None = None
    ttft_ms: float | None = None
    cost_usd: float | None = None
    cache: CacheKind | None = None
    degraded: Degraded | None = None
    guards: tuple[str, ...] = ()
    tags: dict[str, str] = {}
    batch: str = ""
    shadow_of: str = ""


def request_log(
    config: TelemetryConfig, redactor: Redactor, clock: Clock, warn: Callable[[str], None], fmt: Format = "json"
) -> "RequestLog | None":
    """The request log as configured; None where there is none. Opens nothing before the first line.

    `fmt` is that of the operational log: on stdout, `console` lines are for people. A file always has JSON.
    """
    place = config.request_log
    if place is None:
        return None
    if place == STDOUT:
        return RequestLog(Descriptor(STDOUT_FD), place, redactor, clock, warn, readable=fmt == "console")
    return RequestLog(AppendedFile(Path(place)), place, redactor, clock, warn)


class RequestLog:
    """A Sink. Lines that the output does not take wait, up to `QUEUE_BYTES`, and are dropped beyond that."""

    def __init__(
        self,
        output: Output,
        place: str,
        redactor: Redactor,
        clock: Clock,
        warn: Callable[[str], None],
        *,
        readable: bool = False,
        limit: int = QUEUE_BYTES,
        interval: float = INTERVAL,
    ) -> None:
        """`warn` is told, at most once a minute and from another thread, of what does not work."""
        self._encode = msgspec.json.Encoder().encode
        self._redact = redactor.redact
        self._readable = readable
        self._second = -1
        self._prefix = ""
        self._lines = Batched(output, clock, warn, name="request_log", place=place, interval=interval, limit=limit)

    def write(self, record: Record) -> None:
        """Queue the line of `record`. Never raises and never blocks; drops are counted in `dropped` by reason."""
        try:
            line = self._redact(self._encode(self._line(record)))
            if self._readable:
                line = readable(msgspec.json.decode(line, type=Line)).encode()
        except Exception:  # a record nobody can encode must not fail the request it is about
            self._lines.drop("encode")
            return
        self._lines.put(line)

    def close(self) -> None:
        """Write what is queued, for at most 5 seconds."""
        self._lines.close()

    @property
    def written(self) -> int:
        """Lines written."""
        return self._lines.written

    @property
    def dropped(self) -> dict[str, int]:
        """Lines dropped, by reason: queue_full, disk_full, io_error, encode, shutdown."""
        return self._lines.dropped

    def counts(self) -> Mapping[str, float]:
        """Lines by what became of them: written, or the reason for which they were dropped."""
        return {"written": self._lines.written, **self._lines.dropped}

    def _line(self, record: Record) -> Line:
        usage, failure, cache, ttft = record.usage, record.failure, record.cache, record.ttft_us
        return Line(
            self._time(record.started + record.duration_us / 1e6),
            "info" if failure is None or record.state != "failed" else _level(failure.status),
            "request",
            record.id[:LONGEST_NAME],
            record.trace_id,
            record.tenant,
            record.key,
            record.dialect,
            record.operation,
            record.stream,
            record.requested_model[:LONGEST_NAME],
            record.model,
            record.provider,
            record.state,
            record.http_status,
            record.duration_us / 1e3,
            record.overhead_us / 1e3,
            usage.input + usage.cached_read + usage.cached_write,
            usage.output + usage.reasoning,
            len(record.attempts),
            record.policy[:POLICY_CHARS],
            failure.code[:LONGEST_NAME] if failure is not None else None,
            ttft / 1e3 if ttft is not None else None,
            record.cost.usd,
            cache.kind if cache is not None else None,
            record.degraded,
            _acted(record.guards) if record.guards else (),
            record.tags,
            record.batch,
            record.shadow_of,
        )

    def _time(self, wall: float) -> str:
        """As the operational log writes it. Within a second only its last digits change."""
        second = int(wall)
        if second != self._second:
            self._prefix = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            self._second = second
        return f"{self._prefix}.{int((wall - second) * 1e3):03d}+00:00"


class AppendedFile:
    """An `Output` at the end of a file that others may write to too, and rotate.

    Each batch is one write with O_APPEND, so that lines of several processes never mix. The file is opened anew
    when another one, or none, stands at its path.
    """

    def __init__(self, path: Path, write: Callable[[int, bytes], int] = os.write) -> None:
        self._path = path
        self._os_write = write
        self._fd = -1
        self._torn = False

    def append(self, data: bytes) -> int:
        """Returns the bytes of those lines that are whole in the file. Raises OSError."""
        self._follow()
        while True:
            before = b"\n" if self._torn else b""  # ends what is left of a line, which now comes as a whole
            done = self._os_write(self._fd, before + data) - len(before)
            kept = data.rfind(b"\n", 0, done) + 1 if done > 0 else 0
            self._torn = done > kept or done < 0
            if self._torn and done > 0 and data[done] == 0x0A:
                kept = done + 1  # nothing is missing but its end
            if kept:
                return kept  # less than all on a full disk, which the next write says

    def abandon(self) -> None:
        """Open the file anew for the next batch."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def close(self) -> None:
        """Nothing more comes."""
        self.abandon()

    def _follow(self) -> None:
        if self._fd >= 0:
            try:
                there, ours = os.stat(self._path), os.fstat(self._fd)
            except FileNotFoundError:
                self.abandon()
            else:
                if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
                    self.abandon()
        if self._fd < 0:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)


class Descriptor:
    """An `Output` that was open when we began. Lines of several processes do not mix, on a pipe up to 4 KB each."""

    def __init__(self, fd: int, write: Callable[[int, bytes], int] = os.write) -> None:
        self._fd = fd
        self._os_write = write
        self._pipe: bool | None = None

    def append(self, data: bytes) -> int:
        """Returns the bytes that were taken. Raises OSError."""
        if self._pipe is None:
            self._pipe = stat.S_ISFIFO(os.fstat(self._fd).st_mode)
        if self._pipe and len(data) > PIPE_BUF:
            data = data[: data.rfind(b"\n", 0, PIPE_BUF) + 1 or data.index(b"\n") + 1]
        return self._os_write(self._fd, data)

    def abandon(self) -> None:
        """There is no other."""

    def close(self) -> None:
        """It is not ours to close."""


def readable(line: Line) -> str:
    """A line for people. Control characters are spelled out: what a client sent must not steer a terminal."""
    asked = line.requested_model or "-"
    served = f"{line.provider}/{line.model}" if line.model else "-"
    parts = [line.time, f"{line.status} {line.state:<7}", f"{line.duration_ms:.0f} ms"]
    parts.append(f"{line.operation} {asked} -> {served}")
    if line.ttft_ms is not None:
        parts.append(f"ttft {line.ttft_ms:.0f} ms")
    if line.tokens_in or line.tokens_out:
        parts.append(f"{line.tokens_in}+{line.tokens_out} tokens")
    if line.cost_usd is not None:
        parts.append(f"${line.cost_usd:.6f}")
    named = {"error": line.error, "cache": line.cache, "degraded": line.degraded, "guards": ",".join(line.guards)}
    named |= {"tenant": line.tenant, "batch": line.batch, "shadow_of": line.shadow_of, "id": line.request_id}
    parts += [f"{name}={value}" for name, value in named.items() if value]
    text = "  ".join(parts)
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def _level(status: int) -> Level:
    return "error" if status >= 500 else "warning"


def _acted(results: list[GuardResult]) -> tuple[str, ...]:
    return tuple(
        f"{one.direction}.{one.policy or one.guard}={one.action if one.action != 'allow' else one.verdict}"
        for one in results
        if one.action != "allow" or one.verdict == "error"
    )
