"""What pydantic found, as findings that say where and what to do. Values are never repeated: they may be secret."""

from collections.abc import Mapping
from difflib import get_close_matches
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from llmctl.config.finding import Finding, KeyPath, Mark, nearest_mark

_SAYINGS = {
    "string_type": "write text; put a number, a date or true/false in quotes",
    "int_type": "write a whole number, without quotes",
    "int_parsing": "write a whole number, without quotes",
    "int_from_float": "write a whole number",
    "float_type": "write a number, without quotes",
    "bool_type": "write true or false, without quotes",
    "dict_type": "write keys below it, `key: value`",
    "model_type": "write keys below it, `key: value`",
    "list_type": "write a list, one `- item` a line",
    "datetime_type": "write a time such as 2030-01-31T00:00:00Z",
    "datetime_parsing": "write a time such as 2030-01-31T00:00:00Z",
    "datetime_from_date_parsing": "write a time such as 2030-01-31T00:00:00Z",
}


def explain(
    error: ValidationError, marks: Mapping[KeyPath, Mark], prefix: KeyPath, model: type[BaseModel] | None
) -> list[Finding]:
    """One finding per error. `prefix` is where the validated part stands; `model` lets unknown keys be corrected."""
    findings = []
    for detail in error.errors(include_url=False):
        loc = tuple(part for part in detail["loc"] if part != "[key]")
        path = _known(marks, prefix, loc, detail["type"] == "missing")
        findings.append(Finding(nearest_mark(marks, path), path, _message(detail, loc, model)))
    return findings


def nearest(word: str, legal: list[str]) -> str:
    """`; did you mean x?`, or the legal words if none is near."""
    if close := get_close_matches(word, legal, n=1, cutoff=0.6):
        return f"; did you mean {close[0]}?"
    return f"; known: {', '.join(sorted(set(legal))[:12])}" if legal else ""


def _known(marks: Mapping[KeyPath, Mark], prefix: KeyPath, loc: KeyPath, missing: bool) -> KeyPath:
    path = prefix
    for at, part in enumerate(loc):
        # Parts that stand in no file are pydantic's names for a union's members.
        if (*path, part) in marks or (missing and at == len(loc) - 1):
            path = (*path, part)
    return path


def _message(detail: ErrorDetails, loc: KeyPath, model: type[BaseModel] | None) -> str:
    kind = detail["type"]
    field = _field(model, loc)
    about = f" ({field.description})" if field and field.description else ""
    if kind == "missing":
        return f"missing; add it{about}"
    if kind == "extra_forbidden":
        return f"unknown key{nearest(str(loc[-1]), _legal(model, loc[:-1]))}"
    if detail["input"] is None and kind != "extra_forbidden":
        return f"is empty; write a value or remove the line{about}"
    if kind == "string_pattern_mismatch":
        return f"is not of the form {detail.get('ctx', {}).get('pattern', '')}{about}"
    if kind == "too_short":
        least = detail.get("ctx", {}).get("min_length", 1)
        return "needs at least one entry" if least == 1 else f"needs at least {least} entries"
    said = _SAYINGS.get(kind) or detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return said[:1].lower() + said[1:] if said[1:2].islower() else said


def _legal(model: type[BaseModel] | None, loc: KeyPath) -> list[str]:
    owner = _model(_below(model, loc))
    return [info.alias or name for name, info in owner.model_fields.items()] if owner else []


def _field(model: type[BaseModel] | None, loc: KeyPath) -> FieldInfo | None:
    owner = _model(_below(model, loc[:-1])) if loc else None
    return _fields(owner).get(str(loc[-1])) if owner else None


def _fields(model: type[BaseModel]) -> dict[str, FieldInfo]:
    return {info.alias or name: info for name, info in model.model_fields.items()}


def _below(annotation: Any, loc: KeyPath) -> Any:
    for part in loc:
        options = _options(annotation)
        if owner := _model(annotation):
            info = _fields(owner).get(str(part))
            annotation = info.annotation if info else None
        elif inner := next((get_args(o) for o in options if get_origin(o) in (dict, list, tuple)), None):
            annotation = inner[-1] if inner[-1] is not Ellipsis else inner[0]
        else:
            return None
    return annotation


def _model(annotation: Any) -> type[BaseModel] | None:
    found = (o for o in _options(annotation) if isinstance(o, type) and issubclass(o, BaseModel))
    return next(found, None)


def _options(annotation: Any) -> list[Any]:
    if get_origin(annotation) is Annotated:
        return _options(get_args(annotation)[0])
    if get_origin(annotation) in (Union, UnionType):
        return [option for part in get_args(annotation) for option in _options(part)]
    return [annotation]
