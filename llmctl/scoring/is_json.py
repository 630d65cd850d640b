"""Is JSON, or has some in it; with a schema also of the right shape."""

import re
from typing import Any, ClassVar

from pydantic import Field

from llmctl.guards.schema_check import Exhausted, Schema
from llmctl.model.json import UNDECODABLE, decode
from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, Tools

_FENCE = re.compile(r"```(?:json)?[ \t]*+\n(.*?)```", re.DOTALL)
MOST_BEGINNINGS = 50


class IsJsonOptions(ScorerOptions):
    """What it is to be."""

    json_schema: dict[str, Any] | bool | None = Field(
        None, alias="schema", description="JSON Schema, the subset that structured outputs use."
    )


class IsJson:
    """1 where all of the output is JSON and fits the schema, else 0. Keywords: llmctl.guards.schema_check."""

    Options: ClassVar[type[ScorerOptions]] = IsJsonOptions
    rendered: ClassVar[frozenset[str]] = frozenset()
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Compiles the schema. Raises ValueError."""
        assert isinstance(options, IsJsonOptions)
        self._schema = Schema(options.json_schema) if options.json_schema is not None else None

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Never unscorable."""
        try:
            fault = self._fault(decode(output.text))
        except (*UNDECODABLE, UnicodeEncodeError) as error:
            fault = f"is no JSON: {error}"
        return Score(float(fault is None), reason=(fault or "")[:200])

    def _fault(self, value: Any) -> str | None:
        try:
            return self._schema.fault(value) if self._schema is not None else None
        except (Exhausted, RecursionError):
            return "too deeply nested or too many alternatives to check"


class ContainsJson(IsJson):
    """1 where some JSON object or array in the output (fenced or bare) fits the schema, if there is one; else 0."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Never unscorable."""
        fault = "has no JSON in it"
        for value in _found(output.text):
            if (wrong := self._fault(value)) is None:
                return Score(1.0)
            fault = wrong
        return Score(0.0, reason=fault[:200])


def _found(text: str) -> list[Any]:
    """Objects and arrays, outermost ones, fenced ones first."""
    found: list[Any] = []
    for inner in _FENCE.findall(text):
        try:
            found.append(decode(inner))
        except (*UNDECODABLE, UnicodeEncodeError):
            continue
    at = tried = 0
    while tried < MOST_BEGINNINGS and (at := _begin(text, at)) >= 0:
        tried += 1
        if (length := _length(text, at)) is None:
            at += 1
            continue
        try:
            found.append(decode(text[at : at + length]))
            at += length
        except (*UNDECODABLE, UnicodeEncodeError):
            at += 1
    return found


def _begin(text: str, at: int) -> int:
    places = [place for place in (text.find("{", at), text.find("[", at)) if place >= 0]
    return min(places, default=-1)


def _length(text: str, at: int) -> int | None:
    """Characters up to where the bracket at `at` is closed, strings passed over; None where it never is."""
    depth, within, escaped = 0, False, False
    for place in range(at, len(text)):
        char = text[place]
        if within:
            within, escaped = (char != '"' or escaped), char == "\\" and not escaped
        elif char == '"':
            within = True
        elif char in "{[":
            depth += 1
        elif char in "}]":
            depth -= 1
            if not depth:
                return place + 1 - at
    return None
