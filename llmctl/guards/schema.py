"""The answer must be JSON, and of the given JSON Schema. A repair retry is the stage's, from `reason`."""

import re
from typing import Any, ClassVar, Literal

from pydantic import Field

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Outcome, Verdict
from llmctl.guards.schema_check import Exhausted, Schema
from llmctl.model.json import UNDECODABLE, decode

_FENCE = re.compile(r"\s*```(?:json|JSON)?[ \t]*\n(.*)```\s*", re.DOTALL)


class JsonSchema:
    """Judges whether the whole answer is one JSON value that its schema allows."""

    class Options(GuardOptions):
        """`strict` takes bare JSON only; `balanced` and `lenient` also one fenced block; `lenient` warns."""

        json_schema: dict[str, Any] | bool | None = Field(
            None,
            description="JSON Schema that the answer must fit. Default: any JSON value.",
        )
        require_object: bool = Field(False, description="Refuse lists, strings and numbers at the top.")
        action: Literal["warn", "block"] | None = Field(
            None, description="What an answer that does not fit is worth. Default: block, with `lenient` warn."
        )

    directions: ClassVar[frozenset[Direction]] = frozenset({"output"})
    lookbehind: ClassVar[int | None] = None
    cost_us: ClassVar[float] = 5.0

    def __init__(self, options: Options) -> None:
        """Raises ValueError naming the place in the schema that is not supported."""
        self._schema = None if options.json_schema is None else Schema(options.json_schema)
        self._fences = options.preset != "strict"
        self._object = options.require_object
        self._action: Outcome = options.action or ("warn" if options.preset == "lenient" else "block")

    def judge(self, text: str, about: About) -> Verdict:
        """The reason says what is wrong first of all, in the schema's words."""
        fenced = _FENCE.fullmatch(text) if self._fences and "```" in text[:64] else None
        try:
            value = decode(fenced[1] if fenced else text)
        except (*UNDECODABLE, UnicodeEncodeError):
            return Verdict(self._action, 1.0, "not JSON", "json")
        if self._object and not isinstance(value, dict):
            return Verdict(self._action, 1.0, "not a JSON object", "json")
        if self._schema is None:
            return ALLOW
        try:
            fault = self._schema.fault(value)
        except (Exhausted, RecursionError):
            fault = "too deeply nested or too many alternatives to check"
        return ALLOW if fault is None else Verdict(self._action, 0.8, fault, "schema")
