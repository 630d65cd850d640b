"""What the head of a request says: whose it is, its ids, and which models its key may see."""

import httpx
import pytest

from llmctl.config.keys import new_key
from llmctl.net.transport import Request
from llmctl.testing.gateway import PlayedResponse, PlayedTransport
from tests.server.conftest import Serve
from tests.server.test_http_client import QUESTION, answering

OPEN = """
server: {port: 0}
providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}
models: {small: {provider: up}, team/large: {provider: up}}
routes: {any: {kind: fixed, model: small}}
"""
KEY, ENTRY = new_key()
OTHER, OTHER_ENTRY = new_key()
KEYED = (
    OPEN
    + f"""
keys:
  - {{id: {ENTRY["id"]}, hash: "{ENTRY["hash"]}", tenant: acme, models: [any, team/large]}}
  - {{id: {OTHER_ENTRY["id"]}, hash: "{OTHER_ENTRY["hash"]}", tenant: other}}
"""
)
CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("headers", "tenant"),
    [
        ([("authorization", f"Bearer {KEY}")], "acme"),
        ([("authorization", f"bEARER   {KEY}")], "acme"),
        ([("x-api-key", KEY)], "acme"),
        ([("x-api-key", OTHER), ("authorization", f"Bearer {KEY}")], "acme"),
        ([("authorization", f"Bearer {KEY}"), ("x-api-key", OTHER)], "acme"),
        ([("authorization", "Basic abc"), ("x-api-key", KEY)], "acme"),
        ([("authorization", f"Basic {KEY}")], ""),
        ([("authorization", KEY)], ""),
        ([("authorization", "Bearer")], ""),
        ([("x-api-key", b"\xff\xfe")], ""),
        ([], ""),
    ],
)
async def test_whose_request_it_is(serve: Serve, headers: list[tuple[str, str]], tenant: str) -> None:
    async with serve(KEYED, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post(CHAT, json=QUESTION | {"model": "any"}, headers=headers)
    assert answer.status_code == (200 if tenant else 401)
    assert gateway.sink.records[0].tenant == tenant
    assert ("www-authenticate" in answer.headers) is (not tenant)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("abc-1", True),
        ("A.b:c_d-9" * 14, True),
        ("a" * 128, True),
        ("a" * 129, False),
        ("", False),
        ("a b", False),
        ("a/b", False),
        (b"\xe4", False),
        ('a"b', False),
    ],
)
async def test_a_request_id_is_kept_if_it_is_harmless(serve: Serve, given: str, kept: bool) -> None:
    async with serve(OPEN, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post(CHAT, json=QUESTION, headers={"x-request-id": given})
    [record] = gateway.sink.records
    assert answer.headers["x-request-id"] == record.id
    assert (record.id == given) is kept
    assert kept or record.id.startswith("req_")


async def test_ids_of_ours_differ_and_sort_by_time(serve: Serve) -> None:
    async with serve(OPEN, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        for _ in range(20):
            await client.post(CHAT, json=QUESTION)
    ids = [record.id for record in gateway.sink.records]
    assert len(set(ids)) == 20
    assert {len(each) for each in ids} == {31}
    assert [each[:15] for each in ids] == sorted(each[:15] for each in ids)


@pytest.mark.parametrize("state", ["x" * 513, b"a=\xff", "a=\t1"])
async def test_a_tracestate_that_cannot_be_sent_on_is_dropped(serve: Serve, state: str) -> None:
    transport = answering()
    headers = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": state}
    async with serve(OPEN, transport) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        assert (await client.post(CHAT, json=QUESTION, headers=headers)).status_code == 200
    assert b"tracestate" not in transport.requests[0].headers
    assert b"traceparent: 00-0af7651916cd43dd8448eb211c80319c" in transport.requests[0].headers


async def test_models_are_those_the_key_may_use(serve: Serve) -> None:
    async with serve(KEYED, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        mine, all_ = {"x-api-key": KEY}, {"x-api-key": OTHER}
        names = [[m["id"] for m in (await client.get("/v1/models", headers=h)).json()["data"]] for h in (mine, all_)]
        assert [sorted(each) for each in names] == [["any", "team/large"], ["any", "small", "team/large"]]
        one = await client.get("/v1/models/team/large", headers=mine)
        assert one.json() | {"created": 0} == {
            "id": "team/large", "object": "model", "created": 0, "owned_by": "llmctl"}  # fmt: skip
        assert (await client.get("/v1/models/team%2Flarge", headers=mine)).json()["id"] == "team/large"
        hidden = await client.get("/v1/models/small", headers=mine)
        assert (hidden.status_code, hidden.json()["error"]["code"]) == (404, "model_not_found")
        assert (await client.get("/v1/models")).status_code == 401
        wrong = await client.post("/v1/models", headers=mine)
        assert (wrong.status_code, wrong.headers["allow"]) == (405, "GET")
        refused = await client.post(CHAT, json=QUESTION, headers=mine)
        assert (refused.status_code, refused.json()["error"]["param"]) == (403, "model")


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("LOCALHOST:1", 200), ("127.1.2.3:80", 200), ("[::1]:80", 200), ("127.0.0.1.evil.com", 403),
     ("localhost.evil.com", 403), ("evil.com", 403), ("localhost@evil.com", 403), ("", 403)],
)  # fmt: skip
async def test_without_keys_only_local_names_are_served(serve: Serve, host: str, status: int) -> None:
    async with serve(OPEN, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post(CHAT, json=QUESTION, headers={"host": host})
    assert answer.status_code == status


async def test_with_keys_any_name_is_served(serve: Serve) -> None:
    async with serve(KEYED, answering()) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        headers = {"host": "llm.acme.example", "x-api-key": OTHER}
        assert (await client.post(CHAT, json=QUESTION, headers=headers)).status_code == 200


async def test_embeddings_do_not_stream(serve: Serve) -> None:
    def play(_: Request) -> PlayedResponse:
        return PlayedResponse(200, {b"content-type": b"application/json"}, [b'{"data":[{"embedding":[1]}]}'], pause)

    async def pause() -> None:
        return

    async with serve(OPEN, PlayedTransport(play)) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        answer = await client.post("/v1/embeddings", json={"model": "small", "input": "a", "stream": True})
    assert answer.status_code in (200, 400)
