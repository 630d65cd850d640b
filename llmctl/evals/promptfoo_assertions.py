"""promptfoo's assertions as scorers of ours. What has no equal is named by `Unsupported`, never guessed at.

Source: https://www.promptfoo.dev/docs/configuration/expected-outputs/
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from llmctl.scoring.base import Assertion

NOT = "not-"
SAME = ("contains", "icontains", "starts-with", "regex", "finish-reason")
LISTS = ("contains-any", "contains-all", "icontains-any", "icontains-all")
JUDGED = frozenset({"llm-rubric", "factuality", "model-graded-factuality", "model-graded-closedqa"})
_TEXT = re.compile(
    r"(?P<type>(?:not-)?[a-z][a-z0-9-]*)(?:\((?P<threshold>\d+(?:\.\d+)?)\))?(?::(?P<value>.*))?", re.DOTALL
)
_BARE = frozenset(
    {"is-json", "contains-json", "is-refusal", "is-valid-openai-tools-call", "is-valid-function-call", "is-sql",
     "is-xml", "is-html", "is-valid-openai-function-call", "latency", "cost", "contains-sql", "contains-xml",
     "contains-html", "guardrails", "moderation", "perplexity", "perplexity-score", "select-best"}
)  # fmt: skip
_WITH_VALUE = frozenset(
    {*SAME, *LISTS, *JUDGED, "equals", "levenshtein", "rouge-n", "bleu", "gleu", "meteor", "similar", "javascript",
     "python", "ruby", "webhook", "g-eval", "classifier", "answer-relevance", "context-faithfulness",
     "context-recall", "context-relevance", "word-count", "tool-call-f1", "pi", "search-rubric", "max-score",
     "select-best", "conversation-relevance", "trajectory", "assert-set"}
)  # fmt: skip
COMMON = frozenset({"type", "value", "threshold", "weight", "metric"})
Made = tuple[str, dict[str, Any], float | None]
"""Our kind, its options, and from where on it passes (None: as the scorer says)."""


class Unsupported(ValueError):
    """What promptfoo has and we do not. The text names it."""


def from_text(text: str) -> dict[str, Any]:
    """An assertion as CSV writes it, `TYPE(THRESHOLD):VALUE`, in the form of YAML; other text is `equals`."""
    text = text.strip()
    for prefix in ("fn:", "eval:"):
        if text.startswith(prefix):
            return {"type": "javascript", "value": text.removeprefix(prefix)}
    if text.startswith("grade:"):
        return {"type": "llm-rubric", "value": text.removeprefix("grade:").strip()}
    if text.startswith("file://"):
        return {"type": "python" if ".py" in text else "javascript", "value": text}
    match = _TEXT.fullmatch(text)
    bare = match["type"].removeprefix(NOT) if match else ""
    if match is None or not (bare in _BARE or (bare in _WITH_VALUE and match["value"] is not None)):
        return {"type": "equals", "value": text}
    found: dict[str, Any] = {"type": match["type"]}
    if match["value"] is not None:
        value = match["value"].strip() if bare not in ("starts-with", "regex", "contains") else match["value"]
        found["value"] = [one.strip() for one in value.split(",")] if bare in LISTS else value
    if match["threshold"] is not None:
        found["threshold"] = float(match["threshold"])
    elif bare == "similar":
        found["threshold"] = 0.8
    return found


def assertions(raw: Mapping[str, Any], judge: str) -> list[Assertion]:
    """Our scorers for one assertion, or for a set of them. `judge` is the target that judges. Raises Unsupported."""
    kind = raw.get("type")
    if not isinstance(kind, str):
        raise Unsupported("an assertion has no type")
    if kind == "assert-set":
        return _set(raw, judge)
    if unknown := sorted(set(raw) - COMMON):
        raise Unsupported(f"{kind}: {', '.join(unknown)}")
    bare = kind.removeprefix(NOT)
    maker = _MAKERS.get(bare)
    if maker is None:
        raise Unsupported(kind)
    ours, options, threshold = maker(bare, raw)
    if bare in JUDGED:
        options["judge"] = judge
    own = {
        "kind": (NOT if kind.startswith(NOT) else "") + ours,
        "name": str(raw.get("metric") or kind),
        "weight": _number(raw, "weight", 1.0),
    }
    if threshold is not None:
        if not 0 <= threshold <= 1:
            raise Unsupported(f"{kind}: a threshold of {threshold:g}, which is not from 0 to 1")
        own["threshold"] = threshold
    return [Assertion.model_validate({**own, **options})]


def _set(raw: Mapping[str, Any], judge: str) -> list[Assertion]:
    """A set in which all must pass, as its members with their share of its weight."""
    if unknown := sorted(set(raw) - {"type", "assert", "weight", "metric"}):
        raise Unsupported(f"assert-set: {', '.join(unknown)}")
    members = raw.get("assert")
    if not isinstance(members, list) or not members or not all(isinstance(one, dict) for one in members):
        raise Unsupported("assert-set: without a list of assertions")
    metric = {"metric": raw["metric"]} if "metric" in raw else {}
    found = [one for member in members for one in assertions({**metric, **member}, judge)]
    total = sum(one.weight for one in found)
    share = _number(raw, "weight", 1.0) / total if total else 0.0
    return [one.model_copy(update={"weight": one.weight * share}) for one in found]


def _number(raw: Mapping[str, Any], key: str, default: float | None = None) -> float:
    value = raw.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise Unsupported(f"{raw['type']}: {key} must be a number, 0 or more")
    return float(value)


def _value(raw: Mapping[str, Any]) -> Any:
    value = raw.get("value")
    if value is None:
        raise Unsupported(f"{raw['type']}: has no value")
    if isinstance(value, str) and value.startswith(("file://", "package:")):
        raise Unsupported(f"{raw['type']}: a value from {value}")
    return value


def _text(raw: Mapping[str, Any]) -> str:
    value = _value(raw)
    if isinstance(value, bool | dict | list):
        raise Unsupported(f"{raw['type']}: a value that is no text")
    return str(value)


def _plain(kind: str, raw: Mapping[str, Any]) -> Made:
    return kind, {"value": _text(raw)}, None


def _list(kind: str, raw: Mapping[str, Any]) -> Made:
    value = _value(raw)
    return kind, {"value": [str(one) for one in value] if isinstance(value, list) else str(value)}, None


def _equals(kind: str, raw: Mapping[str, Any]) -> Made:
    value = _value(raw)
    whole = value if isinstance(value, dict | list) else str(value)
    return "equals", {"value": whole, "strip": False}, None


def _json(kind: str, raw: Mapping[str, Any]) -> Made:
    if raw.get("value") in (None, ""):
        return kind, {}, None
    value = _value(raw)
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            raise Unsupported(f"{raw['type']}: a schema that is not JSON") from None
    return kind, {"schema": value}, None


def _references(default: float) -> Callable[[str, Mapping[str, Any]], Made]:
    def make(kind: str, raw: Mapping[str, Any]) -> Made:
        value = _value(raw)
        found = [str(one) for one in value] if isinstance(value, list) else _text(raw)
        return kind, {"value": found}, _number(raw, "threshold", default)

    return make


def _similar(kind: str, raw: Mapping[str, Any]) -> Made:
    return "embedding", {"value": _text(raw)}, _number(raw, "threshold", 0.75)


def _edits(kind: str, raw: Mapping[str, Any]) -> Made:
    most = _number(raw, "threshold", 5)
    return "edits", {"value": _text(raw), "most": int(most)}, None


def _latency(kind: str, raw: Mapping[str, Any]) -> Made:
    return "latency", {"seconds": _limit(raw) / 1000}, None


def _cost(kind: str, raw: Mapping[str, Any]) -> Made:
    return "cost", {"usd": _limit(raw)}, None


def _limit(raw: Mapping[str, Any]) -> float:
    if "threshold" not in raw or _number(raw, "threshold") <= 0:
        raise Unsupported(f"{raw['type']}: without a threshold over 0")
    return _number(raw, "threshold")


def _refusal(kind: str, raw: Mapping[str, Any]) -> Made:
    return "refusal", {}, None


def _tools(kind: str, raw: Mapping[str, Any]) -> Made:
    return "valid-tool-calls", {"required": True}, None


def _words(kind: str, raw: Mapping[str, Any]) -> Made:
    value = _value(raw)
    if isinstance(value, dict) and value and set(value) <= {"min", "max"}:
        limits = {"least": value.get("min"), "most": value.get("max")}
    else:
        limits = {"least": value, "most": value}
    try:
        return "words", {key: int(one) for key, one in limits.items() if one is not None}, None
    except (TypeError, ValueError):
        raise Unsupported(f"{raw['type']}: a value that is no count of words") from None


def _rubric(kind: str, raw: Mapping[str, Any]) -> Made:
    text = _text(raw)
    # a rubric without a threshold asks promptfoo's judge for `pass`; from the middle of the scale on it passes here
    threshold = _number(raw, "threshold") if "threshold" in raw else None
    return "llm-rubric", {"value": text, "low": 0, "high": 1}, threshold


def _factuality(kind: str, raw: Mapping[str, Any]) -> Made:
    return "factuality", {"value": _text(raw)}, None


_MAKERS: Mapping[str, Callable[[str, Mapping[str, Any]], Made]] = {
    **dict.fromkeys(SAME, _plain),
    **dict.fromkeys(LISTS, _list),
    "equals": _equals,
    "is-json": _json,
    "contains-json": _json,
    "bleu": _references(0.5),
    "similar": _similar,
    "similar:cosine": _similar,
    "levenshtein": _edits,
    "latency": _latency,
    "cost": _cost,
    "is-refusal": _refusal,
    "is-valid-openai-tools-call": _tools,
    "word-count": _words,
    "llm-rubric": _rubric,
    "model-graded-closedqa": _rubric,
    "factuality": _factuality,
    "model-graded-factuality": _factuality,
}
SUPPORTED = frozenset(_MAKERS)
"""Kinds of promptfoo's that we have, `not-` apart."""
