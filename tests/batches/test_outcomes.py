"""What results of a provider's batch say."""

import json
from pathlib import Path

import pytest

from llmctl.batches import outcomes
from llmctl.batches.outcomes import Answered
from llmctl.batches.remote import Found, Trouble, Troubles
from llmctl.errors import UpstreamProtocolError


def code(answered: Answered) -> tuple[int, str]:
    return answered.status, json.loads(answered.body)["error"]["code"]


def test_lines_are_found_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "r.jsonl"
    path.write_bytes(b'{"custom_id":"a"}\n\n{"custom_id":"b","x":"\xc3\xbc"}')
    places = outcomes.index(path)
    assert [*outcomes.read(path, [places["b"], places["a"]])] == [b'{"custom_id":"b","x":"\xc3\xbc"}',
                                                                b'{"custom_id":"a"}\n']  # fmt: skip
    path.write_bytes(b"{}\n")
    with pytest.raises(UpstreamProtocolError):
        outcomes.index(path)


def test_a_line_is_the_answer_it_holds() -> None:
    answered = outcomes.answer(b'{"custom_id":"a","response":{"status_code":200,"body":{"x": 1}},"error":null}')
    assert (answered.status, answered.body) == (200, b'{"x": 1}')
    assert code(outcomes.answer(b'{"error":{"code":"batch_expired"}}')) == (504, "batch_expired")
    assert code(outcomes.answer(b'{"error":null,"response":null}')) == (502, "batch_request_failed")
    assert code(outcomes.answer(b'{"response":{"status_code":"x"}}')) == (502, "batch_result_unreadable")


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (Found("b", "completed"), (502, "batch_result_missing")),
        (Found("b", "expired"), (504, "batch_expired")),
        (Found("b", "cancelled"), (502, "batch_cancelled")),
        (Found("b", "failed"), (400, "batch_failed")),
        (Found("b", "failed", errors=Troubles([Trouble("token_limit_exceeded")])), (429, "token_limit_exceeded")),
        (Found("b", "failed", errors=Troubles([Trouble("x", "no", 2)])), (400, "x")),
        (Found("b", "failed", errors=Troubles([Trouble("x", "no", 1)])), (503, "batch_failed")),
    ],
)  # fmt: skip
def test_a_request_without_a_result(found: Found, said: tuple[int, str]) -> None:
    assert code(outcomes.without(found, 2)) == said


async def test_an_answer_reads_as_a_response_does() -> None:
    answered = outcomes.lost()
    assert await answered.read() == b"".join([data async for data in answered.stream()])
    answered.close()
    assert (answered.headers, answered.status) == ({b"content-type": b"application/json"}, 503)
