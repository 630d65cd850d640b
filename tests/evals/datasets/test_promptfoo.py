from pathlib import Path

import pytest

from llmctl.errors import ConfigError
from tests.evals.datasets.opened import items

TEXT = """
prompts: ["{{q}}"]
providers: [openai:gpt-4o-mini]
tests:
  - vars: {q: [a, b]}
    assert:
      - {type: contains, value: x}
      - {type: javascript, value: "1"}
"""


def test_its_tests_are_items(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(TEXT)
    with pytest.raises(ConfigError, match=r"p\.yaml:8: javascript"):
        items("promptfoo", tmp_path, path="p.yaml")
    found = items("promptfoo", tmp_path, path="p.yaml", unsupported="skip")
    assert [item.sample.columns["q"] for item in found] == ["a", "b"]
    assert [[one.kind for one in item.assertions] for item in found] == [["contains"], ["contains"]]
