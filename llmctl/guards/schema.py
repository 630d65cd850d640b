"""The answer must be JSON, and of the JSON Schema that the options or the request give.

A repair retry is the stage's, from `reason`.
"""

import re
from functools import lru_cache
from typing import Any, ClassVar, Literal

import msgspec
from pydantic import Field

from llmctl.guards.base import ALLOW, About, Direction, GuardOptions, Outcome, Verdict
from llmctl.guards.schema_check import Exhausted, Schema
from llmctl.model.json import UNDECODABLE, JsonObject, decode

_FENCE = re.compile(r"\s*```(?:json|JSON)?[ \t]*\n(.*)```\s*", re.DOTALL)

MOST_KEPT = 65_536  # bytes; a larger schema of a request is compiled for that request alone


class JsonSchema:
    """Judges whether the whole answer is one JSON value that its schema allows."""

    class Options(GuardOptions):
        """`strict` takes bare JSON only; `balanced` and `lenient` also one fenced block; `lenient` warns."""

        json_schema: dict[str, Any] | bool | None = Field(
            None,
            description="JSON Schema that the answer must fit. Default: the request's own, else any JSON value.",
        )
        only_when_asked: bool = Field(
            False, description="Let any answer pass where neither `json_schema` nor the request asks for JSON."
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
        self._only_when_asked = options.only_when_asked
        self._fences = options.preset != "strict"
        self._object = options.require_object
        self._action: Outcome = options.action or ("warn" if options.preset == "lenient" else "block")

    def judge(self, text: str, about: About) -> Verdict:
        """The reason says what is wrong first of all, in the schema's words."""
        schema, must_be_object = self._schema, self._object
        if schema is None:
            asked, wanted = _asked(about.response_format)
            if not asked and self._only_when_asked:
                return ALLOW
            must_be_object = must_be_object or asked == "json_object"
            if asked == "json_schema":
                try:
                    canonical = msgspec.json.encode(wanted, order="sorted")
                    schema = _compiled(canonical) if len(canonical) < MOST_KEPT else Schema(wanted)
                except (ValueError, RecursionError, UnicodeEncodeError):
                    return Verdict("allow", reason="unscanned: the request's JSON Schema is not supported")
        return self._fits(text, schema, must_be_object=must_be_object)

    def unsettled(self, text: str) -> int:
        """All of it: an answer is judged as a whole."""
        return len(text)

    def _fits(self, text: str, schema: Schema | None, *, must_be_object: bool) -> Verdict:
        fenced = _FENCE.fullmatch(text) if self._fences and "```" in text[:64] else None
        try:
            value = decode(fenced[1] if fenced else text)
        except (*UNDECODABLE, UnicodeEncodeError):
            return Verdict(self._action, 1.0, "not JSON", "json")
        if must_be_object and not isinstance(value, dict):
            return Verdict(self._action, 1.0, "not a JSON object", "json")
        if schema is None:
            return ALLOW
        try:
            fault = schema.fault(value)
        except (Exhausted, RecursionError):
            fault = "too deeply nested or too many alternatives to check"
        return ALLOW if fault is None else Verdict(self._action, 0.8, fault, "schema")


def _asked(response_format: JsonObject | None) -> tuple[str, Any]:
    """What kind of JSON a request asks for, if any, and the schema it gives."""
    kind = response_format.get("type") if response_format else None
    if kind == "json_schema":
        given = response_format.get("json_schema") if response_format else None
        return "json_schema", given.get("schema", True) if isinstance(given, dict) else True
    return ("json_object", None) if kind == "json_object" else ("", None)


@lru_cache(maxsize=128)
def _compiled(canonical: bytes) -> Schema:
    """A request's schema: the same one comes with every request of an application. Raises ValueError."""
    return Schema(decode(canonical))
