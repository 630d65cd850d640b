import json
from pathlib import Path

import pytest

from llmctl.batches import lines
from llmctl.batches.lines import Check, Checked
from llmctl.batches.objects import Tokens
from tests.batches.conftest import CHAT, jsonl, line


def check(path: Path, data: bytes, *, max_requests: int = 10, max_body: int = 1000) -> Checked:
    path.write_bytes(data)
    checking = Check(path, CHAT, max_requests=max_requests, max_body=max_body)
    while checking.step(3):
        pass
    return checking.found()


def test_a_good_file(tmp_path: Path) -> None:
    data = jsonl(line("a"), line("b")) + b"\n \n" + jsonl(line("c")).rstrip()
    found = check(tmp_path / "in", data)
    assert (found.total, found.model, found.troubles) == (3, "m", [])
    read = list(lines.read(tmp_path / "in"))
    assert [(one.number, one.custom_id) for one in read] == [(1, "a"), (2, "b"), (5, "c")]
    assert json.loads(read[2].body)["messages"][0]["content"] == "c"


def test_several_models_are_no_batchs_model(tmp_path: Path) -> None:
    assert check(tmp_path / "in", jsonl(line("a"), line("b", body={"model": "n"}))).model is None
    assert check(tmp_path / "in", jsonl(line("a", body={}))).model is None


@pytest.mark.parametrize(
    ("data", "code", "number"),
    [
        (b"", "empty_file", None),
        (b"nonsense\n", "invalid_json_line", 1),
        (b"\xff\n", "invalid_json_line", 1),
        (b"[" * 100_000, "line_too_long", 1),
        (b"[]\n", "invalid_request", 1),
        (jsonl(line("", body={})), "invalid_request", 1),
        (jsonl(line("a", method="GET")), "invalid_request", 1),
        (jsonl(line("a", body=[])), "invalid_request", 1),
        (jsonl(line("a", body={"model": 3})), "invalid_request", 1),
        (jsonl({"custom_id": "a"}), "invalid_request", 1),
        (jsonl(line("a", url="/v1/embeddings")), "url_mismatch", 1),
        (jsonl(line("b"), line("a"), line("a")), "duplicate_custom_id", 3),
        (jsonl(line("a"), line("b", body={"model": "m", "x": "y" * 6000})), "line_too_long", 2),
        (jsonl(*(line(str(n)) for n in range(11))), "too_many_requests", None),
    ],
)
def test_what_is_wrong_with_a_file(tmp_path: Path, data: bytes, code: str, number: int | None) -> None:
    found = check(tmp_path / "in", data)
    assert [(one.code, one.line) for one in found.troubles] == [(code, number)]


def test_troubles_are_bounded(tmp_path: Path) -> None:
    assert len(check(tmp_path / "in", b"x\n" * 5000).troubles) == lines.MOST_TROUBLES


def test_results_can_be_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "out"
    assert list(lines.answered(path)) == []
    path.write_bytes(
        lines.result("i", "a", 200, "r", b'{\n"x": "\xc3\xa4"}')
        + lines.unasked("j", "b", "c", "m")
        + b'{"custom_id":"c"}'
    )
    assert list(lines.answered(path)) == ["a", "b"]
    first, second = (json.loads(each) for each in path.read_bytes().splitlines()[:2])
    assert first["response"] == {"status_code": 200, "request_id": "r", "body": {"x": "ä"}}
    assert (second["response"], second["error"]) == (None, {"code": "c", "message": "m"})


def test_tokens_by_whatever_name(tmp_path: Path) -> None:
    chat = (
        b'{"usage":{"prompt_tokens":7,"completion_tokens":5,"prompt_tokens_details":{"cached_tokens":2},'
        b'"completion_tokens_details":{"reasoning_tokens":1}}}'
    )
    responses = b'{"usage":{"input_tokens":7,"output_tokens":5,"output_tokens_details":{"reasoning_tokens":1}}}'
    assert lines.tokens(chat) == Tokens(7, 2, 5, 1)
    assert lines.tokens(responses) == Tokens(7, 0, 5, 1)
    for nothing in (b"{}", b'{"usage":null}', b'{"usage":{"prompt_tokens":null}}', b'{"usage":3}', b"what"):
        assert lines.tokens(nothing) == Tokens()
    path = tmp_path / "output.jsonl"
    assert lines.spent(path) == Tokens()
    path.write_bytes(lines.result("i", "a", 200, "r", chat) + lines.unasked("i", "b", "c", "m") + b'{"torn')
    assert lines.spent(path) == Tokens(7, 2, 5, 1)
