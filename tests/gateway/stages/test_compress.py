"""Prompts made shorter on their way to the model: what is sent, what is recorded, and what happens where it fails."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from llmctl.compress.options import ExtractiveOptions, MinifyOptions
from llmctl.errors import LlmctlError
from llmctl.gateway.stages.compress import INLINE, MAX_WAITING, SILENCE, Compress, Plan
from llmctl.model.exchange import Exchange
from llmctl.model.json import JsonObject, encode
from llmctl.model.record import Compression, Decision
from llmctl.testing.asking import Bench, stream, whole
from llmctl.testing.clock import ManualClock
from llmctl.testing.gateway import CollectingClient, exchange
from tests.compress.test_payload import LONG
from tests.gateway.routed import Routed, soon

ASKED = f"{LONG}\n\nWhat is said of the harbour?"
EXTRACT = "{kind: extractive, min_tokens: 50}"
OFF = "{preset: none}"


def said(sent: JsonObject) -> str:
    return "".join(message["content"] for message in sent["messages"])


@pytest.mark.parametrize("streaming", [False, True])
async def test_a_prompt_is_sent_shorter_and_recorded_as_sent(tmp_path: Path, streaming: bool) -> None:
    bench = Bench(tmp_path, OFF, stream(["fine"]) if streaming else whole("fine"), compress=EXTRACT)
    asked = await bench.say({"role": "system", "content": LONG}, ASKED, stream=streaming)
    [sent] = asked.sent
    system, user = sent["messages"]
    assert system["content"] == LONG
    assert "the harbour does" in user["content"]
    assert "palace" not in user["content"]
    assert user["content"].endswith("What is said of the harbour?")
    compression = asked.record.compression
    assert compression is not None
    assert compression.before == (len(LONG) + 3) // 4
    assert compression.after < 0.4 * compression.before
    assert said(asked.exchange.payload) == LONG + user["content"]
    assert said(asked.exchange.original or {"messages": []}) == LONG + ASKED
    assert bytes(asked.record.request) == encode(asked.exchange.payload)
    assert "compress" in [stage.name for stage in asked.record.stages]
    assert asked.record.state == "ok"
    assert not bench.bugs


async def test_a_prompt_with_nothing_long_is_sent_byte_for_byte(tmp_path: Path) -> None:
    bench = Bench(tmp_path, OFF, compress=EXTRACT)
    asked = await bench.say("short", {"role": "assistant", "content": LONG}, "What of the harbour?")
    assert asked.exchange.raw is not None
    assert asked.record.compression is None
    assert said(asked.sent[0]) == f"short{LONG}What of the harbour?"


async def test_only_chats_are_compressed(tmp_path: Path) -> None:
    completion = encode({"id": "c", "object": "text_completion", "model": "m", "choices": []})
    bench = Bench(tmp_path, OFF, completion, compress=EXTRACT)
    asked = await bench.ask({"model": "m", "prompt": ASKED}, "completion")
    assert asked.sent[0]["prompt"] == ASKED
    assert asked.record.compression is None


async def test_what_a_guard_took_out_stays_out(tmp_path: Path) -> None:
    policy = "{preset: none, policies: {p: {kind: pii, on_error: block, direction: input}}}"
    bench = Bench(tmp_path, policy, compress=EXTRACT)
    secret = "ann.smith@example.org"
    asked = await bench.say(ASKED.replace("The harbour is", f"Write to {secret}. The harbour is"))
    assert asked.record.compression is not None
    assert secret not in said(asked.sent[0])
    assert secret.encode() not in bytes(asked.record.request)


KEEPER = "The keeper Jonas Weber earned 4,211 crowns in 1887 and left the island in 1890."


@pytest.mark.parametrize("compressed", [True, False])
async def test_an_answer_is_judged_against_what_was_there_before(tmp_path: Path, compressed: bool) -> None:
    policy = "{preset: none, policies: {h: {kind: hallucination, on_error: block}}}"
    bench = Bench(tmp_path, policy, whole(KEEPER), compress=EXTRACT if compressed else "null")
    tool = {"role": "tool", "tool_call_id": "c", "content": f"{LONG}\n\n{KEEPER}"}
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    turn = {"role": "assistant", "content": None, "tool_calls": [call]}
    asked = await bench.say("What is said of the harbour?", turn, tool)
    assert ("Weber" in str(asked.sent[0])) is not compressed
    supported = asked.guard("h", "output").score or 0.0
    without = await bench.say("What is said of the harbour?", turn, {**tool, "content": LONG})
    assert supported < (without.guard("h", "output").score or 0.0)


FALLBACK = f"compress: {EXTRACT}\nroutes: {{r: {{kind: fixed, model: a, fallbacks: [b]}}}}\n"


async def test_whoever_answers_instead_gets_the_shorter_prompt_too(tmp_path: Path) -> None:
    routed = Routed(tmp_path, FALLBACK)
    routed.models.failing.add("a")
    asked = await routed.ask(text=ASKED)
    assert (asked.record.model, asked.client.text) == ("b", "from b")
    assert asked.record.compression is not None
    assert b"palace" not in bytes(asked.record.request)


async def test_a_copy_is_compressed_as_the_request_is(tmp_path: Path) -> None:
    shadow = "routes: {r: {kind: fixed, model: a, experiment: {kind: shadow, name: x, model: b}}}"
    routed = Routed(tmp_path, f"compress: {EXTRACT}\n{shadow}\n")
    asked = await routed.ask(text=ASKED)
    await soon(lambda: len(routed.records) == 2)
    [copy] = [one for one in routed.records if one.shadow_of]
    assert copy.compression == asked.record.compression is not None
    assert copy.request == asked.record.request


@dataclass
class Staged:
    """The stage alone, with a shortener of one's own."""

    shorten: Callable[[str, str], str] = lambda document, query: document[:20]
    slow: bool = False
    kind: str = "openai"
    options: MinifyOptions = field(default_factory=lambda: ExtractiveOptions(kind="extractive", min_tokens=50))
    patience: float = 30.0

    def __post_init__(self) -> None:
        self.clock = ManualClock()
        self.bugs: list[BaseException] = []
        self.warnings: list[str] = []
        plans = {"m": Plan(self.options, self.shorten, self.slow)}
        self.stage = Compress(
            plans, {"m": self.kind}, self.clock.monotonic, lambda _, bug: self.bugs.append(bug), self.warnings.append,
            patience=self.patience,
        )  # fmt: skip

    async def run(self, text: str = ASKED, change: Callable[[Exchange], object] = str, **payload: Any) -> Exchange:
        made = exchange(self.clock)
        made.requested_model, made.decision = "m", Decision("m", "fixed", "named")
        made.payload = {"model": "m", "messages": [{"role": "user", "content": text}], **payload}
        made.raw = encode(made.payload)
        change(made)
        await self.stage.run(made, CollectingClient(made.payload))
        return made


