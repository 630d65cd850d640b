from pathlib import Path

import pytest

from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError, LlmctlError
from llmctl.evals.items import read_items
from llmctl.evals.load import load_suite
from llmctl.evals.slots import Posed

SHIPPED = Path(__file__).resolve().parents[2] / "configs" / "evals" / "quickstart.yaml"
SUITE = """name: s
dataset: %s
targets: {up: {kind: url, base_url: "http://h/v1", model: m}}
scorers: [{kind: equals}]
"""


def items(folder: Path, dataset: str) -> list[Posed]:
    (folder / "s.yaml").write_text(SUITE % dataset)
    return read_items(load_suite(folder / "s.yaml", Environment({})))


def test_items_in_their_order_with_what_is_their_own(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text('{"id": "b", "expected": 1}\n{"id": "a", "messages": [{"role": "user"}]}\n')
    first, second = items(tmp_path, "{kind: jsonl, path: x.jsonl}")
    assert (first.number, first.sample.id, first.sample.expected) == (0, "b", 1)
    assert (second.number, second.sample.id, list(second.messages)) == (1, "a", [{"role": "user"}])


@pytest.mark.parametrize(
    ("dataset", "said"),
    [
        ("{kind: jsnl, path: x}", r"s\.yaml:2: dataset\.kind: no such kind of dataset; did you mean jsonl\?"),
        ("{kind: jsonl, pth: x}", r"s\.yaml:2: dataset\.path: missing"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, dataset: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        items(tmp_path, dataset)


def test_the_suite_that_is_shipped_is_whole() -> None:
    suite = load_suite(SHIPPED, Environment({}))
    found = read_items(suite)
    assert list(suite.variants) == ["demand", "question"]
    assert len(found) == 50
    assert all(item.sample.expected == item.sample.columns["capital"] for item in found)


def test_an_id_that_is_there_twice_is_told(tmp_path: Path) -> None:
    with pytest.raises(LlmctlError, match="'a'"):
        items(tmp_path, "{kind: inline, items: [{id: a}, {id: a}]}")
