"""Scorers by their kind, asked about an answer."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from llmctl.embedding.static import StaticEmbedder
from llmctl.scoring.base import Assertion, Output, Sample, Score, Tools
from llmctl.scoring.grade import Graded, Grader
from llmctl.scoring.table import find


async def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
    return [StaticEmbedder().embed(text).tolist() for text in texts]


def tools(folder: Path = Path()) -> Tools:
    return Tools(folder, Random(0), None, embed)


def scored(kind: str, said: str | Output, expected: Any = None, *, folder: Path = Path(), context: Sequence[str] = (),
           **options: Any) -> Score:  # fmt: skip
    """Raises what the scorer raises."""
    made = find(kind)
    decoded = made.Options.model_validate(options)
    output = said if isinstance(said, Output) else Output(said)
    sample = Sample("1", {}, expected, tuple(context))
    return asyncio.run(made(decoded, tools(folder)).score(sample, output, decoded))


def graded(listed: Sequence[dict[str, Any]], said: str | Output, sample: Sample | None = None) -> Graded:
    grader = Grader([Assertion.model_validate(one) for one in listed], tools())
    output = said if isinstance(said, Output) else Output(said)
    return asyncio.run(grader.grade(sample or Sample("1", {}), output))
