"""Files of promptfoo's as plain values, each with the line in which it stands."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmctl.config.finding import KeyPath, Mark, nearest_mark
from llmctl.config.yaml import Node, Scalar, Sequence, parse, typed
from llmctl.errors import ConfigError

FILE = "file://"
YAML = (".yaml", ".yml", ".json")


@dataclass(slots=True)
class Tree:
    """The values of a file, and where they stand."""

    value: Any
    marks: dict[KeyPath, Mark] = field(default_factory=dict)

    def where(self, path: KeyPath) -> str:
        """`file:line` of the nearest key that is there."""
        mark = nearest_mark(self.marks, path)
        return f"{mark.file}:{mark.line}"


def text_of_file(path: Path) -> str:
    """Raises ConfigError."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError([f"{path}: cannot be read ({said})"]) from None


def tree_of(path: Path) -> Tree:
    """A YAML or JSON file, whatever its root is. Raises ConfigError."""
    lines = text_of_file(path).splitlines()
    # the parser wants a mapping: one is put around, a line above
    below = "\n".join(f" {line}" if line.strip() not in ("---", "...") else "" for line in lines)
    root, findings = parse(f"root:\n{below}\n", str(path))
    if root is None or findings:
        said = [
            str(one).replace(f"{path}:{one.mark.line}:", f"{path}:{max(1, one.mark.line - 1)}:", 1)
            for one in ordered_findings(findings)
        ]
        raise ConfigError(said or [f"{path}: cannot be read"], [path])
    found = Tree(None, {(): Mark(str(path), 1)})
    found.value = _plain(root.entries["root"][1], (), found.marks)
    return found


def ordered_findings(findings: list[Any]) -> list[Any]:
    """By line."""
    return sorted(findings, key=lambda one: one.mark.line)


def local(given: str, folder: Path) -> Path:
    """The path that a reference names."""
    return folder / given.removeprefix(FILE)


def _plain(node: Node, path: KeyPath, marks: dict[KeyPath, Mark]) -> Any:
    marks[path] = Mark(node.mark.file, max(1, node.mark.line - 1))
    if isinstance(node, Scalar):
        return typed(node.text) if node.plain else node.text
    if isinstance(node, Sequence):
        return [_plain(one, (*path, at), marks) for at, one in enumerate(node.items)]
    found = {}
    for key, (_, below) in node.entries.items():
        found[key] = _plain(below, (*path, key), marks)
    return found
