"""Compression off the path saves what it saves on it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from llmctl.clock import SystemClock
from llmctl.errors import ConfigError
from llmctl.gateway.recompress import Compressing
from llmctl.model.json import JsonObject
from llmctl.testing.asking import ONE_MODEL, Bench
from llmctl.testing.config import loaded

RESULT = (
    '{\n    "rows":   [\n'
    + ",\n".join(f'        {{"name": "row {n}",    "value":   {n}}}' for n in range(200))
    + "\n  ]\n}"
)
MESSAGES: list[JsonObject] = [
    {"role": "user", "content": "look it up"},
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c", "content": RESULT},
]


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Compressing]:
    found = Compressing(loaded(ONE_MODEL + "compress: {kind: minify}\n", tmp_path), SystemClock())
    yield found
    found.close()


async def _on_path(folder: Path) -> tuple[int, int]:
    folder.mkdir()
    asked = await Bench(folder, "{preset: none}", compress="{kind: minify}").say(*MESSAGES)
    found = asked.record.compression
    assert found is not None
    return found.before, found.after


async def test_what_the_path_saves(tmp_path: Path) -> None:
    expected = await _on_path(tmp_path / "path")

    import asyncio

    def apart() -> tuple[int, int]:
        compressing = Compressing(loaded(ONE_MODEL + "compress: {kind: minify}\n", tmp_path), SystemClock())
        try:
            return compressing.tokens({"model": "m", "messages": MESSAGES}, "chat", "m")
        finally:
            compressing.close()

    assert await asyncio.to_thread(apart) == expected
    assert expected[1] < expected[0]


def test_what_stays_as_it_is(made: Compressing) -> None:
    assert made.tokens({"model": "m", "messages": MESSAGES[:1]}, "chat", "m") == (0, 0)
    assert made.tokens({"model": "m", "input": "x"}, "embedding", "m") == (0, 0)
    assert made.troubles == 0


def test_without_compression(tmp_path: Path) -> None:
    made = Compressing(loaded(ONE_MODEL, tmp_path), SystemClock())
    assert made.tokens({"model": "m", "messages": MESSAGES}, "chat", "m") == (0, 0)
    made.close()


def test_a_kind_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no kind"):
        Compressing(loaded(ONE_MODEL + "compress: {kind: nothing}\n", tmp_path), SystemClock())
