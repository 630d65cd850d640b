"""The two endpoints behind a real server, and the form in which files arrive."""

import asyncio
from contextlib import nullcontext, suppress
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.batches.shelf import Shelf
from llmctl.batches.store import Store
from llmctl.clock import SystemClock
from llmctl.config.keys import new_key
from llmctl.config.schema_cost import BatchesConfig
from llmctl.errors import InvalidRequest, LlmctlError, StoreError
from llmctl.model.exchange import Principal
from llmctl.server.asgi import CALL, Call
from llmctl.server.batches import batches_app, make_batches
from llmctl.server.batches_form import MOST_FIELD, Form, boundary
from tests.server.conftest import Serve, Serving
from tests.server.test_asgi import OPEN

CHAT = "/v1/chat/completions"
HEAD = 'Content-Disposition: form-data; name="{}"'


def config(serving_in: str, more: str = "") -> str:
    return f'{OPEN}\nbatches: {{dir: "{serving_in}", max_file: 3000}}\n{more}'


def form(*parts: tuple[str, bytes], cut: bytes = b"sep") -> bytes:
    made = b"".join(
        b"--%b\r\n%b\r\n\r\n%b\r\n"
        % (cut, HEAD.format(name).encode() + (b'; filename="x"' if name == "file" else b""), value)
        for name, value in parts
    )
    return made + b"--%b--\r\n" % cut


async def fed(body: bytes, step: int) -> tuple[Form, bytes]:
    got = bytearray()

    async def keep(data: bytes) -> None:
        got.extend(data)

    read = Form(b"sep", keep)
    for at in range(0, len(body), step):
        await read.feed(body[at : at + step])
    return read, bytes(got)


@given(
    content=st.one_of(st.binary(max_size=80), st.text("\r\n-sep", max_size=60).map(str.encode)),
    field=st.text("ab\r\n-", max_size=10),
    step=st.integers(1, 200),
)
def test_a_form_is_read_in_whatever_pieces_it_comes(content: bytes, field: str, step: int) -> None:
    if b"\r\n--sep" in b"\r\n" + content + b"\r\n":
        return
    body = form(("purpose", field.encode()), ("file", content), ("more", b""))
    read, got = asyncio.run(fed(body, step))
    assert (read.complete, read.filename, got) == (True, "x", content)
    assert read.fields == {"purpose": field, "more": ""}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"preamble\r\n" + form(("a", b"")), "begin"),
        (b"--sep\r\n\r\nx\r\n--sep--", "no name"),
        (b"--sepx\r\n", "line's end"),
        (b"--sep\r\nX: " + b"x" * 9000, "headers"),
        (form(("a", b"1"), ("a", b"2")), "twice"),
        (form(("file", b"1"), ("file", b"2")), "twice"),
        (form(("a", b"x" * (MOST_FIELD + 1))), "over"),
        (form(*((f"f{n}", b"") for n in range(17))), "parts"),
    ],
)
async def test_a_form_has_bounds(body: bytes, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        await fed(body, 100)


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        ("multipart/form-data; boundary=abc", b"abc"),
        ('Multipart/Form-Data;boundary="a b"', b"a b"),
        ("multipart/form-data; charset=utf-8; boundary=abc", b"abc"),
    ],
)
def test_boundaries(kind: str, found: bytes) -> None:
    assert boundary(kind) == found


@pytest.mark.parametrize(
    "kind", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary=" + "x" * 71]
)
def test_what_is_no_form(kind: str) -> None:
    with pytest.raises(InvalidRequest):
        boundary(kind)


async def upload(client: httpx.AsyncClient, data: bytes = b"{}", **headers: str) -> httpx.Response:
    return await client.post("/v1/files", data={"purpose": "batch"}, files={"file": ("q.jsonl", data)}, headers=headers)


