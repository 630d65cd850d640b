"""HTTP Archives."""

import json
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import UsageError
from llmctl.replay.har import read

ASKED = {"model": "gpt-4o", "messages": [{"role": "user", "content": "Hello"}]}
ANSWER = {"model": "gpt-4o-1", "choices": [{"message": {"role": "assistant", "content": "Hi."}}],
          "usage": {"prompt_tokens": 3, "completion_tokens": 2}}  # fmt: skip


def entry(at: str, url: str, body: Any = ASKED, status: int = 200, answer: Any = ANSWER) -> dict[str, Any]:
    return {
        "startedDateTime": at,
        "time": 250.0,
        "request": {"method": "POST", "url": url, "postData": {"text": json.dumps(body)}},
        "response": {"status": status, "content": {"text": json.dumps(answer)}},
    }


def archive(folder: Path, *entries: Any) -> Path:
    path = folder / "a.har"
    path.write_text(json.dumps({"log": {"version": "1.2", "entries": list(entries)}}))
    return path


def test_entries_in_the_order_of_time(tmp_path: Path) -> None:
    url = "https://api.openai.com/v1/chat/completions"
    image = {"request": {"method": "GET", "url": "https://x/y.png"}, "startedDateTime": "2026-01-01T00:00:00Z"}
    path = archive(
        tmp_path, entry("2026-01-01T00:00:05Z", url), image, entry("2026-01-01T00:00:02.500Z", url, status=500)
    )
    first, second = read(path, None)
    assert (first.at, second.at) == (0.0, 2.5)
    assert first.before.error == "status 500"
    assert (second.before.text, second.before.seconds, second.before.usage.completion) == ("Hi.", 0.25, 2)
    assert second.call is not None
    assert second.call.payload == ASKED
    (again, _) = read(path, "mine")
    assert again.call is not None
    assert again.call.payload["model"] == "mine"


def test_what_cannot_be_asked_again_is_said(tmp_path: Path) -> None:
    messages = entry("2026-01-01T00:00:00Z", "https://api.anthropic.com/v1/messages")
    bare = entry("2026-01-01T00:00:01Z", "https://api.openai.com/v1/chat/completions")
    del bare["request"]["postData"]
    first, second = read(archive(tmp_path, messages, bare), None)
    assert (first.call, second.call) == (None, None)
    assert "dialect" in first.why_not
    assert "body" in second.why_not


@pytest.mark.parametrize("text", ["", "[]", '{"log": 1}'])
def test_what_is_no_archive(text: str, tmp_path: Path) -> None:
    (tmp_path / "b.har").write_text(text)
    with pytest.raises(UsageError, match="is no HTTP Archive"):
        list(read(tmp_path / "b.har", None))


def test_a_time_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"log\.entries\[0\]"):
        list(read(archive(tmp_path, entry("soon", "https://x/v1/chat/completions")), None))
