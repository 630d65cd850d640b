"""The scripted server, over real sockets."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest

from llmctl.testing.scripted import ScriptedServer, ServerScript, main


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=3) as client:
        yield client


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "one two"}], **fields}


def server(**options: Any) -> ScriptedServer:
    return ScriptedServer(ServerScript.model_validate(options))


def request(head: bytes = b"", **fields: Any) -> bytes:
    body = json.dumps(chat(**fields)).encode()
    return b"POST /v1/chat/completions HTTP/1.1\r\n%bcontent-length: %d\r\n\r\n%b" % (head, len(body), body)


async def raw(to: ScriptedServer, **fields: Any) -> bytes:
    """All that comes for one request, up to the connection's end. Raises ConnectionResetError."""
    reader, writer = await asyncio.open_connection("127.0.0.1", to.port)
    try:
        body = json.dumps(chat(**fields)).encode()
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
        )
        return await asyncio.wait_for(reader.read(-1), 3)
    finally:
        writer.close()


async def test_an_official_client_is_served() -> None:
    async with (
        server(text="well said", token_rate=500) as to,
        openai.AsyncOpenAI(base_url=to.base_url, api_key="k") as client,
    ):
        messages: Any = chat()["messages"]
        answer = await client.chat.completions.create(model="m", messages=messages)
        assert answer.choices[0].message.content == "well said"
        stream = await client.chat.completions.create(model="m", messages=messages, stream=True)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "well said"
        vectors = await client.embeddings.create(model="m", input=["a", "b"])
        assert len(vectors.data[0].embedding) == 64
        completion = await client.completions.create(model="m", prompt="x")
        assert completion.choices[0].text == "well said"
        assert "scripted" in [model.id async for model in client.models.list()]


async def test_it_records_what_it_received(client: httpx.AsyncClient) -> None:
    async with server() as to:
        for number in range(3):
            await client.post(f"{to.base_url}/chat/completions", json=chat(seed=number), headers={"X-A": "b"})
        assert [request.json["seed"] for request in to.requests] == [0, 1, 2]
        first = to.requests[0]
        assert (first.method, first.target, first.headers[b"x-a"]) == (b"POST", b"/v1/chat/completions", b"b")
        assert first.outcome == "answered"
        assert (to.count, to.open) == (3, 1)


async def test_what_it_records_is_bounded(client: httpx.AsyncClient) -> None:
    async with ScriptedServer(keep=2) as to:
        for _ in range(4):
            await client.post(f"{to.base_url}/chat/completions", json=chat())
        assert (len(to.requests), to.count) == (2, 4)


async def test_a_stream_is_paced_and_chunked(client: httpx.AsyncClient) -> None:
    async with server(tokens=6, token_rate=50, latency=0.03) as to:
        began = time.monotonic()
        async with client.stream("POST", f"{to.base_url}/chat/completions", json=chat(stream=True)) as answer:
            assert answer.headers["transfer-encoding"] == "chunked"
            times = [time.monotonic() - began async for _ in answer.aiter_raw()]
        assert times[0] > 0.02
        assert times[-1] - times[0] == pytest.approx(0.12, abs=0.06)
        assert len(times) >= 4


@pytest.mark.parametrize("stream", [False, True])
async def test_a_model_or_a_header_chooses_another_script(client: httpx.AsyncClient, stream: bool) -> None:
    async with server(text="default", scripts={"other": {"text": "named"}}) as to:

        async def said(model: str, **headers: str) -> str:
            url = f"{to.base_url}/chat/completions"
            return (await client.post(url, json=chat(model=model, stream=stream), headers=headers)).text

        assert "default" in await said("m")
        assert "named" in await said("other")
        assert "varied" in await said("m", **{"x-script": '{"text":"varied"}'})
        once = {"x-script": '{"faults":[{"kind":"error","times":1}]}'}
        assert "server_error" in await said("m", **once)
        assert "default" in await said("m", **once)
        assert "faults.0.kind" in await said("m", **{"x-script": '{"faults":[{"kind":"flood"}]}'})
        assert "Invalid request" in await said("m", **{"x-script": "{"})


async def test_what_it_does_not_serve(client: httpx.AsyncClient) -> None:
    async with server(scripts={"other": {}}) as to:
        assert (await client.get(f"{to.url}/health")).json() == {"status": "ok"}
        assert (await client.get(f"{to.url}/nothing")).status_code == 404
        assert (await client.put(f"{to.url}/v1/models", content=b"x")).status_code == 405
        assert (await client.post(f"{to.base_url}/chat/completions", content=b"{")).status_code == 400


