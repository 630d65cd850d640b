"""What is logged on an exchange's way carries its ids, and nothing else does."""

import contextvars
import io
import json

from llmctl.telemetry.about import ABOUT
from llmctl.telemetry.log import make_logger
from llmctl.telemetry.redact import Redactor


def test_what_is_said_on_behalf_of_an_exchange_names_it() -> None:
    stream = io.StringIO()
    logger = make_logger("json", Redactor(), stream)
    logger.info("before")
    token = ABOUT.set(("req_1", "4bf9"))
    try:
        logger.error("bug")
        logger.error("bug", request_id="req_1")
        logger.error("bug", request_id="req_2")  # said of another one
        contextvars.copy_context().run(logger.warning, "in what it started")
    finally:
        ABOUT.reset(token)
    ABOUT.set(("req_3", ""))
    logger.info("untraced")
    ABOUT.set(None)
    logger.info("after")
    found = [(line.get("request_id"), line.get("trace_id")) for line in map(json.loads, stream.getvalue().splitlines())]
    named = ("req_1", "4bf9")
    assert found == [(None, None), named, named, ("req_2", None), named, ("req_3", None), (None, None)]
