"""JSON Schema, the subset that structured outputs use: compiled once, then checked in time linear in the value.

Every keyword is enforced, or an annotation, or refused when the schema is compiled: nothing is ignored in silence.
Messages name the schema's own keys and list positions, never a value or a key that the checked value brought.
"""

import math
from collections.abc import Callable
from datetime import date, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

import re2

from llmctl.model.json import encode

Check = Callable[[Any, str, "Budget"], str | None]
"""Value, where it is, steps left → what is wrong with it, or None."""

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: _TYPES["number"](value) and value == value // 1,
}
_FORMATS: dict[str, Callable[[str], object]] = {
    "date": date.fromisoformat,
    "date-time": datetime.fromisoformat,
    "uuid": UUID,
    "ipv4": IPv4Address,
    "ipv6": IPv6Address,
    "email": lambda text: text.encode("ascii").index(b"@", 1),
}
_ANNOTATIONS = frozenset(
    {"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$schema", "$id",
     "$comment", "$defs", "definitions", "propertyOrdering"}
)  # fmt: skip
_SIZES = {"minItems": list, "maxItems": list, "minLength": str, "maxLength": str,
          "minProperties": dict, "maxProperties": dict}  # fmt: skip
_BOUNDS: dict[str, Callable[[Any, Any], bool]] = {
    "minimum": lambda value, bound: value >= bound,
    "maximum": lambda value, bound: value <= bound,
    "exclusiveMinimum": lambda value, bound: value > bound,
    "exclusiveMaximum": lambda value, bound: value < bound,
}
_NAMED = frozenset({"properties", "patternProperties", "$defs", "definitions"})
_NESTED = frozenset({"items", "prefixItems", "additionalProperties", "allOf", "anyOf", "oneOf", "not"})
MAX_STEPS = 200_000


class Exhausted(Exception):
    """The value took more steps than allowed; only a recursive schema with alternatives gets there."""


class Budget:
    """Steps that a check may still take."""

    def __init__(self) -> None:
        self._left = MAX_STEPS

    def spend(self) -> None:
        """One step. Raises Exhausted."""
        self._left -= 1
        if self._left < 0:
            raise Exhausted