async def test_faults_on_the_socket() -> None:
    async with server(faults=[{"kind": "reset"}]) as to:
        with pytest.raises(ConnectionResetError):
            await raw(to)
        assert to.requests[0].outcome == "faulted"
    async with server(faults=[{"kind": "garbage"}]) as to:
        assert (await raw(to)).startswith(b"SSH-2.0")
    async with server(faults=[{"kind": "cut", "after_chunks": 2}]) as to:
        came = await raw(to, stream=True)
        assert came.count(b"data: ") == 3
        assert not came.endswith(b"0\r\n\r\n")
    async with server(faults=[{"kind": "cut"}]) as to:
        head, _, body = (await raw(to)).partition(b"\r\n\r\n")
        assert 0 < len(body) < int(head.partition(b"content-length: ")[2])


async def test_a_reset_within_a_stream_comes_after_what_was_sent() -> None:
    async with server(faults=[{"kind": "reset", "after_chunks": 2}]) as to:
        reader, writer = await asyncio.open_connection("127.0.0.1", to.port)
        writer.write(request(stream=True))
        assert (await reader.readuntil(b"text/event-stream")).startswith(b"HTTP/1.1 200 OK")
        with pytest.raises(ConnectionResetError):
            await reader.read(-1)
        writer.close()


async def test_a_hang_lasts_until_the_client_leaves(client: httpx.AsyncClient) -> None:
    async with server(faults=[{"kind": "hang"}]) as to:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(f"{to.base_url}/chat/completions", json=chat(), timeout=0.1)
        await asyncio.sleep(0.02)
        assert (to.requests[0].outcome, to.open) == ("dropped", 0)


async def test_a_client_that_leaves_within_a_stream_is_noticed(client: httpx.AsyncClient) -> None:
    async with server(tokens=1000, token_rate=100) as to:
        async with client.stream("POST", f"{to.base_url}/chat/completions", json=chat(stream=True)) as answer:
            await anext(answer.aiter_raw())
        await asyncio.sleep(0.05)
        assert (to.requests[0].outcome, to.open) == ("dropped", 0)


async def test_pipelined_requests_are_answered_in_order_and_close_is_honoured() -> None:
    async with server(text=["a", "b"], latency=0.01) as to:
        reader, writer = await asyncio.open_connection("127.0.0.1", to.port)
        writer.write(request() + request(b"connection: close\r\n"))
        came = await asyncio.wait_for(reader.read(-1), 3)
        writer.close()
        assert came.index(b'"content":"a"') < came.index(b'"content":"b"')
        assert came.count(b"connection: close") == 1


async def test_what_is_not_http_is_hung_up_on() -> None:
    async with server() as to:
        reader, writer = await asyncio.open_connection("127.0.0.1", to.port)
        writer.write(b"\x00\x01\x02 nonsense\r\n\r\n")
        with contextlib.suppress(ConnectionResetError):
            assert await asyncio.wait_for(reader.read(-1), 3) == b""
        writer.close()


async def test_as_a_process(tmp_path: Path, client: httpx.AsyncClient) -> None:
    config = tmp_path / "script.yaml"
    config.write_text("text: from the file\nlatency: {kind: uniform, low: 0, high: 1ms}\nscripts: {x: {echo: true}}\n")
    command = [sys.executable, "-m", "llmctl.testing.scripted", "--config", str(config), "--token-rate", "0"]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    line = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
    assert line["pid"] == process.pid
    assert "from the file" in (await client.post(f"{line['base_url']}/chat/completions", json=chat())).text
    os.kill(line["pid"], signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 5) == 0


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["--latency", "soon"], "write a duration"),
        (["--config", "/nowhere.yaml"], "No such file"),
        (["--latency", '{"kind":"normal"}'], "lognormal"),
    ],
)
def test_wrong_options_exit_2(argv: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(argv) == 2
    assert said in capsys.readouterr().err


async def test_a_taken_port_exits_1(capsys: pytest.CaptureFixture[str]) -> None:
    async with server() as to:
        assert await asyncio.to_thread(_main_elsewhere, to.port) == 1


def _main_elsewhere(port: int) -> int:
    command = [sys.executable, "-m", "llmctl.testing.scripted", "--port", str(port)]
    return subprocess.run(command, check=False, capture_output=True, timeout=20).returncode
