"""From nodes to plain values: references into the environment, types, and where each value stands."""

import re
from dataclasses import dataclass, field
from typing import Any

from llmctl.config.finding import Finding, KeyPath, Mark
from llmctl.config.secrets import Environment, is_secret
from llmctl.config.yaml import MAX_DEPTH, Mapping, Node, Scalar, Sequence, typed

MAX_VALUES = 100_000

_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_BODY = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)


@dataclass(slots=True)
class Resolved:
    """A plain tree and what is known about it.

    `unknown` are paths whose reference could not be resolved, so that nothing more is said about their value;
    `referring` are paths whose value came, at least in part, from a reference.
    """

    tree: dict[str, Any] = field(default_factory=dict)
    marks: dict[KeyPath, Mark] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    unknown: set[KeyPath] = field(default_factory=set)
    referring: set[KeyPath] = field(default_factory=set)


def resolve(root: Mapping, env: Environment) -> Resolved:
    """The values of `root`. Aliases are expanded, up to a cap that no honest file reaches."""
    resolved = Resolved()
    resolved.marks[()] = root.mark
    try:
        resolved.tree = _Resolver(resolved, env).mapping(root, (), False)
    except _TooLarge as error:
        resolved.findings.append(Finding(error.mark, error.path[:3], error.message))
        resolved.unknown.add(())
    return resolved


def interpolate(text: str, env: Environment) -> tuple[str, list[str]]:
    """`text` with `${VAR}` and `${VAR:-default}` replaced and `$${` as a literal `${`; and what is wrong with it."""
    problems: list[str] = []

    def replaced(match: re.Match[str]) -> str:
        if match[0] == "$${":
            return "${"
        value, problem = _look_up(match[1], env)
        if problem:
            problems.append(problem)
        return value

    return _REFERENCE.sub(replaced, text), problems


def _look_up(body: str | None, env: Environment) -> tuple[str, str]:
    if body is None or not (parts := _BODY.fullmatch(body)):
        return "", "a reference is ${VAR} or ${VAR:-default}, not nested; write $${ for a literal ${"
    name, default = parts[1], parts[2]
    value = env.get(name)
    if value:
        try:
            value.encode()
        except UnicodeEncodeError:
            return "", f"the environment variable {name} is not valid UTF-8"
        return value, ""
    if default is not None:
        return default, ""
    state = "not set" if value is None else "empty"
    return "", f"the environment variable {name} is {state}; export it, or write ${{{name}:-default}}"


class _TooLarge(Exception):
    def __init__(self, mark: Mark, path: KeyPath, message: str) -> None:
        super().__init__(message)
        self.mark, self.path, self.message = mark, path, message


class _Resolver:
    def __init__(self, resolved: Resolved, env: Environment) -> None:
        self.resolved = resolved
        self.env = env
        self.count = 0

    def mapping(self, node: Mapping, path: KeyPath, secret: bool) -> dict[str, Any]:
        values: dict[str, Any] = {}
        parent = str(path[-1]) if path else ""
        for key, (mark, below) in node.entries.items():
            self.resolved.marks[(*path, key)] = mark
            values[key] = self._value(below, (*path, key), secret or is_secret(key, parent))
        return values

    def _value(self, node: Node, path: KeyPath, secret: bool) -> Any:
        self.count += 1
        if self.count > MAX_VALUES:
            raise _TooLarge(node.mark, path, f"aliases expand to more than {MAX_VALUES} values; write less")
        if len(path) > MAX_DEPTH:
            raise _TooLarge(node.mark, path, f"aliases nest deeper than {MAX_DEPTH} levels")
        if isinstance(node, Mapping):
            return self.mapping(node, path, secret)
        if isinstance(node, Scalar):
            return self._scalar(node, path, secret)
        return self._sequence(node, path, secret)

    def _sequence(self, node: Sequence, path: KeyPath, secret: bool) -> list[Any]:
        values = []
        for at, item in enumerate(node.items):
            self.resolved.marks[(*path, at)] = item.mark
            values.append(self._value(item, (*path, at), secret))
        return values

    def _scalar(self, node: Scalar, path: KeyPath, secret: bool) -> Any:
        if "${" not in node.text:
            return typed(node.text) if node.plain else node.text
        text, problems = interpolate(node.text, self.env)
        if problems:
            self.resolved.unknown.add(path)
            self.resolved.findings.extend(Finding(node.mark, path, p) for p in problems)
            return None
        if any(match[0] != "$${" for match in _REFERENCE.finditer(node.text)):
            self.resolved.referring.add(path)
        whole = _REFERENCE.fullmatch(node.text)
        # A key of digits must stay text; elsewhere `port: ${PORT}` means a number.
        return typed(text) if node.plain and whole is not None and not secret else text
