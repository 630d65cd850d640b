"""A judge that says what it is told to, and keeps what it was asked."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from random import Random
from typing import Any

from llmctl.model.json import JsonObject
from llmctl.model.usage import Cost
from llmctl.scoring.base import Judged, Output, Sample, Score, Scorer, Tools
from llmctl.scoring.verdicts import JudgeOptions


class Script:
    """Answers in turn, the last one for ever."""

    def __init__(self, *said: str) -> None:
        self.said = list(said)
        self.asked: list[tuple[str, Sequence[JsonObject], Mapping[str, Any]]] = []

    async def ask(self, name: str, messages: Sequence[JsonObject], parameters: Mapping[str, Any]) -> Judged:
        self.asked.append((name, messages, parameters))
        text = self.said[min(len(self.asked), len(self.said)) - 1]
        return Judged(text, Cost(0.01, "exact"))

    def tools(self) -> Tools:
        return Tools(Path("."), Random(0), ask=self.ask)


def judged(
    scorer: type[Scorer], script: Script, text: str = "an answer", sample: Sample | None = None, **raw: Any
) -> Score:
    options = scorer.Options.model_validate(raw)
    assert isinstance(options, JudgeOptions)
    made = scorer(options, script.tools())
    return asyncio.run(made.score(sample or Sample("1", {"question": "why?"}), Output(text), options))


NO_JUDGE = Tools(Path("."), Random(0))
