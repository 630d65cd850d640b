"""Health, readiness and metrics, and who may read them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest

from llmctl.config.keys import new_key
from llmctl.gateway.reload import Live
from llmctl.net.transport import Request
from llmctl.server.admin import admin_app
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedResponse, PlayedTransport, Remember, surroundings

CONFIG = 'providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}\nmodels: {small: {provider: up}}\n'
HERE, ELSEWHERE = "127.0.0.1", "10.0.0.9"


def render(accept: str) -> tuple[bytes, str]:
    return (b"# EOF\n", "application/openmetrics-text") if "openmetrics" in accept else (b"x 1\n", "text/plain")


def nothing_sent(_: Request) -> PlayedResponse:
    raise AssertionError("nothing is sent here")


@asynccontextmanager
async def serving(folder: Path, text: str = CONFIG) -> AsyncIterator[Live]:
    around = surroundings(PlayedTransport(nothing_sent), Remember())
    live = Live(lambda: loaded((folder / "gateway.yaml").read_text(), folder), around, lambda event, **_: None)
    await live.start(loaded(text, folder))
    try:
        yield live
    finally:
        await live.close(drain=0)


def client(live: Live, peer: str = HERE) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(admin_app(live, render), client=(peer, 1))
    return httpx.AsyncClient(transport=transport, base_url="http://localhost")


async def test_alive_whatever_else_is_wrong(tmp_path: Path) -> None:
    async with serving(tmp_path) as live, client(live, ELSEWHERE) as http:
        live.draining = True
        answer = await http.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")


async def test_ready(tmp_path: Path) -> None:
    async with serving(tmp_path) as live, client(live) as http:
        answer = await http.get("/readyz")
        policy = live.gateway.policy
    assert answer.status_code == 200
    assert answer.json() == {"ready": True, "reasons": {}, "policy": policy, "reload_error": None}


async def test_a_draining_server_takes_nothing_new(tmp_path: Path) -> None:
    async with serving(tmp_path) as live, client(live) as http:
        live.draining = True
        answer = await http.get("/readyz")
    assert (answer.status_code, answer.json()["reasons"]) == (503, {"server": "draining"})


async def test_a_provider_that_cannot_answer_is_named(tmp_path: Path) -> None:
    text = "providers: {here: {kind: local}}\nmodels: {small: {provider: here}}"
    async with serving(tmp_path, text) as live, client(live) as http:
        answer = await http.get("/readyz")
    assert answer.status_code == 503
    assert "is loading" in answer.json()["reasons"]["here"]


async def test_a_bad_reload_is_told_and_does_not_unready(tmp_path: Path) -> None:
    async with serving(tmp_path) as live, client(live) as http:
        (tmp_path / "gateway.yaml").write_text(CONFIG.replace("kind: openai", "kind: opnai"))
        await live.reload()
        answer = await http.get("/readyz")
    assert answer.status_code == 200
    assert "opnai" in answer.json()["reload_error"]


@pytest.mark.parametrize("peer", [HERE, "127.8.8.8", "::1"])
async def test_metrics_are_free_from_this_machine(tmp_path: Path, peer: str) -> None:
    _, entry = new_key()
    async with serving(tmp_path, keyed(entry, admin=True)) as live, client(live, peer) as http:
        answer = await http.get("/metrics")
        other = await http.get("/metrics", headers={"accept": "application/openmetrics-text"})
    assert (answer.status_code, answer.text, answer.headers["content-type"]) == (200, "x 1\n", "text/plain")
    assert other.headers["content-type"] == "application/openmetrics-text"


@pytest.mark.parametrize(("peer", "host"), [(HERE, "rebound.example"), (ELSEWHERE, "localhost"), (ELSEWHERE, "llm")])
async def test_without_keys_a_web_page_that_points_its_name_here_reads_nothing(
    tmp_path: Path, peer: str, host: str
) -> None:
    async with serving(tmp_path) as live, client(live, peer) as http:
        for headers in ({"host": host}, {"host": host, "authorization": "Bearer x"}):
            answer = await http.get("/metrics", headers=headers)
            assert (answer.status_code, "own machine" in answer.text) == (401, True)


def keyed(entry: dict[str, str], *, admin: bool) -> str:
    return CONFIG + f'keys: [{{id: {entry["id"]}, hash: "{entry["hash"]}", admin: {str(admin).lower()}}}]\n'


@pytest.mark.parametrize("peer", [ELSEWHERE, "not an address", "::ffff:10.0.0.9"])
async def test_metrics_from_elsewhere_take_an_admin_key(tmp_path: Path, peer: str) -> None:
    key, entry = new_key()
    async with serving(tmp_path, keyed(entry, admin=True)) as live, client(live, peer) as http:
        for good in ({"authorization": f"Bearer {key}"}, {"authorization": f"bearer {key}"}, {"x-api-key": key}):
            assert (await http.get("/metrics", headers=good)).status_code == 200
        for bad in ({}, {"authorization": f"Basic {key}"}, {"x-api-key": key[:-1] + "x"}, {"x-forwarded-for": HERE}):
            answer = await http.get("/metrics", headers=bad)
            assert (answer.status_code, "x 1" in answer.text) == (401, False), bad


async def test_an_ordinary_key_does_not_read_metrics(tmp_path: Path) -> None:
    key, entry = new_key()
    async with serving(tmp_path, keyed(entry, admin=False)) as live, client(live, ELSEWHERE) as http:
        answer = await http.get("/metrics", headers={"x-api-key": key})
    assert answer.status_code == 401
    assert "admin: true" in answer.text


async def test_there_is_nothing_else(tmp_path: Path) -> None:
    async with serving(tmp_path) as live, client(live) as http:
        missing, wrong = await http.get("/admin"), await http.post("/metrics")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")
    assert wrong.status_code == 405


@pytest.mark.parametrize("header", ["forwarded", "x-forwarded-for", "x-real-ip", "via"])
async def test_what_a_proxy_here_passes_on_is_not_from_here(tmp_path: Path, header: str) -> None:
    async with serving(tmp_path) as live, client(live) as http:
        assert (await http.get("/metrics")).status_code == 200
        assert (await http.get("/metrics", headers={header: "203.0.113.9"})).status_code == 401


async def test_local_programs_need_a_key_where_that_is_said(tmp_path: Path) -> None:
    async with serving(tmp_path, CONFIG + "server: {local_admin: false}\n") as live, client(live) as http:
        assert (await http.get("/metrics")).status_code == 401
        assert (await http.get("/healthz")).status_code == 200
