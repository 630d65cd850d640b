"""Tokens are counted as OpenAI's own tokenizer does, off the path, and of long texts by samples."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from llmctl.gateway.build import build
from llmctl.gateway.tokens import ATTACHMENT, LONGEST, PER_MESSAGE, Tokens, counted, installed, prompt, vocabulary
from llmctl.net.sse import frame
from llmctl.net.transport import Request
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from llmctl.testing.gateway import (
    CollectingClient,
    PlayedResponse,
    PlayedTransport,
    Remember,
    exchange,
    surroundings,
)

CONFIG = """\
providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}
models: {m: {provider: up}}
prices: {version: mine, models: {m: {input: 1, output: 1000}}}
"""
Job = Callable[[], None]


def words(text: str) -> int:
    return len(text.split())


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o-mini-2024-07-18", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("o3", "o200k_base"),
        ("claude-sonnet-4-5", "o200k_base"),
        ("", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("openai/gpt-4-turbo", "cl100k_base"),
        ("gpt-35-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
    ],
)
def test_each_model_has_a_vocabulary(model: str, name: str) -> None:
    assert vocabulary(model) == name


def test_nothing_is_counted_until_the_vocabulary_is_there() -> None:
    jobs: list[Job] = []
    tokens = Tokens(lambda name: words, jobs.append)
    assert tokens.of("gpt-4o") is None
    assert tokens.of("gpt-4.1") is None
    [job] = jobs  # one load, however many ask
    job()
    assert tokens.of("gpt-4o") is words
    assert tokens.of("gpt-4") is None  # another vocabulary
    assert len(jobs) == 2


def test_a_package_that_does_not_load_is_asked_once() -> None:
    asked: list[str] = []

    def load(name: str) -> Any:
        asked.append(name)
        raise OSError("no such library")

    tokens = Tokens(load, lambda job: job())
    assert [tokens.of("o3"), tokens.of("o3")] == [None, None]
    assert asked == ["o200k_base"]


def test_the_real_one_loads_beside_the_path_and_counts() -> None:
    tokens = installed()
    assert tokens is not None
    done = Event()
    for _ in range(600):
        if (count := tokens.of("gpt-4o")) is not None:
            break
        done.wait(0.05)
    assert count is not None
    assert count("hello world") == 2
    assert count("a" * LONGEST) == 2500  # linear: a quadratic one takes seconds here
    assert count("<|endoftext|>") == 7  # a client's words are words
    assert count("a\ud800b") > 1


def test_asking_whether_it_is_installed_imports_nothing() -> None:
    code = "import sys; from llmctl.gateway.tokens import installed; installed(); sys.exit('bpe_openai' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_long_texts_are_sampled_throughout() -> None:
    seen: list[str] = []

    def count(text: str) -> int:
        seen.append(text)
        return text.count("b")

    text = "a" * 50_000 + "b" * 50_000
    assert counted(count, [text[:99], text[99:]]) == pytest.approx(50_000, rel=0.21)
    assert len(seen[0]) == LONGEST
    assert counted(words, ["one ", "two"]) == 2
    assert counted(words, []) == 0
    assert counted(words, ["w " * 100], 1000) == 500  # the rest was like the first part


def test_a_chat_is_its_texts_and_what_stands_around_them() -> None:
    parts = [{"type": "text", "text": "what is this "}, {"type": "image_url", "image_url": {}}]
    messages = [
        {"role": "system", "content": "be brief "},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f ", "arguments": "x y "}}]},
    ]
    assert prompt(words, {"messages": messages}, "chat") == 2 + 3 + 3 + ATTACHMENT + PER_MESSAGE * 4
    tools = [{"type": "function", "function": {"name": "f"}}]
    assert prompt(words, {"messages": messages, "tools": tools}, "chat") == 9 + ATTACHMENT + PER_MESSAGE * 4


@pytest.mark.parametrize(
    ("payload", "operation", "tokens"),
    [
        ({"prompt": "one two"}, "completion", 2),
        ({"prompt": ["one ", "two"]}, "completion", 2),
        ({"prompt": [1, 2, 3]}, "completion", 3),
        ({"input": [[1, 2], [3]]}, "embedding", 3),
        ({"input": "one"}, "embedding", 1),
        ({}, "completion", 0),
    ],
)
def test_what_is_no_chat(payload: Any, operation: Any, tokens: int) -> None:
    assert prompt(words, payload, operation) == tokens


@pytest.mark.parametrize("preset", ["none", "balanced"])  # with guards the answer is held, and nothing goes out
async def test_a_stream_that_breaks_off_is_charged_what_the_tokenizer_counts(tmp_path: Path, preset: str) -> None:
    async def pause() -> None:
        return

    def play(_: Request) -> PlayedResponse:
        pieces = [frame(b'{"model":"gpt-4o","choices":[{"index":0,"delta":{"content":"one two three "}}]}')] * 2
        return PlayedResponse(200, {b"content-type": b"text/event-stream"}, pieces, pause)

    sink, clock = Remember(), ManualClock()
    tokens = Tokens(lambda name: words, lambda job: job())
    tokens.of("gpt-4o")
    around = replace(surroundings(PlayedTransport(play), sink, clock), tokens=tokens)
    gateway = build(loaded(CONFIG + f"guardrails: {{preset: {preset}}}\n", tmp_path), around)
    body = {"model": "m", "messages": [{"role": "user", "content": "a b c d"}], "stream": True}
    await gateway.run(exchange(clock), CollectingClient(body))
    [record] = sink.records
    assert (record.usage.input, record.usage.output, record.usage.source) == (4 + 2 * PER_MESSAGE, 6, "estimated")
    assert record.cost.usd == pytest.approx(10e-6 + 6000e-6)
    assert (record.cost.status, record.cost.price_version) == ("estimated", "configured mine")
