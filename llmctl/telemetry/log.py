"""The operational log: what the gateway itself has to say. Exchanges are not logged; they leave records."""

import json
import logging
import sys
from collections.abc import Mapping, MutableMapping
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

import msgspec
import structlog
from structlog.typing import FilteringBoundLogger, Processor, WrappedLogger

from llmctl.clock import Clock, SystemClock
from llmctl.telemetry.about import ABOUT
from llmctl.telemetry.redact import Redactor

Format = Literal["json", "console"]


def make_logger(
    fmt: Format, redactor: Redactor, stream: TextIO | None = None, clock: Clock | None = None
) -> FilteringBoundLogger:
    """A structlog logger that writes one line per event to `stream` (stdout), from INFO on, secrets masked.

    Its configuration is its own; structlog's global one is left alone.
    """
    out = stream or sys.stdout
    render: Processor
    if fmt == "console":
        render = structlog.dev.ConsoleRenderer(colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback)
    else:
        render = structlog.processors.JSONRenderer(serializer=_json)
    logger: FilteringBoundLogger = structlog.wrap_logger(
        structlog.PrintLogger(out),
        processors=[
            structlog.processors.add_log_level,
            _stamp(clock or SystemClock()),
            _named,
            structlog.processors.format_exc_info,
            _masked(redactor),
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    return logger


class LogHandler(logging.Handler):
    """Routes standard library logging, uvicorn's too, through `logger`."""

    def __init__(self, logger: FilteringBoundLogger) -> None:
        super().__init__(logging.INFO)
        self._logger = logger

    def emit(self, record: logging.LogRecord) -> None:
        """Log `record` as an event that names its logger."""
        try:
            level = min(logging.CRITICAL, record.levelno // 10 * 10)  # structlog knows no levels in between
            self._logger.log(level, record.getMessage(), logger=record.name, exc_info=record.exc_info or None)
        except Exception:  # as every handler does
            self.handleError(record)


def _stamp(clock: Clock) -> Processor:
    def stamp(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event["time"] = datetime.fromtimestamp(clock.wall(), UTC).isoformat(timespec="milliseconds")
        return event

    return stamp


def _named(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What is said on behalf of an exchange carries its ids, so that it is found beside its record and its spans."""
    if (ids := ABOUT.get()) is not None and event.setdefault("request_id", ids[0]) == ids[0] and ids[1]:
        event.setdefault("trace_id", ids[1])
    return event


def _masked(redactor: Redactor) -> Processor:
    def mask(_: WrappedLogger, __: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        line = _json(event).encode()
        clean = redactor.redact(line)
        if clean is line:
            return event
        masked: dict[str, Any] = msgspec.json.decode(clean)
        return masked

    return mask


def _json(event: Any, **_: Any) -> str:
    try:
        return msgspec.json.encode(event, enc_hook=repr).decode()
    except (TypeError, ValueError):  # text that is no Unicode, keys that are no text
        return json.dumps({repr(key): repr(value) for key, value in event.items()})
