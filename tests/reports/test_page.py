"""The HTML report fetches nothing, runs nothing, and shows foreign names as text."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from llmctl.model.usage import Cost
from llmctl.reports.duck import database
from llmctl.reports.page import as_html, forecast_line
from llmctl.reports.report import Asked, report
from llmctl.reports.series import Refused
from llmctl.telemetry.reader import EVERYTHING
from tests.reports.keeping import LATER, fixed, record, write


class Tags(HTMLParser):
    """What the document is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def page(folder: Path, *by: str) -> str:
    with database(memory_mb=300, threads=1) as db:
        found = report(folder, db, Asked(EVERYTHING, LATER, by))
    return as_html(found, about="x")


@pytest.fixture
def html(tmp_path: Path) -> str:
    write(tmp_path, fixed())
    return page(tmp_path, "model", "tenant")


def test_nothing_is_fetched_or_run(html: str) -> None:
    seen = Tags()
    seen.feed(html)
    assert not {"script", "link", "img", "iframe", "object", "a", "form", "base"} & set(seen.tags)
    names = {name for name, _ in seen.attributes}
    assert not {"src", "href", "style", "srcset"} & names
    assert not [name for name in names if name.startswith("on")]
    assert "default-src 'none'" in html
    assert not re.search(r"https?:|url\(|@import", html)


def test_foreign_names_are_text(html: str) -> None:
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_charts_are_well_formed(html: str) -> None:
    charts = re.findall(r"<svg.*?</svg>", html, re.DOTALL)
    assert len(charts) == 2
    for chart in charts:
        assert len(ElementTree.fromstring(chart).findall("rect")) >= 2


def test_an_empty_ledger_is_a_page(tmp_path: Path) -> None:
    html = page(tmp_path, "model")
    assert "No cost is known" in html
    assert "No forecast: no whole day has any records." in html


def test_a_forecast_is_drawn(tmp_path: Path) -> None:
    for day in range(25):
        write(tmp_path, [record(day * 100, cost=Cost(1.0 + day % 7, "exact", "p"))])
    html = page(tmp_path)
    assert html.count('class="whisker"') == 14
    assert "The next 14 days: $" in html


def test_the_refusal_is_told() -> None:
    assert forecast_line(Refused("2 days")) == "No forecast: 2 days."
