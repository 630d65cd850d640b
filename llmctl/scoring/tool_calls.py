"""Calls of tools: are they valid, and are they the right ones."""

from collections import Counter
from typing import Any, ClassVar

from pydantic import Field

from llmctl.guards.schema_check import Exhausted, Schema
from llmctl.model.json import UNDECODABLE, decode, encode
from llmctl.scoring.base import Output, Sample, Score, ScorerOptions, ToolCalled, Tools, Unscorable

_UNREADABLE = (*UNDECODABLE, UnicodeEncodeError)


class ValidToolCallsOptions(ScorerOptions):
    """What may be called."""

    required: bool = Field(False, description="An answer without any call is wrong.")


class ValidToolCalls:
    """The share of calls that name a tool of the request and whose arguments fit its schema; passed where all do."""

    Options: ClassVar[type[ScorerOptions]] = ValidToolCallsOptions
    rendered: ClassVar[frozenset[str]] = frozenset()
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where the request had no tools, and where one's schema is beyond us."""
        assert isinstance(options, ValidToolCallsOptions)
        known = {one["function"]["name"]: one["function"].get("parameters") for one in output.tools if _named(one)}
        if not known:
            raise Unscorable("the request had no tools")
        if not output.tool_calls:
            return Score(float(not options.required), reason="calls nothing" if options.required else "")
        faults = [fault for call in output.tool_calls if (fault := _fault(call, known))]
        return Score(1 - len(faults) / len(output.tool_calls), reason="; ".join(faults)[:200])


class ToolCallsOptions(ScorerOptions):
    """What is to be called."""

    value: list[Any] | str | None = Field(
        None, description="Calls as {name, arguments}; without arguments any do. Default: the sample's expected."
    )


class ToolCalls:
    """F1 of the calls against the expected ones, by name and arguments; their order does not count.

    `parts` has it by name alone too.
    """

    Options: ClassVar[type[ScorerOptions]] = ToolCallsOptions
    rendered: ClassVar[frozenset[str]] = frozenset({"value"})
    threshold: ClassVar[float] = 1.0

    def __init__(self, options: ScorerOptions, tools: Tools) -> None:
        """Nothing to make ready."""

    async def score(self, sample: Sample, output: Output, options: ScorerOptions) -> Score:
        """Raises Unscorable where no calls are expected, as a list that may be empty."""
        assert isinstance(options, ToolCallsOptions)
        wanted = _wanted(sample.expected if options.value is None else options.value)
        names = _f1(Counter(name for name, _ in wanted), Counter(call.name for call in output.tool_calls))
        whole = _matched(wanted, output.tool_calls)
        missing = [name for name, _ in wanted if name not in {call.name for call in output.tool_calls}]
        return Score(whole, reason=f"lacks {', '.join(missing)}"[:200] if missing else "", parts={"names": names})


def _named(tool: Any) -> bool:
    return isinstance(tool.get("function"), dict) and isinstance(tool["function"].get("name"), str)


def _fault(call: ToolCalled, known: dict[str, Any]) -> str:
    if call.name not in known:
        return f"there is no tool {call.name!r}"
    try:
        arguments = decode(call.arguments or "{}")
    except _UNREADABLE:
        return f"{call.name}: its arguments are no JSON"
    try:
        wrong = Schema(known[call.name]).fault(arguments) if known[call.name] is not None else None
    except (Exhausted, RecursionError):
        wrong = "too deeply nested or too many alternatives to check"
    except ValueError as error:
        raise Unscorable(f"the schema of {call.name}: {error}") from None
    return f"{call.name}: {wrong}" if wrong else ""


def _wanted(value: Any) -> list[tuple[str, Any]]:
    if isinstance(value, str):
        try:
            value = decode(value)
        except _UNREADABLE:
            value = None
    if not isinstance(value, list):
        raise Unscorable("no calls are expected: give `value`, or the dataset an expected column, as a list")
    found = []
    for one in value:
        call = one.get("function", one) if isinstance(one, dict) else {"name": one}
        if not isinstance(call, dict) or not isinstance(call.get("name"), str):
            raise Unscorable("an expected call has no name")
        arguments = call.get("arguments")
        try:
            found.append((call["name"], decode(arguments) if isinstance(arguments, str) else arguments))
        except _UNREADABLE:
            raise Unscorable(f"the expected arguments of {call['name']} are no JSON") from None
    return found


def _matched(wanted: list[tuple[str, Any]], calls: tuple[ToolCalled, ...]) -> float:
    left, hits = list(wanted), 0
    left.sort(key=lambda one: one[1] is None)  # those that take any arguments last, or they would take another's
    for call in calls:
        for at, (name, arguments) in enumerate(left):
            if name == call.name and (arguments is None or _same(arguments, call.arguments)):
                del left[at]
                hits += 1
                break
    return 2 * hits / (len(wanted) + len(calls)) if wanted or calls else 1.0


def _same(arguments: Any, text: str) -> bool:
    try:
        return bool(encode(decode(text or "{}")) == encode(arguments)) or decode(text or "{}") == arguments
    except _UNREADABLE:
        return False


def _f1(wanted: "Counter[str]", found: "Counter[str]") -> float:
    total = wanted.total() + found.total()
    return 2 * (wanted & found).total() / total if total else 1.0
