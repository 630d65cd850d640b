from pathlib import Path
from random import Random

import pytest

from llmctl.batches.asking import Collect, Reply, ask, request_id
from llmctl.batches.lines import Line
from llmctl.batches.objects import WINDOW, Batch
from llmctl.errors import (
    BodyTooLarge,
    GuardFailed,
    InvalidRequest,
    LlmctlError,
    RateLimited,
    Unavailable,
    UpstreamStatus,
    UpstreamTimeout,
)
from llmctl.model.json import decode, encode
from llmctl.server.asgi import endpoints
from llmctl.testing.asking import Bench
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import exchange
from tests.batches.conftest import CHAT

ENTRY = endpoints()[CHAT]
BODY = encode({"model": "m", "messages": [{"role": "user", "content": "hi"}]})


async def test_a_line_is_an_exchange_of_whoever_made_the_batch(tmp_path: Path) -> None:
    clock = ManualClock()
    bench = Bench(tmp_path, "{preset: none}", clock=clock)
    now = int(clock.wall())
    batch = Batch("batch_1", "default", "", 0, CHAT, "file-1", now - 100, now - 100 + WINDOW)
    reply = await ask(bench.gateway, Random(1), batch, ENTRY, Line(1, "a", BODY), -50)
    assert (reply.status, reply.failure) == (200, None)
    assert decode(reply.body)["choices"][0]["message"]["content"] == "fine"
    [record] = bench.sink.records
    assert (record.batch, record.id, record.tenant, record.requested_model) == (
        "batch_1", reply.request_id, "default", "m")  # fmt: skip
    [sent] = bench.transport.requests
    assert sent.body == BODY
    assert sent.deadline == pytest.approx(clock.monotonic() + WINDOW - 100)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (BODY + b" " * 100, BodyTooLarge),
        (encode({"model": "m", "messages": [], "stream": True}), InvalidRequest),
        (b"{}", InvalidRequest),
    ],
)
async def test_what_is_no_request(body: bytes, kind: type[LlmctlError]) -> None:
    with pytest.raises(kind):
        await Collect(ENTRY.dialect, body, len(BODY) + 20).read(exchange(ManualClock()))


@pytest.mark.parametrize(
    ("failure", "limited", "passing"),
    [
        (RateLimited("x", retry_after=3.0), 3.0, None),
        (RateLimited("x", retry_after=None), None, None),
        (Unavailable("x", retry_after=2.0), None, 2.0),
        (GuardFailed("x"), None, 1.0),
        (UpstreamStatus("x", status=429, retry_after=4.0), None, 4.0),
        (UpstreamStatus("x", status=529), None, 1.0),
        (UpstreamStatus("x", status=400), None, None),
        (UpstreamStatus("x", status=500), None, None),
        (UpstreamTimeout("x", phase="idle"), None, None),
        (InvalidRequest("x"), None, None),
        (None, None, None),
    ],
)
def test_which_failures_pass(failure: LlmctlError | None, limited: float | None, passing: float | None) -> None:
    reply = Reply(200, "r", b"{}", failure)
    assert (reply.limited, reply.passing) == (limited, passing)


def test_a_line_has_one_id_for_ever() -> None:
    batch = Batch("batch_1", "t", "", 0, CHAT, "file-1", 1_767_225_600, 0)
    other = Batch("batch_2", "t", "", 0, CHAT, "file-1", 1_767_225_600, 0)
    one = request_id(batch, Line(1, "a", b""))
    assert one == request_id(batch, Line(1, "a", b""))
    assert one.startswith("req_19b76daa800")
    assert len(one) == 31
    assert request_id(batch, Line(1, "a", b""), 2) == f"{one}.2"
    assert len({one, request_id(batch, Line(2, "b", b"")), request_id(other, Line(1, "a", b""))}) == 3
