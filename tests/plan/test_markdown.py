"""Markdown for a pull request, in which nothing that clients said is a mention, a link or a tag."""

from pathlib import Path

from msgspec import structs

from llmctl.plan.markdown import as_markdown
from llmctl.plan.report import Check
from tests.plan.test_text import HALF, made


def test_a_table_and_what_is_left_out(tmp_path: Path) -> None:
    text = as_markdown(made(tmp_path))
    assert text.startswith("## llmctl plan\n")
    assert "| guardrails | newly blocked | 25.00% | " in text
    assert "| cache | unchanged | | | nothing that it goes by differs |" in text
    assert "<details><summary>routes: what becomes of requests</summary>" in text
    assert text.count("<details>") == text.count("</details>")
    assert all(line.count("|") == 6 for line in text.splitlines() if line.startswith("|"))


def test_no_support(tmp_path: Path) -> None:
    text = as_markdown(made(tmp_path, "routes: {auto: {kind: fixed, model: small}}\n", HALF))
    assert "| routes | cost | — |  | no support: 50.0%" in text


def test_what_clients_said_stands_in_code(tmp_path: Path) -> None:
    text = as_markdown(made(tmp_path, texts=("@everyone a haiku `x` | <script> http://x",)))
    assert "`@everyone a haiku 'x' ¦ <script> http://x`" in text


def test_failed_conditions_stand_first(tmp_path: Path) -> None:
    text = as_markdown(structs.replace(made(tmp_path), checks=[Check("cost>1%", True, "upper limit +0.5")]))
    assert text.startswith("## llmctl plan: failed")
    assert "- ❌ `cost>1%`: upper limit +0.5" in text