async def test_a_change_makes_the_clients_bytes_void() -> None:
    found = await Staged().run()
    assert found.raw is None
    assert found.payload["messages"][0]["content"].startswith(LONG[:20])
    assert found.compression == Compression((len(LONG) + 3) // 4, 5)


@pytest.mark.parametrize(
    "change",
    [
        lambda one: setattr(one, "requested_model", "other"),
        lambda one: setattr(one, "operation", "completion"),
        lambda one: setattr(one, "replayed", True),
        lambda one: one.payload.update(prompt_cache_key="k"),
        lambda one: one.payload.update(cache_control={"type": "ephemeral"}),
        lambda one: one.payload["messages"][0].update(cache_control={"type": "ephemeral"}),
        lambda one: one.payload.update(messages=[]),
    ],
)
async def test_what_is_not_to_be_compressed_goes_as_it_is(change: Callable[[Exchange], object]) -> None:
    found = await Staged().run(change=change)
    assert found.raw is not None
    assert (found.compression, found.original) == (None, None)


async def test_a_key_for_openais_cache_means_nothing_to_another_provider() -> None:
    assert (await Staged(kind="anthropic").run(prompt_cache_key="k")).compression is not None


async def test_a_failure_is_reported_once_in_a_while_and_harms_no_request() -> None:
    def broken(document: str, query: str) -> str:
        raise ZeroDivisionError

    staged = Staged(broken)
    for _ in range(3):
        found = await staged.run()
        assert (found.compression, found.original) == (None, None)
        assert found.payload["messages"][0]["content"] == ASKED
        assert found.raw is not None
    assert len(staged.bugs) == 1
    staged.clock.advance(SILENCE)
    await staged.run()
    assert [type(bug) for bug in staged.bugs] == [ZeroDivisionError] * 2
    assert staged.warnings == []


async def test_a_models_failure_is_a_warning() -> None:
    def broken(document: str, query: str) -> str:
        raise LlmctlError("compress llmlingua: models/x failed with InvalidArgument")

    staged = Staged(broken, slow=True)
    assert (await staged.run()).compression is None
    assert staged.bugs == []
    [warning] = staged.warnings
    assert "req_test" in warning
    assert "models/x failed" in warning


@pytest.fixture
def gate() -> Iterator[threading.Event]:
    """Holds up a shortener; opened at the end whatever happens, because the process waits for its threads."""
    event = threading.Event()
    yield event
    event.set()


@pytest.mark.parametrize(("text", "slow"), [(ASKED, True), (f"{LONG * 10}\n\nWhat is said of the harbour?", False)])
async def test_long_work_does_not_hold_the_loop(gate: threading.Event, text: str, slow: bool) -> None:
    def shorten(document: str, query: str) -> str:
        assert gate.wait(20)
        return document[:20]

    running = asyncio.create_task(Staged(shorten, slow).run(text))
    await asyncio.sleep(0.01)
    assert not running.done()  # and we are here
    gate.set()
    assert (await running).compression is not None


async def test_a_middling_prompt_is_compressed_at_once() -> None:
    threads: list[str] = []

    def shorten(document: str, query: str) -> str:
        threads.append(threading.current_thread().name)
        return document[:20]

    staged = Staged(shorten)
    await staged.run()
    await staged.run(f"{'Long is the way. ' * (INLINE // 16)}\n\nWhat is long?")
    assert threads[0] == threading.current_thread().name
    assert threads[1].startswith("compress")


async def test_a_compressor_that_hangs_costs_its_patience_and_no_more(gate: threading.Event) -> None:
    staged = Staged(lambda document, query: str(gate.wait(20)), slow=True, patience=0.02)
    found = await asyncio.gather(*[staged.run() for _ in range(MAX_WAITING + 1)])
    assert all(one.compression is None for one in found)
    [warning] = staged.warnings
    assert f"{MAX_WAITING} long prompts wait" in warning
    staged.clock.advance(SILENCE)
    await staged.run()
    assert "not done after 0.02 s" in staged.warnings[-1]


async def test_a_client_who_leaves_is_not_waited_for(gate: threading.Event) -> None:
    staged = Staged(lambda document, query: str(gate.wait(20)), slow=True)
    running = asyncio.create_task(staged.run())
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert staged.warnings == []
    gate.set()
    assert (await staged.run()).compression is not None
