from pathlib import Path

import pytest

from llmctl.errors import StoreError
from llmctl.evals.compare import compare
from llmctl.evals.gate import gates
from llmctl.evals.results.github import MOST, append_summary, as_markdown
from llmctl.evals.suite import DecisionConfig, GateConfig
from tests.evals.made import answers, run_of
from tests.evals.results.hostile import hostile


def test_it_has_figures_verdict_gate_and_what_failed() -> None:
    a, b = answers([1.0] * 40, "old"), answers([0.0] * 40, "new", output="no | idea")
    found = as_markdown(
        run_of(a, b), compare(a, b, DecisionConfig()), gates({"old": a, "new": b}, GateConfig(least=0.8))
    )
    assert "**A is better by 1 " in found
    assert "| old | 40 | 40 | 0 | 0 | 0 | 1 (0.9124 to 1 at 95%) |" in found
    assert "**Gate** new: fail: score 0 " in found
    assert "### Not passed: 40\n" in found
    assert "| new | i0 | score 0 | no \\| idea |" in found
    assert "\n20 more." in found


def test_foreign_text_is_inert() -> None:
    found = as_markdown(hostile())
    assert "<script" not in found
    assert "<img" not in found
    assert all(line.count("|") - line.count("\\|") == 5 for line in found.splitlines() if "timeout" in line)


def test_a_summary_is_added_to_and_never_longer_than_github_takes(tmp_path: Path) -> None:
    path = tmp_path / "summary.md"
    append_summary(path, "one\n")
    append_summary(path, "two\n")
    assert path.read_text() == "one\ntwo\n"
    append_summary(path, "é" * MOST)
    assert path.stat().st_size <= MOST
    assert path.read_text().endswith("é\n\n(shortened)\n")


def test_a_summary_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"Is a directory; \$GITHUB_STEP_SUMMARY names it"):
        append_summary(tmp_path, "text")
