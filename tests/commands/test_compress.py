import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from llmctl.commands.compress import app
from llmctl.errors import UsageError

THINGS = (
    ("grass", "green"),
    ("snow", "white"),
    ("sky", "blue"),
    ("blood", "red"),
    ("coal", "black"),
    ("gold", "yellow"),
)


def question(thing: str, colour: str) -> dict[str, Any]:
    text = f"The {thing} is {colour}. This has been known for a long time, and many books say so too."
    gold = {"title": thing.title(), "text": text, "isgold": True}
    return {"question": f"What colour is {thing}?", "answers": [colour], "ctxs": [{"title": "x", "text": "y"}, gold]}


MEETING = {
    "meeting_transcripts": [{"speaker": "AB"[at % 2], "content": f"Point {at} is settled."} for at in range(40)],
    "specific_query_list": [
        {"query": "What about point 7?", "answer": "", "relevant_text_span": [["6", "8"]]},
        {"query": "Nothing is marked.", "answer": "", "relevant_text_span": []},
    ],
}


def written(path: Path, *rows: Any) -> str:
    file = path / "rows.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return str(file)


def ran(*args: str) -> str:
    found = CliRunner().invoke(app, ["bench", *args], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def refused(*args: str) -> str:
    with pytest.raises(UsageError) as raised:
        CliRunner().invoke(app, ["bench", *args], catch_exceptions=False)
    return str(raised.value)


def test_questions(tmp_path: Path) -> None:
    data = written(tmp_path, *(question(*one) for one in THINGS), question("ink", "blue") | {"answers": ["nowhere"]})
    found = json.loads(ran("--data", data, "--distractors", "4", "--json"))
    assert (found["nq"]["n"], found["nq"]["left_out"], found["budget"]) == (6, 1, 0.33)
    assert "proxy" in found["note"]
    for titles in ("with_titles", "without_titles"):
        ours = found["nq"][titles]["methods"]["extractive"]
        assert ours["retained"] == 1.0
        assert ours["interval"][0] < 1.0 == ours["interval"][1]
        assert ours["times_fewer_tokens"] >= 3
        assert set(found["nq"][titles]["methods"]) == {"extractive", "truncation", "random"}
        cost = found["nq"][titles]["ms_per_10000_characters"]
        assert 0 < cost["warm_p50"] <= cost["p50"] <= cost["p99"]


def test_meetings(tmp_path: Path) -> None:
    found = json.loads(ran("--data", written(tmp_path, MEETING, MEETING), "--json"))["qmsum"]
    assert (found["n"], found["meetings"]) == (2, 2)
    ours = found["methods"]["extractive"]
    assert (ours["recall"], ours["all_turns"], ours["interval"]) == (1.0, 1.0, [1.0, 1.0])


def test_for_people(tmp_path: Path) -> None:
    out = ran("--data", written(tmp_path, *(question(*one) for one in THINGS), MEETING), "--distractors", "3")
    for said in ("6 questions, 3 distractors", "with titles: answers kept", "QMSum: 1 queries", "truncation", "proxy"):
        assert said in out


def test_limit(tmp_path: Path) -> None:
    data = written(tmp_path, *(question(*one) for one in THINGS))
    assert json.loads(ran("--data", data, "--limit", "3", "--json"))["nq"]["n"] == 3


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([], "has no rows"),
        (["text"], ":1: is not an object"),
        ([{"prompt": "x"}], ":1: is of neither shape"),
        ([question("a", "b") | {"answers": [3]}], ":1: question, answers"),
        ([question("a", "b") | {"answers": "b"}], ":1: question, answers"),
        ([question("a", "b"), {"meeting_transcripts": [1]}], ":2: is of neither shape"),
        ([question("a", "b")], "fewer than two passages"),
        ([MEETING | {"specific_query_list": []}], "no query says"),
    ],
)
def test_what_cannot_be_measured(tmp_path: Path, rows: list[Any], said: str) -> None:
    assert said in refused("--data", written(tmp_path, *rows))


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    assert "cannot be read" in refused("--data", str(tmp_path / "none.jsonl"))
    broken = tmp_path / "broken.jsonl"
    broken.write_text("{oops\n")
    assert ":1: is not JSON" in refused("--data", str(broken))