class Schema:
    """A compiled schema. Raises ValueError, with the place in the schema, for what it does not know."""

    def __init__(self, schema: Any) -> None:
        self._root = schema
        self._made: dict[str, Check] = {}
        _no_endless_reference(schema)
        self._check = self._compiled(schema, "")

    def fault(self, value: Any) -> str | None:
        """What is wrong with `value` first of all, or None. Raises Exhausted or RecursionError for monsters."""
        return self._check(value, "", Budget())

    def _compiled(self, schema: Any, at: str) -> Check:
        if isinstance(schema, bool):
            return _never if schema is False else _always
        if not isinstance(schema, dict):
            raise ValueError(f"json_schema{at}: a schema is an object or a boolean")
        checks: list[Check] = []
        for key, value in schema.items():
            make = _MAKERS.get(key)
            if make is not None:
                checks.append(make(self, schema, value, f"{at}/{key}"))
            elif key in ("$defs", "definitions") and isinstance(value, dict):
                for name, inner in value.items():
                    self._compiled(inner, f"{at}/{key}/{name}")
            elif key not in _ANNOTATIONS:
                raise ValueError(f"json_schema{at}: keyword {key!r} is not supported; take it out")

        def check(value: Any, where: str, budget: Budget) -> str | None:
            budget.spend()
            for one in checks:
                fault = one(value, where, budget)
                if fault is not None:
                    return fault
            return None

        return check

    def _type(self, schema: Any, names: Any, at: str) -> Check:
        names = [names] if isinstance(names, str) else names
        if not isinstance(names, list) or not names or any(name not in _TYPES for name in names):
            raise ValueError(f"json_schema{at}: give one or more of {', '.join(_TYPES)}")
        tests = [_TYPES[name] for name in names]
        said = " or ".join(names)
        return lambda value, where, _: None if any(test(value) for test in tests) else f"{_at(where)} is not {said}"

    def _enum(self, schema: Any, values: Any, at: str) -> Check:
        if not isinstance(values, list) or not values:
            raise ValueError(f"json_schema{at}: give a list of values")
        allowed = {_canonical(value) for value in values}
        return lambda value, where, _: None if _canonical(value) in allowed else f"{_at(where)} is none of the enum"

    def _const(self, schema: Any, constant: Any, at: str) -> Check:
        return self._enum(schema, [constant], at)

    def _size(self, schema: Any, bound: Any, at: str) -> Check:
        if not isinstance(bound, int) or isinstance(bound, bool) or bound < 0:
            raise ValueError(f"json_schema{at}: give a whole number from 0 on")
        key = at.rpartition("/")[2]
        kind, least = _SIZES[key], key.startswith("min")

        def check(value: Any, where: str, budget: Budget) -> str | None:
            if not isinstance(value, kind) or (len(value) >= bound if least else len(value) <= bound):
                return None
            return f"{_at(where)} breaks {key} {bound}"

        return check

    def _bound(self, schema: Any, bound: Any, at: str) -> Check:
        if not _TYPES["number"](bound):
            raise ValueError(f"json_schema{at}: give a number")
        key = at.rpartition("/")[2]
        holds = _BOUNDS[key]
        return lambda value, where, _: (
            None if not _TYPES["number"](value) or holds(value, bound) else f"{_at(where)} breaks {key} {bound}"
        )

    def _multiple(self, schema: Any, step: Any, at: str) -> Check:
        if not _TYPES["number"](step) or step <= 0:
            raise ValueError(f"json_schema{at}: give a number above 0")

        def check(value: Any, where: str, budget: Budget) -> str | None:
            if not _TYPES["number"](value):
                return None
            try:
                whole = value % step == 0 or math.isclose(value / step, round(value / step), rel_tol=1e-12)
            except OverflowError:
                whole = False
            return None if whole else f"{_at(where)} is no multiple of {step}"

        return check

    def _pattern(self, schema: Any, pattern: Any, at: str) -> Check:
        search = _regex(pattern, at)
        return lambda value, where, _: (
            None if not isinstance(value, str) or search(value) else f"{_at(where)} does not match its pattern"
        )

    def _format(self, schema: Any, name: Any, at: str) -> Check:
        if name not in _FORMATS:
            raise ValueError(f"json_schema{at}: format is not supported; know {', '.join(_FORMATS)}")
        read = _FORMATS[name]

        def check(value: Any, where: str, budget: Budget) -> str | None:
            try:
                if isinstance(value, str):
                    read(value)
            except ValueError:
                return f"{_at(where)} is no {name}"
            return None

        return check

    def _required(self, schema: Any, names: Any, at: str) -> Check:
        if not isinstance(names, list) or any(not isinstance(name, str) for name in names):
            raise ValueError(f"json_schema{at}: give a list of names")

        def check(value: Any, where: str, budget: Budget) -> str | None:
            if isinstance(value, dict):
                for name in names:
                    if name not in value:
                        return f"{_at(where)} lacks {name}"
            return None

        return check

    def _object(self, schema: Any, _: Any, at: str) -> Check:
        """`properties`, `patternProperties` and `additionalProperties` work together: made once, by the first."""
        here = at.rpartition("/")[0]
        keys = [key for key in ("properties", "patternProperties", "additionalProperties") if key in schema]
        if at != f"{here}/{next(key for key in schema if key in keys)}":
            return _always
        for key in keys[: len(keys) - ("additionalProperties" in keys)]:
            if not isinstance(schema[key], dict):
                raise ValueError(f"json_schema{here}/{key}: give an object")
        named = {
            name: self._compiled(inner, f"{here}/properties/{name}")
            for name, inner in schema.get("properties", {}).items()
        }
        matching = [
            (_regex(name, here), self._compiled(inner, f"{here}/patternProperties/{name}"))
            for name, inner in schema.get("patternProperties", {}).items()
        ]
        other = self._compiled(schema.get("additionalProperties", True), f"{here}/additionalProperties")

        def check(value: Any, where: str, budget: Budget) -> str | None:
            if not isinstance(value, dict):
                return None
            for key, inner in value.items():
                found = named.get(key)
                matched = [test for search, test in matching if search(key)]
                at = f"{where}/{key if found else '*'}"
                for test in ([found] if found else []) + matched or [other]:
                    fault = test(inner, at, budget)
                    if fault is not None:
                        return f"{_at(where)} has a key too many" if test is _never else fault
            return None

        return check

    def _array(self, schema: Any, _: Any, at: str) -> Check:
        """`prefixItems` and `items`: made once, by the first."""
        here = at.rpartition("/")[0]
        if at != f"{here}/{next(key for key in schema if key in ('items', 'prefixItems'))}":
            return _always
        prefix = schema.get("prefixItems", [])
        if not isinstance(prefix, list) or isinstance(schema.get("items"), list):
            raise ValueError(f"json_schema{here}: prefixItems is a list of schemas, items is one schema")
        first = [self._compiled(inner, f"{here}/prefixItems/{i}") for i, inner in enumerate(prefix)]
        rest = self._compiled(schema.get("items", True), f"{here}/items")

        def check(value: Any, where: str, budget: Budget) -> str | None:
            if isinstance(value, list):
                for position, inner in enumerate(value):
                    test = first[position] if position < len(first) else rest
                    fault = test(inner, f"{where}/{position}", budget)
                    if fault is not None:
                        return fault
            return None

        return check

    def _unique(self, schema: Any, wanted: Any, at: str) -> Check:
        if not isinstance(wanted, bool):
            raise ValueError(f"json_schema{at}: give true or false")

        def check(value: Any, where: str, budget: Budget) -> str | None:
            if not wanted or not isinstance(value, list) or len({_canonical(item) for item in value}) == len(value):
                return None
            return f"{_at(where)} has an item twice"

        return check

    def _alternatives(self, schema: Any, inner: Any, at: str) -> Check:
        key = at.rpartition("/")[2]
        inner = [inner] if key == "not" else inner
        if not isinstance(inner, list) or not inner:
            raise ValueError(f"json_schema{at}: give a list of schemas")
        tests = [self._compiled(one, f"{at}/{position}") for position, one in enumerate(inner)]

        def check(value: Any, where: str, budget: Budget) -> str | None:
            faults = [test(value, where, budget) for test in tests]
            fits = faults.count(None)
            if key == "allOf":
                return next((fault for fault in faults if fault is not None), None)
            holds = {"anyOf": fits > 0, "oneOf": fits == 1, "not": fits == 0}[key]
            return None if holds else f"{_at(where)} fits {fits} of the {len(tests)} in {key}"

        return check

    def _ref(self, schema: Any, target: Any, at: str) -> Check:
        found = _resolved(self._root, target, at)
        if target not in self._made:
            self._made[target] = _never  # a reference met while compiling its own target is looked up when checking
            self._made[target] = self._compiled(found, f"({target})")
        return lambda value, where, budget: self._made[target](value, where, budget)


