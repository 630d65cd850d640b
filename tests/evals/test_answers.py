from pathlib import Path

import pytest

from llmctl.errors import StoreError
from llmctl.evals.answers import Answered, Answers, Kept, as_tool_calls, copy_key, request_key
from llmctl.model.chat import CustomCall, FunctionCall, ToolCall
from llmctl.model.usage import Cost

KEY = copy_key(request_key("t", {"model": "m"}), 0)


def test_what_is_put_is_there_for_this_process_and_the_next(tmp_path: Path) -> None:
    answer = Answered("yes", [{"name": "f", "arguments": "{}"}], cost=Cost(0.5, "exact"), seconds=1.5)
    first = Answers(tmp_path / "kept")
    assert first.get("t", KEY) is None
    first.put("t", Kept(KEY, "run", answer))
    assert first.get("t", KEY) == Kept(KEY, "run", answer)
    assert first.get("another", KEY) is None
    second = Answers(tmp_path / "kept")
    assert second.get("t", KEY) == Kept(KEY, "run", answer)
    second.put("t", Kept(KEY, "later", Answered("no")))
    assert second.get("t", KEY) == Kept(KEY, "later", Answered("no"))
    first.close()
    second.close()


def test_two_that_append_at_a_time_do_not_hurt_each_other(tmp_path: Path) -> None:
    a, b = Answers(tmp_path), Answers(tmp_path)
    keys = [copy_key(request_key("t", {"n": n}), 0) for n in range(20)]
    for n, key in enumerate(keys):
        (a if n % 2 else b).put("t", Kept(key, "r", Answered(f"says {n}" * n)))
    assert [a.get("t", key) for key in keys[1::2]] == [
        Kept(k, "r", Answered(f"says {n}" * n)) for n, k in list(enumerate(keys))[1::2]
    ]
    third = Answers(tmp_path)
    assert all(third.get("t", key) is not None for key in keys)
    for one in (a, b, third):
        one.close()


@pytest.mark.parametrize("tail", [b'{"key":"', b'{"key":"' + KEY.encode() + b'","run":"r","ans', b"\xff\xff"])
def test_a_torn_line_is_passed_over_and_swallows_nothing(tmp_path: Path, tail: bytes) -> None:
    first = Answers(tmp_path)
    first.put("t", Kept(KEY, "r", Answered("whole")))
    first.close()
    (file,) = tmp_path.iterdir()
    with file.open("ab") as lines:
        lines.write(tail)
    second = Answers(tmp_path)
    other = copy_key(request_key("t", {"model": "m"}), 1)
    second.put("t", Kept(other, "r", Answered("next")))
    third = Answers(tmp_path)
    assert [one and one.answer.output for one in (third.get("t", KEY), third.get("t", other))] == ["whole", "next"]
    second.close()
    third.close()


def test_a_damaged_answer_is_none(tmp_path: Path) -> None:
    first = Answers(tmp_path)
    first.put("t", Kept(KEY, "r", Answered("whole")))
    (file,) = tmp_path.iterdir()
    file.write_bytes(file.read_bytes().replace(b'"answer":{', b'"answer":[ '))
    assert Answers(tmp_path).get("t", KEY) is None
    first.close()


def test_an_answer_longer_than_a_block_is_whole(tmp_path: Path) -> None:
    answers = Answers(tmp_path)
    answers.put("t", Kept(KEY, "r", Answered("x" * 30_000)))
    found = answers.get("t", KEY)
    assert found is not None
    assert len(found.answer.output) == 30_000
    answers.close()


def test_keys_are_of_what_is_asked_and_of_whom() -> None:
    base = request_key("t", {"model": "m", "seed": 1})
    assert request_key("t", {"seed": 1, "model": "m"}) == base
    assert len({base, request_key("u", {"model": "m", "seed": 1}), request_key("t", {"model": "m", "seed": 2})}) == 3
    assert len({copy_key(base, copy) for copy in range(5)}) == 5


def test_a_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="answers cannot be kept there"):
        Answers(tmp_path / "file").get("t", KEY)


def test_files_are_for_their_owner(tmp_path: Path) -> None:
    answers = Answers(tmp_path / "kept")
    answers.put("t", Kept(KEY, "r", Answered("secret")))
    answers.sync()
    answers.close()
    (file,) = (tmp_path / "kept").iterdir()
    assert (file.stat().st_mode & 0o777, (tmp_path / "kept").stat().st_mode & 0o777) == (0o600, 0o700)


def test_tool_calls_of_both_kinds() -> None:
    calls = [ToolCall(function=FunctionCall("f", '{"a":1}')), ToolCall(custom=CustomCall("c", "text")), ToolCall()]
    assert as_tool_calls(calls) == [{"name": "f", "arguments": '{"a":1}'}, {"name": "c", "arguments": "text"}]
    assert as_tool_calls(None) == []
