"""`--where`: a condition on records, such as `status=failed and (model~gpt or duration>2s) and not tag.team=search`.

It is parsed once. What comes of it is a predicate of a record, for JSON lines, and SQL over the ledger's columns with
parameters, for Parquet; the two say the same of every record. Words are compared as they are, capitals and all.
"""

import operator
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, NamedTuple, NoReturn

from llmctl.errors import UsageError
from llmctl.model.record import Record
from llmctl.reports.where_fields import (
    ALIASES,
    FIELDS,
    OPERATORS,
    TAG,
    Field,
    Operator,
    Value,
    field_named,
    resolved,
    value_of,
)

MOST_TEXT = 4000
MOST_DEPTH = 50
Predicate = Callable[[Record], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<bracket>[()])|(?P<operator>!=|<=|>=|[=<>~])"""
    r"""|(?P<quoted>'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*")|(?P<word>[^\s()=!<>~'"]+))""",
    re.DOTALL,
)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "~": lambda whole, part: part in whole,
}


@dataclass(frozen=True, slots=True)
class Where:
    """A condition: whether a record meets it, as SQL with `parameters` by name, and the ledger's columns it needs.

    A row for which the SQL is NULL does not meet it.
    """

    holds: Predicate
    sql: str
    parameters: dict[str, Value]
    columns: frozenset[str]

    def __call__(self, record: Record) -> bool:
        """Whether `record` meets it."""
        return self.holds(record)


EVERYTHING = Where(lambda record: True, "true", {}, frozenset())


def parse(text: str, name: str = "--where") -> Where:
    """The condition that `text` is. Raises UsageError, which says at which character and what could stand there."""
    return _Parser(text, name).parse()


def all_of(conditions: list[Where]) -> Where:
    """What meets each of these."""
    asking = [condition for condition in conditions if condition is not EVERYTHING]
    if not asking:
        return EVERYTHING
    found = [_renamed(condition, f"c{number}_") for number, condition in enumerate(asking)]
    return Where(
        lambda record: all(condition.holds(record) for condition in found),
        " AND ".join(f"({condition.sql})" for condition in found),
        {name: value for condition in found for name, value in condition.parameters.items()},
        frozenset().union(*(condition.columns for condition in found)),
    )


def _renamed(condition: Where, prefix: str) -> Where:
    """The same with `prefix` before each parameter's name."""
    sql = re.sub(r"\$(\w+)", rf"${prefix}\1", condition.sql)
    parameters = {prefix + name: value for name, value in condition.parameters.items()}
    return Where(condition.holds, sql, parameters, condition.columns)


class _Token(NamedTuple):
    kind: str
    text: str
    at: int


class _Node(NamedTuple):
    holds: Predicate
    sql: str


