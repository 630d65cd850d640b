"""One POST and its answer: what is sent, what is retried, and what errors never say."""

import asyncio

import pytest

from llmctl.embedding.base import sendable
from llmctl.errors import (
    UpstreamConnectError,
    UpstreamError,
    UpstreamLost,
    UpstreamProtocolError,
    UpstreamStatus,
    UpstreamTimeout,
)
from llmctl.guards.asked.http import MAX_ANSWER, Remote, RemoteOptions
from llmctl.net.pool import Pool
from llmctl.testing.judges import JudgeServer

KEY = "sk-very-secret-key"


def remote(server: JudgeServer, pool: Pool, **options: object) -> Remote:
    given = RemoteOptions.model_validate({"api_key": KEY, "timeout": 2, **options})
    return Remote("judge", server.base_url, given, pool)


async def test_what_is_sent(server: JudgeServer, pool: Pool) -> None:
    server.answer = (200, b'{"a": [1]}')
    asked = remote(server, pool, headers={"X-Team": "red"})
    assert await asked.ask(b"/x", {"text": "h\u00e4"}) == {"a": [1]}
    (request,) = server.requests
    assert (request.target, request.json) == ("/v1/x", {"text": "h\u00e4"})
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["x-team"] == "red"
    assert request.headers["content-type"] == "application/json"


async def test_without_a_key_none_is_sent(server: JudgeServer, pool: Pool) -> None:
    server.answer = (200, b"{}")
    await Remote("judge", server.base_url, RemoteOptions(), pool).ask(b"/x", {})
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    ("status", "says"),
    [(400, "model"), (401, "api_key"), (403, "api_key"), (404, "base_url and model"), (413, "max_chars"),
     (418, "base_url"), (429, "rate"), (500, "log"), (503, "log"), (201, "base_url"), (302, "base_url")],
)  # fmt: skip
async def test_an_error_status_says_what_to_do_and_quotes_nothing(
    server: JudgeServer, pool: Pool, status: int, says: str
) -> None:
    server.answer = (
        status,
        b'{"error": {"message": "key %b of the text hunter2", "code": "%b"}}' % ((KEY.encode(),) * 2),
    )
    with pytest.raises(UpstreamStatus, match=says) as failed:
        await remote(server, pool).ask(b"/x", {"text": "hunter2"})
    assert failed.value.status == status
    assert f"HTTP {status}" in failed.value.message
    for word in (KEY, "hunter2"):
        assert word not in failed.value.message
        assert word not in str(failed.value.code)


@pytest.mark.parametrize("body", [b"", b"<html>hunter2", b"{", b'{"a": NaN}', b"\xff", b"[" * 5_000])
async def test_what_is_not_json_is_an_error(server: JudgeServer, pool: Pool, body: bytes) -> None:
    server.answer = (200, body)
    with pytest.raises(UpstreamProtocolError, match="not JSON") as failed:
        await remote(server, pool).ask(b"/x", {})
    assert "hunter2" not in failed.value.message


async def test_a_huge_answer_is_not_read(server: JudgeServer, pool: Pool) -> None:
    server.answer = (200, b'"' + b"x" * MAX_ANSWER + b'"')
    with pytest.raises(UpstreamProtocolError):
        await remote(server, pool).ask(b"/x", {})
    server.answer = (200, b'"' + b"x" * (MAX_ANSWER - 2) + b'"')
    assert len(await remote(server, pool).ask(b"/x", {})) == MAX_ANSWER - 2


async def test_a_slow_answer_is_given_up(server: JudgeServer, pool: Pool) -> None:
    server.delay = 30
    started = asyncio.get_running_loop().time()
    with pytest.raises(UpstreamTimeout):
        await remote(server, pool, timeout="100ms").ask(b"/x", {})
    assert asyncio.get_running_loop().time() - started < 2


async def test_nobody_there(pool: Pool) -> None:
    async with JudgeServer() as gone:
        asked = remote(gone, pool)
    with pytest.raises(UpstreamConnectError) as failed:
        await asked.ask(b"/x", {})
    assert KEY not in failed.value.message


async def test_a_connection_that_died_while_idle_is_no_failure(server: JudgeServer, pool: Pool) -> None:
    server.answer = (200, b"1")
    server.drop_idle = True
    asked = remote(server, pool)
    for _ in range(20):
        assert await asked.ask(b"/x", {}) == 1


async def test_it_is_not_asked_for_ever() -> None:
    class Dead:
        count = 0

        async def send(self, request: object) -> object:
            self.count += 1
            raise UpstreamLost("gone", unanswered=True)

    dead = Dead()
    with pytest.raises(UpstreamLost):
        await Remote("judge", "http://h", RemoteOptions(), dead).ask(b"/x", {})  # type: ignore[arg-type]
    assert dead.count == 3


async def test_ten_at_once(server: JudgeServer, pool: Pool) -> None:
    server.answer = lambda asked: (200, b"%d" % asked.json["n"])
    asked = remote(server, pool)
    assert await asyncio.gather(*(asked.ask(b"/x", {"n": n}) for n in range(10))) == list(range(10))


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("judge.example", {}, "base_url"),
        ("http://user:pw@h/v1", {}, "credentials"),
        ("http://h", {"api_key": f"{KEY}\r\nx: y"}, "header 'authorization'"),
        ("http://h", {"headers": {"content-length": "1"}}, "content-length"),
        ("https://h", {"ca_file": "/no/such/file.pem"}, "ca_file"),
        ("https://h", {"ca_file": __file__}, "ca_file"),
    ],
)
def test_what_cannot_be_sent_is_refused_when_made(url: str, options: dict[str, object], says: str, pool: Pool) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        Remote("judge", url, RemoteOptions.model_validate(options), pool)
    assert KEY not in str(refused.value)


@pytest.mark.parametrize("timeout", [0, -1, "soon", float("inf"), float("nan")])
def test_timeouts_that_cannot_be(timeout: object) -> None:
    with pytest.raises(ValueError, match="timeout"):
        RemoteOptions.model_validate({"timeout": timeout})


def test_options_do_not_show_what_is_secret() -> None:
    options = RemoteOptions.model_validate({"api_key": KEY, "headers": {"x-key": "other-secret"}})
    assert KEY not in repr(options)
    assert "other-secret" not in repr(options)


def test_surrogates_are_replaced_one_by_one() -> None:
    assert sendable("a\ud800b\U0001f600") == "a?b\U0001f600"
    assert sendable(text := "plain \u00e4") is text


async def test_a_lone_surrogate_never_reaches_the_wire(server: JudgeServer, pool: Pool) -> None:
    with pytest.raises((ValueError, UpstreamError), match="surrogate"):
        await remote(server, pool).ask(b"/x", {"text": "\ud800"})
    assert server.requests == []
