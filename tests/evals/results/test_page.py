from html.parser import HTMLParser

from llmctl.evals.compare import compare
from llmctl.evals.gate import gates
from llmctl.evals.results.page import as_html
from llmctl.evals.suite import DecisionConfig, GateConfig
from tests.evals.made import answers, run_of
from tests.evals.results.hostile import SCRIPT, hostile


class Page(HTMLParser):
    """The tags and attributes that a browser would see, and the text of each tag."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.said: dict[str, list[str]] = {}
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.open.append(tag)

    def handle_data(self, data: str) -> None:
        if self.open and data.strip():
            self.said.setdefault(self.open[-1], []).append(data)


def test_hostile_texts_are_inert() -> None:
    text = as_html(hostile())
    page = Page(text)
    assert not {"script", "img", "iframe", "link", "object"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on") or name in ("href", "src")]
    assert any(SCRIPT in said for said in page.said["pre"])
    assert "\x1b" not in text
    assert "\x00" not in text
    assert "default-src 'none'" in text
    assert "http://" not in text.replace("http://evil.example", "")


def test_an_item_opens_to_both_sides() -> None:
    a = answers([1.0] * 20, "old", output=[f"A{at}" for at in range(20)], expected="the truth")
    b = answers([1.0] * 19 + [0.0], "new", output=[f"B{at}" for at in range(20)])
    page = Page(as_html(run_of(a, b)))
    assert page.tags.count("details") == 20
    said = page.said["summary"]
    assert said[0].startswith("i19")
    assert page.said["pre"][:2] == ["A19", "B19"]
    assert "Expected: the truth" in page.said["p"]


def test_intervals_verdict_and_gate_are_shown() -> None:
    a, b = answers([1.0] * 60, "old"), answers([0.0] * 60, "new")
    found = compare(a, b, DecisionConfig())
    text = as_html(run_of(a, b), found, gates({"new": b}, GateConfig(least=0.5)))
    page = Page(text)
    assert found.verdict in " ".join(page.said["p"])
    assert "Gate: new: fail" in " ".join(page.said["p"])
    assert "0.9398 to 1 at 95%" in page.said["td"]
    assert page.tags.count("svg") == 4
    assert "prefers-color-scheme: dark" in text


def test_only_the_first_items_open_and_the_rest_is_counted() -> None:
    text = as_html(run_of(answers([0.5] * 30)), most=10)
    assert Page(text).tags.count("details") == 10
    assert "10 of 30; the results file has all" in text