class _Parser:
    """Recursive descent: `or` binds loosest, then `and`, then `not`."""

    def __init__(self, text: str, name: str) -> None:
        self._text = text
        self._name = name
        self._parameters: dict[str, Value] = {}
        self._columns: set[str] = set()
        self._depth = 0
        if len(text) > MOST_TEXT:
            self._fail(MOST_TEXT, f"no more than {MOST_TEXT} characters are read")
        self._tokens = list(self._split())
        self._next = 0

    def parse(self) -> Where:
        found = self._either()
        if (token := self._peek()).kind != "end":
            self._fail(token.at, f"{token.text!r} is more than one condition; join them with `and` or `or`")
        return Where(found.holds, found.sql, self._parameters, frozenset(self._columns))

    def _split(self) -> Iterator[_Token]:
        at, end = 0, len(self._text.rstrip())
        while at < end:
            match = _TOKEN.match(self._text, at)
            if match is None or match.lastgroup is None:
                start = at + len(self._text[at:]) - len(self._text[at:].lstrip())
                what = "this quote is not closed" if self._text[start] in "'\"" else "nothing begins so; quote it"
                self._fail(start, what)
            kind, start = match.lastgroup, match.start(match.lastgroup)
            word = match[kind]
            yield _Token(
                kind, re.sub(r"\\(.)", r"\1", word[1:-1], flags=re.DOTALL) if kind == "quoted" else word, start
            )
            at = match.end()
        yield _Token("end", "", end)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next += token.kind != "end"
        return token

    def _is(self, word: str) -> bool:
        token = self._peek()
        return token.kind in ("word", "bracket") and token.text.lower() == word

    def _either(self) -> _Node:
        parts = [self._both()]
        while self._is("or"):
            self._take()
            parts.append(self._both())
        return _joined(parts, any, " OR ")

    def _both(self) -> _Node:
        parts = [self._one()]
        while self._is("and"):
            self._take()
            parts.append(self._one())
        return _joined(parts, all, " AND ")

    def _one(self) -> _Node:
        token = self._peek()
        self._depth += 1
        if self._depth > MOST_DEPTH:
            self._fail(token.at, f"conditions within conditions, more than {MOST_DEPTH} deep")
        if self._is("not"):
            self._take()
            found = _denied(self._one())
        elif self._is("("):
            self._take()
            found = self._either()
            if not self._is(")"):
                self._fail(self._peek().at, f"`)` is missing for the `(` at character {token.at + 1}")
            self._take()
        else:
            found = self._comparison()
        self._depth -= 1
        return found

    def _comparison(self) -> _Node:
        name = self._take()
        if name.kind != "word":
            self._fail(name.at, "here a field is wanted, as in `state=failed`")
        field = field_named(name.text) or self._unknown(name)
        sign = self._take()
        if sign.kind != "operator":
            self._fail(sign.at, f"after {name.text} one of {' '.join(OPERATORS[field.kind])} is wanted")
        word = self._take()
        if word.kind not in ("word", "quoted"):
            self._fail(word.at, f"after {name.text}{sign.text} a value is wanted; '' is the empty one")
        field = field_named(resolved(name.text, word.text)) or field
        if sign.text not in OPERATORS[field.kind]:
            self._fail(sign.at, f"{name.text} takes {' '.join(OPERATORS[field.kind])}, not {sign.text}")
        sign_text: Operator = sign.text
        try:
            value = value_of(field, word.text, sign_text)
        except ValueError as error:
            self._fail(word.at, f"{name.text} is not {word.text!r}: {error}")
        self._columns.update(field.columns)
        return self._compared(field, name.text, sign_text, value)

    def _compared(self, field: Field, name: str, sign: Operator, value: Value) -> _Node:
        plain = "=" if sign == "!=" else sign
        compare, values = _COMPARE[plain], field.values

        def holds(record: Record) -> bool:
            return any(each is not None and compare(each, value) for each in values(record))

        given = self._parameter(value)
        tag = self._parameter(name.removeprefix(TAG)) if name.startswith(TAG) else ""
        sql = [_sql(field, each.format(tag=tag) if tag else each, plain, given) for each in field.sql]
        found = _Node(holds, f"({' OR '.join(sql)})")
        return _denied(found) if sign == "!=" else found

    def _parameter(self, value: Value) -> str:
        name = f"w{len(self._parameters)}"
        self._parameters[name] = value
        return f"${name}"

    def _unknown(self, name: _Token) -> NoReturn:
        known = [*FIELDS, *ALIASES, f"{TAG}NAME"]
        near = get_close_matches(name.text, known, n=3, cutoff=0.6)
        hint = f"did you mean {', '.join(near)}?" if near else f"there are {', '.join(known)}"
        self._fail(name.at, f"no field is called {name.text!r}; {hint}")

    def _fail(self, at: int, what: str) -> NoReturn:
        raise UsageError(f"{self._name}: at character {at + 1}: {what}")


def _sql(field: Field, value: str, sign: str, given: str) -> str:
    if field.kind == "names":
        return (
            f"len(list_filter({value}, lambda g: contains(g, {given}))) > 0"
            if sign == "~"
            else (f"list_contains({value}, {given})")
        )
    if sign == "~":
        return f"contains({value}, {given})"
    if field.kind == "time":
        given = f"make_timestamp({given})"
    if field.kind == "dollars":
        given = f"CAST({given} AS DECIMAL(38,12))"
    return f"{value} {sign} {given}"


def _joined(parts: list[_Node], join: Callable[[Iterator[bool]], bool], word: str) -> _Node:
    if len(parts) == 1:
        return parts[0]
    tests = [part.holds for part in parts]
    return _Node(lambda record: join(test(record) for test in tests), f"({word.join(part.sql for part in parts)})")


def _denied(part: _Node) -> _Node:
    # What is NULL is not true: so a record has just two answers in SQL too.
    return _Node(lambda record: not part.holds(record), f"({part.sql} IS NOT TRUE)")
