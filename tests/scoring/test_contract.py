"""What every scorer keeps to."""

import asyncio
import time
from typing import Any

import pytest
from pydantic import ValidationError

from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, ToolCalled, Tools, Unscorable
from llmctl.scoring.table import TABLE, find
from tests.scoring.made import tools

ASKS = ("llm-rubric", "pairwise", "factuality")
OPTIONS: dict[str, dict[str, Any]] = {
    "regex": {"value": "a+"},
    "starts-with": {"value": "a"},
    "latency": {"seconds": 1},
    "ttft": {"seconds": 1},
    "cost": {"usd": 1},
    "guard": {"guard": "toxicity"},
    "python": {"function": "builtins:len"},
    "edits": {"most": 3},
    "llm-rubric": {"value": "Is polite."},
}
FENCE = "```" + "\n" * 50_000
LONG = ("a b " * 25_000, "answer" + " " * 50_000, "*" * 50_000, "\\boxed{" * 9_000, "{" * 50_000, FENCE)
DEEP = "[" * 60 + "]" * 60
TEXTS = ("", "42", "The answer is (B).", "ünï©ødé 日本語 \u200b", "\ud800", '{"a": [1, {"b": "}"}]}', DEEP, *LONG)
SAMPLE = Sample("1", {}, "The answer is 42", ("The answer is 42, as the book says.",))


def made(kind: str) -> tuple[Any, ScorerOptions]:
    scorer = find(kind)
    options = scorer.Options.model_validate(OPTIONS.get(kind, {}))
    return scorer(options, tools()), options


def said(scorer: Any, options: ScorerOptions, text: str) -> Score | None:
    call = ToolCalled("find", text)
    tool = {"function": {"name": "find", "parameters": {"type": "object"}}}
    output = Output(text, (call,), ({"role": "user", "content": "What?"},), (tool,), 0.5, 0.1, finish_reason="stop")
    try:
        score: Score = asyncio.run(scorer.score(SAMPLE, output, options))
    except Unscorable:
        return None
    return score


@pytest.mark.parametrize("kind", [kind for kind in TABLE if kind not in ASKS])
def test_values_are_shares_and_the_same_each_time(kind: str) -> None:
    scorer, options = made(kind)
    for text in TEXTS:
        began = time.thread_time()
        first = said(scorer, options, text)
        assert time.thread_time() - began < 1, f"{len(text)} characters took too long"
        assert said(scorer, options, text) == first
        assert first is None or 0 <= first.value <= 1


@pytest.mark.parametrize("kind", list(TABLE))
def test_options_are_strict_and_all_is_described(kind: str) -> None:
    scorer = find(kind)
    assert scorer.__doc__
    assert scorer.Options.__doc__
    assert 0 <= scorer.threshold <= 1
    assert scorer.rendered <= scorer.Options.model_fields.keys()
    with pytest.raises(ValidationError):
        scorer.Options.model_validate({**OPTIONS.get(kind, {}), "no_such_option": 1})


@pytest.mark.parametrize("kind", ASKS)
def test_those_that_ask_a_model_need_one(kind: str) -> None:
    scorer = find(kind)
    options = scorer.Options.model_validate({"value": "Is polite."} if kind == "llm-rubric" else {})
    with pytest.raises(ValueError, match="judge"):
        scorer(options, Tools(tools().folder, tools().random))
