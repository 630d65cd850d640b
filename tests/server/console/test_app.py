"""Who is served what under /console, and how often the metrics are asked for it."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import msgspec
import pytest

from llmctl.alerts.alert import Alert
from llmctl.config.keys import new_key
from llmctl.gateway.reload import Live
from llmctl.net.transport import Request
from llmctl.reports.where import parse
from llmctl.server.admin import admin_app
from llmctl.server.console.app import HEADERS, Console
from llmctl.server.console.overview import Overview
from llmctl.telemetry.series import Families, Family
from llmctl.testing.clock import ManualClock
from llmctl.testing.config import loaded
from llmctl.testing.gateway import PlayedResponse, PlayedTransport, Remember, surroundings

CONFIG = 'providers: {up: {kind: openai, base_url: "http://127.0.0.1:9/v1"}}\nmodels: {small: {provider: up}}\n'
HERE, ELSEWHERE = "127.0.0.1", "10.0.0.9"
API = ("/console/api/overview", "/console/api/exchanges", "/console/api/exchanges/req_1")
ALERT = Alert("Burn", "page", "s", "availability", {"route": "r"}, "it burns", "a lot", "runbooks/a.md", 0.5, 7.0)


@dataclass
class World:
    live: Live
    console: Console
    clock: ManualClock
    families: Families = field(default_factory=dict)
    threads: list[int] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)

    def take(self) -> Families:
        self.threads.append(threading.get_ident())
        return self.families

    def client(self, peer: str = HERE, host: str = "localhost") -> httpx.AsyncClient:
        app = admin_app(self.live, lambda _: (b"", "text/plain"), self.console)
        return httpx.AsyncClient(transport=httpx.ASGITransport(app, client=(peer, 1)), base_url=f"http://{host}")


def nothing_sent(_: Request) -> PlayedResponse:
    raise AssertionError("nothing is sent here")


@asynccontextmanager
async def world(folder: Path, text: str = CONFIG) -> AsyncIterator[World]:
    around = surroundings(PlayedTransport(nothing_sent), Remember())
    live = Live(lambda: loaded((folder / "gateway.yaml").read_text(), folder), around, lambda event, **_: None)
    await live.start(loaded(text, folder))
    made: list[World] = []
    clock = ManualClock()
    console = Console(
        live,
        lambda: made[0].take(),
        clock,
        alerts=lambda: made[0].alerts,
        records=folder / "records",
        conditions=lambda text: parse(text, "where").holds,
    )
    made.append(World(live, console, clock))
    try:
        yield made[0]
    finally:
        await live.close(drain=0)


def keyed(entry: dict[str, str], *, admin: bool) -> str:
    return CONFIG + f'keys: [{{id: {entry["id"]}, hash: "{entry["hash"]}", admin: {str(admin).lower()}}}]\n'


async def test_the_page_and_its_files_are_for_anyone_and_carry_a_strict_policy(tmp_path: Path) -> None:
    async with world(tmp_path) as here, here.client(ELSEWHERE, "example.org") as http:
        page = await http.get("/console")
        files = [part.split('"')[0] for part in page.text.split('"/console/static/')[1:]]
        answers = [page, *[await http.get(f"/console/static/{name}") for name in files]]
        for name in ("", "..%2f..%2fadmin.py", "../app.py", "nothing.js", "index.html/x"):
            assert (await http.get(f"/console/static/{name}")).status_code == 404
    assert {"console.css", "console.js", "theme.js", "icon.svg"} <= set(files)
    for answer in answers:
        assert answer.status_code == 200
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert HEADERS.items() <= dict(answer.headers).items()
    assert answers[0].headers["content-type"] == "text/html; charset=utf-8"
    assert "style=" not in page.text
    assert "<script>" not in page.text
    assert not here.threads


async def test_what_the_console_knows_is_free_from_this_machine_only(tmp_path: Path) -> None:
    key, entry = new_key()
    other, _ = new_key()
    async with world(tmp_path, keyed(entry, admin=True)) as here:
        for path in API:
            async with here.client() as http:
                assert (await http.get(path)).status_code in (200, 404)
            for peer, host in ((ELSEWHERE, "localhost"), (HERE, "rebound.example"), (ELSEWHERE, "rebound.example")):
                async with here.client(peer, host) as http:
                    bare = await http.get(path)
                    wrong = await http.get(path, headers={"authorization": f"Bearer {other}"})
                    right = await http.get(path, headers={"authorization": f"Bearer {key}"})
                assert (bare.status_code, wrong.status_code) == (401, 401)
                assert "admin" in bare.json()["error"]["message"] or "key" in bare.json()["error"]["message"]
                assert right.status_code in (200, 404)
                assert HEADERS.items() <= dict(bare.headers).items()


async def test_without_keys_a_web_page_that_points_its_name_here_sees_nothing(tmp_path: Path) -> None:
    async with world(tmp_path) as here, here.client(HERE, "rebound.example") as http:
        answers = [await http.get(path) for path in API]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert not here.threads


async def test_an_ordinary_key_sees_nothing(tmp_path: Path) -> None:
    key, entry = new_key()
    async with world(tmp_path, keyed(entry, admin=False)) as here, here.client(ELSEWHERE) as http:
        answers = [await http.get(path, headers={"x-api-key": key}) for path in API]
    assert [answer.status_code for answer in answers] == [401] * 3
    assert not here.threads


async def test_the_overview_is_what_the_contract_says(tmp_path: Path) -> None:
    async with world(tmp_path) as here, here.client() as http:
        here.alerts.append(ALERT)
        answer = await http.get("/console/api/overview")
        overview = msgspec.json.decode(answer.content, type=Overview, strict=True)
        policy = here.live.gateway.policy
    assert (overview.policy, overview.ready, overview.workers, overview.time) == (policy, True, 1, here.clock.wall())
    assert [model.model for model in overview.by_model] == ["small"]
    assert (overview.alerts[0].name, overview.alerts[0].labels, overview.alerts[0].since) == ("Burn", {"route": "r"}, 7)
    assert answer.headers["cache-control"] == "no-store"
    assert here.threads != [threading.get_ident()]


async def test_a_failed_reload_and_a_drain_are_told(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        (tmp_path / "gateway.yaml").write_text(CONFIG.replace("kind: openai", "kind: opnai"))
        await here.live.reload()
        here.live.draining = True
        overview = await here.console.overview()
    assert "opnai" in (overview.reload_error or "")
    assert (overview.ready, overview.draining, overview.reasons) == (False, True, {"server": "draining"})


async def test_however_many_look_metrics_are_taken_once_a_second_and_off_the_loop(tmp_path: Path) -> None:
    async with world(tmp_path) as here, here.client() as http:
        for second in range(3):
            answers = await asyncio.gather(*(http.get("/console/api/overview") for _ in range(20)))
            assert {answer.status_code for answer in answers} == {200}
            assert len(here.threads) == second + 1
            here.clock.advance(1.0)
    assert threading.get_ident() not in here.threads


async def test_without_a_viewer_a_snapshot_is_taken_now_and_then(tmp_path: Path) -> None:
    requests = Family("llmctl_requests_total", "", "counter", ("model", "status", "dialect"))
    async with world(tmp_path) as here:
        here.families[requests.name] = requests
        task = asyncio.create_task(here.console.run())
        while not here.threads:
            await asyncio.sleep(0.001)
        task.cancel()
        requests.cell("small", "200", "openai").value = 30
        here.clock.advance(10)
        overview = await here.console.overview()
    assert len(here.threads) == 2
    assert [point.requests_per_s for point in overview.series] == [3.0]
    assert overview.now.requests_per_s == 3.0


async def test_who_looks_once_right_after_a_request_sees_it(tmp_path: Path) -> None:
    requests = Family("llmctl_requests_total", "", "counter", ("model", "status", "dialect"))
    async with world(tmp_path) as here:
        here.families[requests.name] = requests
        task = asyncio.create_task(here.console.run())
        while not here.threads:
            await asyncio.sleep(0.001)
        task.cancel()
        here.clock.advance(0.5)
        requests.cell("small", "200", "openai").value = 30
        first = await here.console.overview()
        again = await here.console.overview()
    assert (first.totals.requests, first.now.requests_per_s, first.now.rate_window) == (30, 60, 0.5)
    assert (again, len(here.threads)) == (first, 2)


async def test_a_worker_that_joins_others_counts_since_they_do(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        for began, since in ((here.clock.wall() - 90, here.clock.wall() - 90), (None, here.clock.wall())):
            console = Console(here.live, here.take, here.clock, began=began)
            assert (await console.overview()).since == since


async def test_metrics_that_cannot_be_taken_are_told_to_viewers_and_do_not_end_the_task(tmp_path: Path) -> None:
    async with world(tmp_path) as here:
        asked = asyncio.Event()
        loop = asyncio.get_running_loop()

        def broken() -> Families:
            loop.call_soon_threadsafe(asked.set)
            raise RuntimeError("a gauge is broken")

        here.take = broken  # type: ignore[method-assign]
        task = asyncio.create_task(here.console.run())
        await asked.wait()
        with pytest.raises(RuntimeError, match="a gauge is broken"):
            await here.console.overview()
        assert not task.done()
        task.cancel()


async def test_exchanges_are_asked_for_by_query(tmp_path: Path) -> None:
    day = tmp_path / "records" / "2026-01-01"
    day.mkdir(parents=True)
    line = '{"id":"r%d","started":%d,"duration_us":%d,"state":"%s","http_status":200}\n'
    lines = [line % (n, 1767268800 + n, 1000 * n, "failed" if n == 1 else "ok") for n in range(3)]
    (day / "a.jsonl").write_text("".join(lines))

    async def ids(http: httpx.AsyncClient, **query: str) -> list[str]:
        answer = await http.get("/console/api/exchanges", params=query)
        return [row["id"] for row in answer.json()["exchanges"]]

    async with world(tmp_path) as here, here.client() as http:
        assert await ids(http) == ["r2", "r1", "r0"]
        assert await ids(http, state="failed") == ["r1"]
        assert await ids(http, where="status=failed or duration>1ms") == ["r2", "r1"]
        assert await ids(http, limit="1") == ["r2"]
        wrong = await http.get("/console/api/exchanges", params={"where": "status=failde"})
        one = await http.get("/console/api/exchanges/r1", params={"started": "1767268801.0"})
        gone, odd = await http.get("/console/api/exchanges/zzz"), await http.get("/console/api/exchanges/r1?started=x")
    assert (wrong.status_code, "failde" in wrong.json()["error"]["message"]) == (400, True)
    assert (one.json()["record"]["id"], one.json()["verdicts"]) == ("r1", [])
    assert (gone.status_code, odd.status_code) == (404, 200)


async def test_records_that_cannot_be_read_are_no_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: Path) -> AsyncIterator[Path]:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "records").mkdir()
    async with world(tmp_path) as here, here.client() as http:
        monkeypatch.setattr(Path, "iterdir", broken)
        answer = await http.get("/console/api/exchanges")
    assert (answer.status_code, "Permission denied" in answer.json()["error"]["message"]) == (500, True)


async def test_only_reading_is_possible_and_without_a_console_there_is_none(tmp_path: Path) -> None:
    async with world(tmp_path) as here, here.client() as http:
        assert {(await http.post(path)).status_code for path in ("/console", *API)} == {405}
        app = admin_app(here.live, lambda _: (b"", "text/plain"))
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as bare:
            answer = await bare.get("/console")
        elsewhere = await http.get("/nothing")
    assert (answer.status_code, "/console" in answer.text) == (404, False)
    assert "/console" in elsewhere.json()["error"]["message"]
