"""The console in a real browser, before a real gateway with traffic."""

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from selenium.webdriver import ActionChains, Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

from llmctl.config.keys import new_key
from llmctl.testing.process import Served, serve
from tools.screenshots import ATTACK, Traffic, browser, configuration, missing, scheme, size

SCRIPT = "<script>window.hit = 'script'</script>"
IMAGE = "<img src=x onerror=\"window.hit = 'image'\">"
NAME = "gateway.example"  # what the browser takes for this machine, and the gateway for another
CACHED = "Is this answer kept?"


@dataclass
class Page:
    """A gateway, its traffic, and a browser that looks at it."""

    driver: Chrome
    served: Served
    traffic: Traffic

    def open(self, path: str = "/console", host: str = "127.0.0.1") -> None:
        """Load the console afresh, with nothing remembered, and wait for its first numbers."""
        self.driver.get("about:blank")
        self.driver.get(f"http://{host}:{self.served.port}{path}")

    def one(self, selector: str) -> WebElement:
        """The first such element, as soon as there is one."""
        found: WebElement = self.until(lambda: next(iter(self.driver.find_elements(By.CSS_SELECTOR, selector)), None))
        return found

    def text(self, selector: str) -> str:
        """What it says now."""
        return str(self.run("return document.querySelector(arguments[0])?.textContent ?? ''", selector))

    def says(self, selector: str, text: str) -> bool:
        """Whether it does now."""
        return text in self.text(selector)

    def run(self, script: str, *arguments: Any) -> Any:
        """Run a script in the page, from outside its policy."""
        return self.driver.execute_script(script, *arguments)

    def until(self, what: Callable[[], Any], within: float = 20) -> Any:
        """What it is as soon as it is something."""
        return WebDriverWait(self.driver, within, 0.05).until(lambda _: what())

    def press(self, *keys: str) -> None:
        """Press keys, wherever the focus is."""
        ActionChains(self.driver).send_keys(*keys).perform()

    def tab_to(self, selector: str, most: int = 40) -> None:
        """Press Tab until the focus is there."""
        for _ in range(most):
            self.press(Keys.TAB)
            if self.run("return document.activeElement.matches(arguments[0])", selector):
                return
        raise AssertionError(f"{selector} is not reached by Tab")

    def state(self) -> Any:
        """The overview, as JSON."""
        return httpx.get(f"{self.served.url}/console/api/overview").json()


def log(driver: Chrome, kind: str) -> list[dict[str, Any]]:
    """What the browser noted since it was asked last."""
    entries: list[dict[str, Any]] = driver.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def ready(page: Page) -> None:
    page.until(lambda: page.text("#status") == "ready")
    page.one("#list tbody tr")


@pytest.fixture(scope="module")
def driver() -> Iterator[Chrome]:
    """Where there is no browser, CI fails and others skip, as without promtool."""
    if (message := missing()) is not None:
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    with browser(arguments=[f"--host-resolver-rules=MAP {NAME} 127.0.0.1"]) as started:
        yield started


def document() -> dict[str, Any]:
    """The showcase's configuration, and a model that answers and fails with hostile text."""
    config = configuration()
    error = {"error": {"message": f"upstream says {SCRIPT}{IMAGE}", "type": "t", "param": None, "code": None}}
    faults = [{"kind": "error", "status": 400, "body": error, "skip": 1}]
    config["providers"]["hostile"] = {"kind": "scripted", "text": f"Answer {SCRIPT}{IMAGE}", "faults": faults}
    config["models"]["hostile"] = {"provider": "hostile"}
    config["guardrails"] = {"preset": "lenient"}
    return config