_MAKERS: dict[str, Callable[[Schema, Any, Any, str], Check]] = {
    "type": Schema._type,
    "enum": Schema._enum,
    "const": Schema._const,
    "multipleOf": Schema._multiple,
    "pattern": Schema._pattern,
    "format": Schema._format,
    "required": Schema._required,
    "properties": Schema._object,
    "patternProperties": Schema._object,
    "additionalProperties": Schema._object,
    "items": Schema._array,
    "prefixItems": Schema._array,
    "uniqueItems": Schema._unique,
    "$ref": Schema._ref,
    **dict.fromkeys(_SIZES, Schema._size),
    **dict.fromkeys(_BOUNDS, Schema._bound),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "not"), Schema._alternatives),
}


def _always(value: Any, where: str, budget: Budget) -> str | None:
    return None


def _never(value: Any, where: str, budget: Budget) -> str | None:
    return f"{_at(where)} is not allowed"


def _at(where: str) -> str:
    return where or "the value"


def _resolved(root: Any, target: Any, at: str) -> Any:
    """What a reference within the schema points at. Raises ValueError."""
    if not isinstance(target, str) or not (target == "#" or target.startswith("#/")):
        raise ValueError(f"json_schema{at}: only references within the schema, #/$defs/NAME")
    found = root
    for part in target.split("/")[1:]:
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            raise ValueError(f"json_schema{at}: {target} is not there")
        found = found[key]
    return found


def _no_endless_reference(root: Any) -> None:
    """Refuses references that come back to themselves without going into the value."""
    state: dict[int, bool] = {}

    def visit(schema: Any, at: str) -> None:
        if not isinstance(schema, dict) or state.get(id(schema)) is False:
            return
        if state.get(id(schema)):
            raise ValueError(f"json_schema{at}: a reference leads back to itself")
        state[id(schema)] = True
        for key in ("$ref", "not", "allOf", "anyOf", "oneOf"):
            if key in schema:
                inner = _resolved(root, schema[key], at) if key == "$ref" else schema[key]
                for one in inner if isinstance(inner, list) else [inner]:
                    visit(one, f"{at}/{key}")
        state[id(schema)] = False

    def walk(schema: Any, at: str) -> None:
        visit(schema, at)
        for key, inner in schema.items() if isinstance(schema, dict) else ():
            # Names of properties and the values of constants may look like keywords; they are none.
            if key in _NAMED and isinstance(inner, dict):
                below = list(inner.items())
            else:
                below = [(key, one) for one in (inner if isinstance(inner, list) else [inner]) if key in _NESTED]
            for name, one in below:
                walk(one, f"{at}/{key}/{name}")

    if isinstance(root, dict):
        walk(root, "")


def _regex(pattern: Any, at: str) -> Callable[[str], Any]:
    options = re2.Options()
    options.log_errors = False
    try:
        compiled = re2.compile(str(pattern).encode(), options)
    except (re2.error, UnicodeEncodeError):
        raise ValueError(f"json_schema{at}: is no RE2 pattern") from None
    return lambda text: compiled.search(text.encode("utf-8", "replace"))


def _canonical(value: Any) -> bytes:
    """Equal for equal JSON values: 1 is 1.0 and not true, the order of keys does not count."""
    return encode(_tagged(value))


def _tagged(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value) if abs(value) < 2**63 else value
    if isinstance(value, list):
        return [_tagged(item) for item in value]
    if isinstance(value, dict):
        return {key: _tagged(value[key]) for key in sorted(value)}
    return value
