"""What is wrong, and where: a file, a line, and the path of keys that leads there."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, order=True)
class Mark:
    """A line of a configuration file, counted from 1."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to put right. As text it is `file:line: key: what to do`; a file's syntax has no key."""

    mark: Mark
    path: KeyPath
    message: str

    def __str__(self) -> str:
        return f"{self.mark}: {dotted(self.path)}: {self.message}" if self.path else f"{self.mark}: {self.message}"


def dotted(path: KeyPath) -> str:
    """`providers.local.kind`, `keys[0].id`; a name with a dot or a space in it is quoted."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
            continue
        name = part if re.fullmatch(r"[^\s.\"\[\]]+", part) else f'"{part}"'
        text += f".{name}" if text else name
    return text


def nearest_mark(marks: Mapping[KeyPath, Mark], path: KeyPath) -> Mark:
    """The line of `path`, or of the closest thing above it that stands in a file. `marks` has the root, `()`."""
    while path not in marks:
        path = path[:-1]
    return marks[path]


def ordered(findings: Iterable[Finding]) -> list[str]:
    """Complete lines, each once, in the order of the files."""
    return list(dict.fromkeys(str(f) for f in sorted(findings, key=lambda f: (f.mark, dotted(f.path)))))
