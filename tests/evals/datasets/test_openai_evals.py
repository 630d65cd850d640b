import json
from pathlib import Path
from typing import Any

import pytest

from llmctl.errors import ConfigError
from tests.evals.datasets.opened import items

CHAT = [{"role": "system", "content": "Be short."}, {"role": "user", "content": "2+2?"}]


@pytest.mark.parametrize(
    ("row", "messages", "expected"),
    [
        ({"input": CHAT, "ideal": ["4", "four"]}, CHAT, ["4", "four"]),
        ({"input": "2+2?", "ideal": "4"}, [{"role": "user", "content": "2+2?"}], "4"),
        ({"input": CHAT}, CHAT, None),
    ],
)
def test_input_and_ideal(tmp_path: Path, row: dict[str, Any], messages: Any, expected: Any) -> None:
    (tmp_path / "s.jsonl").write_text(json.dumps(row))
    (item,) = items("openai_evals", tmp_path, path="s.jsonl")
    assert (item.messages, item.sample.expected) == (messages, expected)


@pytest.mark.parametrize("given", [None, [], [{"content": "x"}], 3])
def test_another_input_is_refused(tmp_path: Path, given: Any) -> None:
    (tmp_path / "s.jsonl").write_text(json.dumps({"input": given, "ideal": "x"}))
    with pytest.raises(ConfigError, match=r"s\.jsonl:1: `input` must be"):
        items("openai_evals", tmp_path, path="s.jsonl")
