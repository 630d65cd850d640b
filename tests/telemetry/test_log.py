"""The operational log is structured, masked, and nobody's global."""

import io
import json
import logging

import pytest

from llmctl.telemetry.log import Format, LogHandler, make_logger
from llmctl.telemetry.redact import Redactor
from llmctl.testing.clock import ManualClock

KEY = "sk-" + "aB3" * 16


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_one_json_line_per_event() -> None:
    stream = io.StringIO()
    make_logger("json", Redactor(), stream, ManualClock()).warning("breaker open", provider="upstream", failures=5)
    assert lines(stream) == [
        {
            "provider": "upstream",
            "failures": 5,
            "event": "breaker open",
            "level": "warning",
            "time": "2026-01-01T00:00:00.000+00:00",
        }
    ]


@pytest.mark.parametrize("fmt", ["json", "console"])
def test_secrets_are_masked_wherever_they_are(fmt: Format) -> None:
    stream = io.StringIO()
    logger = make_logger(fmt, Redactor(['pass"word"1']), stream)
    try:
        raise ValueError(f"refused {KEY}")
    except ValueError:
        logger.exception('bad pass"word"1', headers={"authorization": f"Bearer {KEY}"})
    text = stream.getvalue()
    assert KEY not in text
    assert "word" not in text.replace("Password", "")
    assert "[redacted]" in text
    assert "ValueError: refused [redacted]" in text


def test_debug_is_left_out() -> None:
    stream = io.StringIO()
    make_logger("json", Redactor(), stream).debug("nobody asked")
    assert stream.getvalue() == ""


def test_what_json_cannot_say_is_said_otherwise() -> None:
    stream = io.StringIO()
    logger = make_logger("json", Redactor(), stream)
    logger.info("object", it=ValueError("x"))
    logger.info("text", it="\ud800")
    first, second = lines(stream)
    assert first["it"] == "ValueError('x')"
    assert "ud800" in str(second)


def test_the_standard_library_logs_through_it() -> None:
    stream = io.StringIO()
    standard = logging.Logger("uvicorn.error")
    standard.addHandler(LogHandler(make_logger("json", Redactor(), stream)))
    standard.info("started with %s", KEY)
    standard.log(35, "in between")
    try:
        raise RuntimeError("broken")
    except RuntimeError:
        standard.exception("failed")
    first, second, third = lines(stream)
    assert (first["event"], first["logger"], first["level"]) == ("started with [redacted]", "uvicorn.error", "info")
    assert second["level"] == "warning"
    assert "RuntimeError: broken" in str(third["exception"])


def test_two_loggers_do_not_meet() -> None:
    one, two = io.StringIO(), io.StringIO()
    make_logger("json", Redactor(), one).info("a")
    make_logger("console", Redactor(), two).info("b")
    assert lines(one)[0]["event"] == "a"
    assert "b" in two.getvalue()
    assert not two.getvalue().startswith("{")
