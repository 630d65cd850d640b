"""What a request says to us alone, under `llmctl`, is checked before anything is done with it."""

from pathlib import Path
from typing import Any

import pytest

from llmctl.testing.asking import Bench

OURS: list[Any] = [None, 3, "x", [], {"context": [], "more": 1}]
WRONG: list[tuple[str, Any]] = [("llmctl", ours) for ours in OURS]
WRONG += [("llmctl.context", {"context": context}) for context in ("x", [3], None)]
WRONG += [("llmctl.cache", {"cache": wish}) for wish in ("", "never", 1, None, ["only"])]


@pytest.mark.parametrize(("param", "ours"), WRONG)
async def test_what_is_of_the_wrong_shape_is_refused(tmp_path: Path, param: str, ours: Any) -> None:
    asked = await Bench(tmp_path, "{preset: none}").say("q", llmctl=ours)
    assert (asked.failure.http_status, asked.failure.param, asked.sent) == (400, param, [])


async def test_what_is_right_is_taken_out(tmp_path: Path) -> None:
    asked = await Bench(tmp_path, "{preset: none}").say("q", llmctl={"context": ["One."], "cache": "no-store"})
    assert (asked.exchange.passages, asked.exchange.wish) == (("One.",), "no-store")
    assert "llmctl" not in asked.sent[0]