async def refused(gateway: Serving, answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    record = gateway.sink.records[-1]
    assert (record.http_status, record.id) == (status, answer.headers["x-request-id"])


async def test_refusals_leave_records(serve: Serve, tmp_path: Any) -> None:
    async with serve(config(f"{tmp_path}/b")) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        await refused(gateway, await client.get("/v1/files/nothing"), 404, "not_found")
        await refused(gateway, await client.get("/v1/batches/a/b/c"), 404, "not_found")
        await refused(gateway, await client.get("/v1/batches?limit=101"), 400, "invalid_request")
        await refused(gateway, await client.get("/v1/files?after=x"), 400, "invalid_request")
        await refused(gateway, await client.post("/v1/batches", content=b"{"), 400, "invalid_json")
        await refused(gateway, await client.post("/v1/batches", content=b"x" * 70_000), 413, "body_too_large")
        await refused(gateway, await upload(client, b"x" * 3001), 413, "body_too_large")
        await refused(gateway, await client.post("/v1/files", content=b"x"), 400, "invalid_request")
        await refused(gateway, await client.get("/v1/files", headers={"origin": "http://evil.com"}), 403, "forbidden")
        wrong = await client.put("/v1/files", content=b"x")
        await refused(gateway, wrong, 405, "method_not_allowed")
        assert set(wrong.headers["allow"].split(", ")) >= {"GET", "POST"}
        assert not list(tmp_path.rglob("*.part"))
        before = len(gateway.sink.records)
        made = await upload(client, b"x" * 3000)
        assert (made.status_code, made.json()["bytes"], len(gateway.sink.records)) == (200, 3000, before)
        assert made.headers["x-request-id"].startswith("req_")
        assert gateway.bugs == []


async def test_a_broken_form_is_refused_and_leaves_nothing(serve: Serve, tmp_path: Any) -> None:
    kind = {"content-type": "multipart/form-data; boundary=sep"}
    async with serve(config(f"{tmp_path}/b")) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        for body in (form(("purpose", b"batch")), form(("purpose", b"batch"), ("file", b"{}"))[:-9], b"", b"--sep--"):
            assert (await client.post("/v1/files", content=body, headers=kind)).status_code == 400
        assert not list(tmp_path.rglob("*.part"))
        assert (await client.get("/v1/files")).json() == {
            "object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"completion_window": "1h"}, "completion_window"),
        ({"endpoint": "/v1/messages"}, "endpoint"),
        ({"endpoint": None}, "endpoint"),
        ({"input_file_id": 3}, "input_file_id"),
        ({"metadata": []}, "metadata"),
        ({"metadata": {"a": 1}}, "metadata"),
        ({"metadata": {str(n): "" for n in range(17)}}, "metadata"),
        ({"metadata": {"a": "x" * 513}}, "metadata"),
        ({"output_expires_after": {"anchor": "created_at", "seconds": 1}}, "output_expires_after"),
        ({"output_expires_after": {"anchor": "x", "seconds": 3600}}, "output_expires_after"),
    ],
)
async def test_what_a_batch_may_not_be(serve: Serve, tmp_path: Any, change: dict[str, Any], param: str) -> None:
    async with serve(config(f"{tmp_path}/b")) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        file = (await upload(client)).json()["id"]
        wish = {"input_file_id": file, "endpoint": CHAT, "completion_window": "24h"} | change
        answer = await client.post("/v1/batches", json=wish)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_a_body_that_does_not_end_is_cut_off(serve: Serve, tmp_path: Any) -> None:
    async def body() -> Any:
        yield form(("purpose", b"batch"), ("file", b"{}"))
        for _ in range(1000):
            yield b"x" * 65536

    kind = {"content-type": "multipart/form-data; boundary=sep"}
    async with serve(config(f"{tmp_path}/b")) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        with suppress(httpx.WriteError):  # it may hang up before all is sent
            assert (await client.post("/v1/files", content=body(), headers=kind)).status_code == 413
        assert not list(tmp_path.rglob("*.data"))
        assert gateway.sink.records[-1].http_status == 413


async def test_only_known_callers(serve: Serve, tmp_path: Any) -> None:
    key, entry = new_key()
    keys = f'keys: [{{id: {entry["id"]}, hash: "{entry["hash"]}"}}]'
    async with (
        serve(config(f"{tmp_path}/b", keys)) as gateway,
        httpx.AsyncClient(base_url=gateway.url) as client,
    ):
        await refused(gateway, await upload(client), 401, "invalid_api_key")
        assert (await upload(client, authorization=f"Bearer {key}")).status_code == 200
        assert (await client.get("/v1/files", headers={"x-api-key": key})).json()["data"][0]["filename"] == "q.jsonl"


async def test_without_the_section(serve: Serve) -> None:
    async with serve(OPEN) as gateway, httpx.AsyncClient(base_url=gateway.url) as client:
        for path in ("/v1/files", "/v1/batches/x"):
            answer = await client.get(path)
            await refused(gateway, answer, 404, "not_found")
            assert "`batches`" in answer.json()["error"]["message"]
        assert "`batches`" not in (await client.get("/v1/filesystem")).json()["error"]["message"]


@pytest.mark.parametrize(
    ("error", "says"), [(RuntimeError("our bug"), "internal error"), (OSError(28, "full"), "full")]
)
async def test_what_goes_wrong_here_is_told_without_details(error: Exception, says: str) -> None:
    told: list[LlmctlError] = []

    class Broken(Store):
        def shelf(self, tenant: str) -> Shelf:
            raise error

    async def refuse(error: LlmctlError, receive: Any, send: Any) -> None:
        told.append(error)

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    app = batches_app(Broken(Path(), 1, SystemClock()), BatchesConfig(), (), lambda: None)
    scope = {"type": "http", "method": "GET", "path": "/v1/files", "query_string": b"", "headers": [], "root_path": "",
             CALL: Call(Principal("", ""), "req_1", refuse)}  # fmt: skip
    with nullcontext() if isinstance(error, OSError) else pytest.raises(RuntimeError):  # which the log then has
        await app(scope, nothing, nothing)
    assert (told[0].http_status, says in told[0].message, "our bug" in told[0].message) == (500, True, False)


def test_a_folder_that_cannot_be_made_is_the_operators_to_put_right(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    live = SimpleNamespace(gateway=SimpleNamespace(clock=SystemClock()))
    with pytest.raises(StoreError, match=r"batches\.dir .*file: .*; name a folder"):
        make_batches(cast(Any, live), BatchesConfig(dir=str(tmp_path / "file")), Random(0), lambda *_: None)