@pytest.fixture(scope="module")
def world(driver: Chrome, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with serve(json.dumps(document()), tmp_path_factory.mktemp("console")) as served:
        traffic = Traffic(served.url)
        for number in range(4):
            assert traffic.ask("large", f"Question {number}", stream=True).status_code == 200
            assert traffic.ask("small", CACHED).status_code == 200
        assert traffic.ask("small", ATTACK).status_code == 400
        assert traffic.ask("legacy", "Does it work?", request_id="req_failed").status_code >= 500
        yield Page(driver, served, traffic)
        traffic.close()
        assert not served.events("bug")
        assert served.stop() == 0


@pytest.fixture
def page(world: Page) -> Page:
    """The console, just opened, in a wide and light window, and nothing noted yet."""
    scheme(world.driver, "light")
    size(world.driver, 1440, 1000)
    for kind in ("browser", "performance"):
        log(world.driver, kind)
    world.open()
    ready(world)
    return world


def test_what_happens_is_seen_while_it_happens_and_nothing_is_asked_of_anybody_else(page: Page) -> None:
    before = page.state()["totals"]["requests"]
    page.until(lambda: f"{before} in all" in page.text("#tile-requests"))
    for _ in range(5):
        page.traffic.ask("small", CACHED)
    page.until(lambda: f"{before + 5} in all" in page.text("#tile-requests"))
    page.until(lambda: page.run("return document.querySelectorAll('#traffic path.line').length") == 2)
    state = page.state()
    assert page.text("#facts dd") == state["policy"][:12]
    assert "exact" in page.text("#cache")
    assert "injection" in page.text("#guards")
    assert "1 block" in page.text("#guards")
    assert "everyone" in page.text("#spend")
    assert re.search(r"small.*closed", page.text("#models"))
    assert "Nothing is open." in page.text("#alerts")
    asked = [json.loads(entry["message"])["message"] for entry in log(page.driver, "performance")]
    urls = [one["params"]["request"]["url"] for one in asked if one["method"] == "Network.requestWillBeSent"]
    assert len(urls) > 10
    assert {url for url in urls if not url.startswith(f"{page.served.url}/console")} <= {"about:blank"}
    assert log(page.driver, "browser") == []


def test_a_failed_exchange_is_opened_by_keyboard_and_its_waterfall_is_true(page: Page) -> None:
    page.tab_to("[data-view=failed]")
    page.press(Keys.ENTER)
    page.until(lambda: "failed" in page.text("#list tbody tr"))
    page.tab_to("#list tbody tr")
    outline = page.run("const s = getComputedStyle(document.activeElement); return [s.outlineStyle, s.outlineWidth]")
    assert outline == ["solid", "2px"]
    page.press(Keys.END, Keys.HOME, Keys.ENTER)
    page.one("#detail[open] .waterfall li")
    assert page.text("#detail-title") == "req_failed"
    record = httpx.get(f"{page.served.url}/console/api/exchanges/req_failed").json()["record"]
    parts = [*record["stages"], *record["attempts"]]
    expected = [(part["start_us"], part.get("duration_us", 0)) for part in parts]
    expected = [(0, record["duration_us"]), *sorted(expected, key=lambda bar: (bar[0], -bar[1]))]
    drawn = page.run(
        """return [...document.querySelectorAll('.waterfall li')].map(row => {
             const bar = row.querySelector('.bar').getBoundingClientRect();
             const lane = row.querySelector('.lane').getBoundingClientRect();
             return [(bar.left - lane.left) / lane.width, bar.width / lane.width, 2 / lane.width]
           })"""
    )
    end = max(start + took for start, took in expected)
    assert len(drawn) == len(expected)
    assert len(record["attempts"]) == 2
    for (start, took), (left, width, slack) in zip(expected, drawn, strict=True):
        assert left == pytest.approx(start / end, abs=slack)
        assert width == pytest.approx(took / end, abs=slack)
    page.press(Keys.ESCAPE)
    page.until(lambda: not page.driver.find_elements(By.CSS_SELECTOR, "#detail[open]"))
    assert page.run("return document.activeElement.dataset.id") == "req_failed"


def test_hostile_text_is_only_text(page: Page) -> None:
    for text in (f"Prompt {SCRIPT}{IMAGE}", "again"):
        page.traffic.ask("hostile", text, request_id="req_hostile")
    page.traffic.ask(f"small{IMAGE}{SCRIPT}", "hello")
    page.until(lambda: "onerror" in page.text("#list"))
    for row in httpx.get(f"{page.served.url}/console/api/exchanges", params={"limit": 3}).json()["exchanges"]:
        page.open(f"/console#exchange/{row['id']}/{row['started']}")
        page.one("#detail[open] .waterfall li")
        ready(page)
        assert "<script>" in page.text("#detail")
    counted = page.run("return [window.hit ?? null, document.querySelectorAll('img').length, document.scripts.length]")
    assert counted == [None, 1, 2]
    assert log(page.driver, "browser") == []


def test_light_and_dark(page: Page) -> None:
    def ground() -> int:
        colour = page.run("return getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in re.findall(r"\d+", colour)[:3])

    assert ground() > 650
    scheme(page.driver, "dark")
    page.until(lambda: ground() < 100)
    page.tab_to("#theme")
    page.press(Keys.ENTER)
    assert page.run("return document.activeElement.getAttribute('aria-label')") == "Colours: light"
    page.until(lambda: ground() > 650)
    page.driver.refresh()
    assert ground() > 650
    page.run("localStorage.clear()")


def test_a_telephone_and_somebody_who_wants_no_motion(page: Page) -> None:
    size(page.driver, 390, 844)
    features = [{"name": "prefers-reduced-motion", "value": "reduce"}]
    page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    page.open()
    ready(page)
    assert page.run("return document.documentElement.scrollWidth") <= 390
    page.run("document.querySelector('#list tbody tr').click()")
    page.one("#detail[open] .waterfall li")
    width, animation = page.run(
        "const d = document.getElementById('detail'); return [d.scrollWidth, getComputedStyle(d).animationName]"
    )
    assert width <= 390
    assert animation == "none"


def test_a_search_says_what_it_found_and_what_it_cannot_read(page: Page) -> None:
    page.tab_to("#where")
    page.press("status=failed and model=legacy", Keys.ENTER)
    page.until(lambda: "1 shown" in page.text("#found"))
    assert "req_failed" in page.run("return document.querySelector('#list tbody tr').dataset.id")
    page.one("#where").clear()
    page.one("#where").send_keys("status=nonsense", Keys.ENTER)
    page.until(lambda: "nonsense" in page.text("#found"))
    assert page.text("#status") == "ready"


def test_from_elsewhere_it_asks_for_an_admin_key_and_a_gateway_that_is_gone_is_told(
    driver: Chrome, tmp_path: Path
) -> None:
    key, entry = new_key()
    other, ordinary = new_key()
    config = configuration([{**entry, "admin": True}, ordinary])
    with serve(json.dumps(config), tmp_path) as served:
        page = Page(driver, served, Traffic(served.url, other))
        page.open(host=NAME)
        for wrong, says in (("lctl_wrong", "key"), (other, "admin: true")):
            page.until(lambda: page.run("return document.activeElement.id") == "key-value")
            page.press(wrong, Keys.ENTER)
            page.until(partial(page.says, "#key-error", says))
        assert "small" not in page.text("#models")
        page.press(key, Keys.ENTER)
        page.until(lambda: "small" in page.text("#models"))
        assert "No exchange yet." in page.text("#list")
        assert page.traffic.ask("small", "hello").status_code == 200
        page.one("#list tbody tr")
        assert page.run("return [sessionStorage.length, localStorage.length, document.cookie]") == [1, 0, ""]
        page.driver.refresh()
        page.until(lambda: page.text("#status") == "ready")
        page.run("document.getElementById('forget').click()")
        assert page.run("return [sessionStorage.length, document.getElementById('key').open]") == [0, True]
        page.press(key, Keys.ENTER)
        page.until(lambda: page.text("#status") == "ready")
        page.traffic.close()
        served.stop()
        page.until(lambda: "no connection" in page.text("#status"))


def test_every_worker_tells_of_all_of_them(tmp_path: Path) -> None:
    config = {
        "providers": {"up": {"kind": "scripted", "text": "Hello."}},
        "models": {"small": {"provider": "up"}},
        "records": {"dir": "records"},
    }
    with serve(json.dumps(config), tmp_path, ["--workers", "2"]) as served:
        for number in range(40):
            body = {"model": "small", "messages": [{"role": "user", "content": str(number)}]}
            assert httpx.post(f"{served.url}/v1/chat/completions", json=body).status_code == 200
        give_up = time.monotonic() + 10
        seen: list[int] = []
        while seen[-8:] != [40] * 8:  # each on a connection of its own, which either worker may get
            assert time.monotonic() < give_up, seen
            overview = httpx.get(f"{served.url}/console/api/overview").json()
            seen.append(overview["totals"]["requests"])
            time.sleep(0.1)
        assert overview["workers"] == 2
        rows = httpx.get(f"{served.url}/console/api/exchanges", params={"limit": 200}).json()["exchanges"]
        assert len({row["id"] for row in rows}) == 40
