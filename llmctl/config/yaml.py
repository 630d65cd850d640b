"""Strict YAML with a line for every key: one document, string keys, no tags, no merge keys, no duplicates.

Plain scalars are typed as in YAML 1.2's core schema, so `no`, `on` and `12:30` stay text and dates do too.
Source: https://yaml.org/spec/1.2.2/#103-core-schema
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import yaml

from llmctl.config.finding import Finding, KeyPath, Mark

MAX_CHARACTERS = 1024**2
MAX_DEPTH = 64

_INT = re.compile(r"[-+]?[0-9]{1,64}")
_OCTAL = re.compile(r"0o[0-7]{1,64}")
_HEX = re.compile(r"0x[0-9a-fA-F]{1,64}")
_FLOAT = re.compile(r"[-+]?(\.[0-9]{1,64}|[0-9]{1,64}(\.[0-9]{0,64})?)([eE][-+]?[0-9]{1,9})?")
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_HINTS = (
    ("mapping values are not allowed", "put a text that contains ': ' in quotes, and check the indentation"),
    ("did not find expected key", "check the indentation: keys of one mapping start in the same column"),
    ("could not find expected ':'", "write `key: value`"),
    (
        "did not find expected ',' or",
        "close the bracket; inside [ ] and { } separate items with commas and put ${…} in quotes",
    ),
    ("found character that cannot start any token", "put a text that starts with @, ` or % in quotes"),
    ("unexpected end of stream", "close the quote that was opened"),
    ("did not find expected '-' indicator", "check the indentation: items of one list start in the same column"),
)


@dataclass(slots=True)
class Scalar:
    """Text; `plain` says that it stood without quotes."""

    mark: Mark
    text: str
    plain: bool


@dataclass(slots=True)
class Sequence:
    """A list."""

    mark: Mark
    items: list["Node"] = field(default_factory=list)


@dataclass(slots=True)
class Mapping:
    """Keys in the order of the file, each with its own line."""

    mark: Mark
    entries: dict[str, tuple[Mark, "Node"]] = field(default_factory=dict)


Node = Scalar | Sequence | Mapping


def typed(text: str) -> str | int | float | bool | None:
    """What a plain scalar means in YAML 1.2's core schema."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _OCTAL.fullmatch(text) or _HEX.fullmatch(text):
        return int(text, 0)
    return float(text) if _FLOAT.fullmatch(text) else text


def parse(text: str, file: str) -> tuple[Mapping | None, list[Finding]]:
    """The root mapping of one file, or None where its text is no such thing, with everything found on the way."""
    if len(text) > MAX_CHARACTERS:
        return None, [Finding(Mark(file, 1), (), "larger than 1 MiB; split it with `include:`")]
    builder = _Builder(file)
    try:
        return builder.document(yaml.parse(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except _Refused as refused:
        return None, [*builder.findings, refused.finding]
    except yaml.YAMLError as error:
        return None, [*builder.findings, _syntax(error, text, file)]


class _Refused(Exception):
    """The file cannot be read on."""

    def __init__(self, finding: Finding) -> None:
        super().__init__(str(finding))
        self.finding = finding


class _Builder:
    """Nodes from the parser's events. An anchor is known only once complete, so nothing can contain itself."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.findings: list[Finding] = []
        self.anchors: dict[str, Node] = {}

    def document(self, events: Iterator[Any]) -> tuple[Mapping | None, list[Finding]]:
        root: Node | None = None
        for event in events:
            if isinstance(event, yaml.DocumentStartEvent) and root is not None:
                self._refuse(event, (), "a second document starts here; keep one, or `include:` the other file")
            if isinstance(event, yaml.NodeEvent):
                root = self._node(event, events, ())
        if root is None or (isinstance(root, Scalar) and root.plain and typed(root.text) is None):
            message = "the file is empty; `llmctl init` writes a working one"
            return None, [*self.findings, Finding(Mark(self.file, 1), (), message)]
        if not isinstance(root, Mapping):
            return None, [*self.findings, Finding(root.mark, (), "the file must hold keys, such as `providers:`")]
        return root, self.findings

    def _node(self, event: Any, events: Iterator[Any], path: KeyPath) -> Node:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, path)
        if len(path) > MAX_DEPTH:
            self._refuse(event, path[:3], f"nested deeper than {MAX_DEPTH} levels")
        if event.tag is not None:
            self._find(event, path, f"tags such as {event.tag} are not read; put text in quotes and drop the tag")
        node = self._content(event, events, path)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _content(self, event: Any, events: Iterator[Any], path: KeyPath) -> Node:
        mark = self._mark(event)
        if isinstance(event, yaml.ScalarEvent):
            return Scalar(mark, event.value, event.style in (None, ""))
        if isinstance(event, yaml.SequenceStartEvent):
            sequence = Sequence(mark)
            for item in events:
                if isinstance(item, yaml.SequenceEndEvent):
                    break
                sequence.items.append(self._node(item, events, (*path, len(sequence.items))))
            return sequence
        mapping = Mapping(mark)
        for key in events:
            if isinstance(key, yaml.MappingEndEvent):
                break
            self._entry(mapping, key, events, path)
        return mapping

    def _entry(self, mapping: Mapping, key: Any, events: Iterator[Any], path: KeyPath) -> None:
        name = self._node(key, events, path) if isinstance(key, (yaml.ScalarEvent, yaml.AliasEvent)) else None
        if not isinstance(name, Scalar):
            self._refuse(key, path, "a key must be text, not a list or a mapping")
        merge = name.plain and name.text == "<<"
        if merge:
            self._find(key, path, "merge keys (<<) are not read; write the keys out, or use `include:`")
        elif name.text == "":
            self._find(key, path, "a key is empty; name it or remove the line")
        value = self._node(next(events), events, (*path, name.text))
        if name.text in mapping.entries:
            first = mapping.entries[name.text][0]
            self._find(key, (*path, name.text), f"set twice; the first is in line {first.line}; keep one")
        elif not merge:
            mapping.entries[name.text] = (self._mark(key), value)

    def _alias(self, event: Any, path: KeyPath) -> Node:
        if event.anchor not in self.anchors:
            self._refuse(event, path, f"*{event.anchor} names nothing complete above it; define &{event.anchor} first")
        return self.anchors[event.anchor]

    def _mark(self, event: Any) -> Mark:
        return Mark(self.file, event.start_mark.line + 1)

    def _find(self, event: Any, path: KeyPath, message: str) -> None:
        self.findings.append(Finding(self._mark(event), path, message))

    def _refuse(self, event: Any, path: KeyPath, message: str) -> NoReturn:
        raise _Refused(Finding(self._mark(event), path, message))


def _syntax(error: yaml.YAMLError, text: str, file: str) -> Finding:
    if not isinstance(error, yaml.MarkedYAMLError):
        at = getattr(error, "position", 0)
        line = text.encode(errors="replace")[:at].count(b"\n") + 1
        return Finding(Mark(file, line), (), "a character here may not stand in YAML; remove it")
    mark = error.problem_mark or error.context_mark
    line = mark.line if mark else 0
    lines = text.splitlines()
    problem = error.problem or "this is not YAML"
    at_tab = line < len(lines) and re.match(r"[ \-]*\t", lines[line])
    hint = "indent with spaces, not tabs" if at_tab else next((h for p, h in _HINTS if p in problem), "")
    return Finding(Mark(file, line + 1), (), f"{problem}; {hint}" if hint else problem)
