"""Against the scripted upstream, and for bad answers against a server that says what it is told to."""

import asyncio
import json
from typing import Any

import numpy as np
import pytest

from llmctl.clock import SystemClock
from llmctl.embedding.endpoint import Endpoint, EndpointOptions
from llmctl.errors import Unavailable, UpstreamConnectError, UpstreamError, UpstreamProtocolError, UpstreamTimeout
from llmctl.net.pool import Pool
from llmctl.providers.script import Script
from llmctl.testing.clock import ManualClock
from llmctl.testing.judges import JudgeServer
from llmctl.testing.scripted import ScriptedServer


def endpoint(pool: Pool, url: str, clock: ManualClock | None = None, **options: Any) -> Endpoint:
    given = {"url": url, "model": "embed-small", "window": 0, **options}
    return Endpoint(EndpointOptions.model_validate(given), pool, clock or SystemClock())


async def test_texts_become_unit_vectors_in_one_call(pool: Pool) -> None:
    async with ScriptedServer(Script(embedding_dim=16)) as server:
        made = endpoint(pool, server.base_url, api_key="sk-1", prefix="query: ")
        assert made.size == 0
        one, other, same = await asyncio.gather(*map(made.vector, ("rye bread", "a river", "rye bread")))
        assert one.shape == (16,)
        assert one.dtype == np.float32
        assert float(np.linalg.norm(one)) == pytest.approx(1, abs=1e-6)
        assert (one == same).all()
        assert not (one == other).all()
        assert made.size == 16
        assert server.count == 1
        received = server.requests[0]
        assert json.loads(received.body) == {"model": "embed-small", "input": ["query: rye bread", "query: a river"]}
        assert received.headers[b"authorization"] == b"Bearer sk-1"
        await made.close()


async def test_dimensions_are_asked_for_and_known_before(pool: Pool) -> None:
    async with ScriptedServer(Script(embedding_dim=16)) as server:
        made = endpoint(pool, server.base_url + "/embeddings", dimensions=8)
        assert made.size == 8
        assert not (await made.vector(" \n")).any()
        assert server.count == 0
        assert (await made.vector("bread \ud800")).shape == (8,)
        assert server.requests[0].target == b"/v1/embeddings"
        await made.close()


async def test_start_learns_the_size(pool: Pool) -> None:
    async with ScriptedServer(Script(embedding_dim=12)) as server:
        made = endpoint(pool, server.base_url)
        await made.start()
        assert made.size == 12
        await made.close()


def answer(*rows: Any, indices: tuple[int, ...] | None = None) -> bytes:
    places = range(len(rows)) if indices is None else indices
    return json.dumps({"data": [{"embedding": row, "index": n} for row, n in zip(rows, places, strict=True)]}).encode()


async def test_the_order_is_that_of_the_indices(pool: Pool) -> None:
    async with JudgeServer() as server:
        server.answer = (200, answer([0, 2], [3, 0], indices=(1, 0)))
        made = endpoint(pool, server.base_url)
        one, other = await asyncio.gather(made.vector("a"), made.vector("b"))
        assert (one.tolist(), other.tolist()) == ([1, 0], [0, 1])
        server.answer = (200, b'{"data": [{"embedding": [1, 0]}]}')
        assert (await made.vector("c")).tolist() == [1, 0]
        await made.close()


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"<html>", "not JSON with lists of numbers"),
        (b'{"data": [{"embedding": [NaN, 1], "index": 0}]}', "not JSON with lists of numbers"),
        (answer([None, 1]), "not JSON with lists of numbers"),
        (answer("AAAA"), "not JSON with lists of numbers"),
        (b'{"data": []}', "0 vectors came for 1 texts"),
        (answer([1, 2], [3, 4]), "2 vectors came for 1 texts"),
        (answer([1, 2], indices=(1,)), "indices"),
        (answer([1, 2, 3]), "vectors of 3 numbers came; 2 are due"),
        (answer([]), "vectors of 0 numbers came; 2 are due"),
    ],
)
async def test_a_bad_answer_names_the_endpoint(pool: Pool, body: bytes, says: str) -> None:
    async with JudgeServer() as server:
        server.answer = (200, body)
        made = endpoint(pool, server.base_url, dimensions=2, api_key="sk-secret")
        with pytest.raises(UpstreamProtocolError, match=says) as caught:
            await made.vector("rye bread")
        assert server.url in caught.value.message
        assert "rye" not in caught.value.message
        assert "sk-secret" not in caught.value.message
        await made.close()


@pytest.mark.parametrize(("status", "says"), [(401, "check api_key"), (404, "url and model"), (500, "own log")])
async def test_an_error_status_says_what_to_do(pool: Pool, status: int, says: str) -> None:
    async with JudgeServer() as server:
        server.answer = (status, b"{}")
        made = endpoint(pool, server.base_url)
        with pytest.raises(UpstreamError, match=f"{server.url} answered HTTP {status}; .*{says}"):
            await made.vector("bread")
        await made.close()


async def test_too_late_is_an_error(pool: Pool) -> None:
    async with JudgeServer() as server:
        server.delay = 5.0
        made = endpoint(pool, server.base_url, timeout=0.05)
        with pytest.raises(UpstreamTimeout):
            await made.vector("bread")
        await made.close()


async def test_a_connection_that_was_closed_meanwhile_is_no_failure(pool: Pool) -> None:
    async with JudgeServer() as server:
        server.drop_idle = True
        server.answer = (200, answer([1, 0]))
        made = endpoint(pool, server.base_url, failures=1)
        for text in "abcd":
            await made.vector(text)
        await made.close()


async def test_a_dead_service_is_left_alone_and_tried_again(pool: Pool) -> None:
    clock = ManualClock()
    async with JudgeServer() as server:
        made = endpoint(pool, server.base_url, clock, failures=3, pause="30s")
        server.answer = (503, b"{}")
        for text in "abc":
            with pytest.raises(UpstreamError):
                await made.vector(text)
        with pytest.raises(Unavailable, match="3 times in a row") as caught:
            await made.vector("d")
        assert server.url in caught.value.message
        assert len(server.requests) == 3
        clock.advance(31)
        server.answer = (200, answer([1, 0]))
        assert (await made.vector("e")).any()
        assert (await made.vector("f")).any()
        await made.close()


async def test_nothing_listens(pool: Pool) -> None:
    async with ScriptedServer() as server:
        url = server.base_url
    made = endpoint(pool, url)
    with pytest.raises(UpstreamConnectError):
        await made.start()
    assert made.size == 0
    await made.close()


def test_what_makes_other_vectors_has_another_identity(pool: Pool) -> None:
    def identity(url: str = "http://127.0.0.1/v1", **options: Any) -> str:
        return endpoint(pool, url, **options).identity

    others = [
        identity(url="http://127.0.0.1/v2"), identity(model="large"), identity(dimensions=8), identity(prefix="q: "),
    ]  # fmt: skip
    assert len({identity(), *others}) == 5
    assert identity() == identity(url="http://127.0.0.1/v1/embeddings/", api_key="sk-2", window="9ms", timeout=2)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"url": "host/v1"}, r"^url 'host/v1' is not"),
        ({"headers": {"a b": "c"}}, "header name"),
        ({"url": "https://host/v1", "ca_file": "/nowhere.pem"}, "ca_file"),
    ],
)
def test_addresses_that_cannot_be(pool: Pool, options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        endpoint(pool, **{"url": "http://host/v1", **options})
