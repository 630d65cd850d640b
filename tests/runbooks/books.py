"""A runbook as data: front matter, sections, steps, links. See runbooks/README.md."""

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent.parent
RUNBOOKS = ROOT / "runbooks"
SECTIONS = ["Meaning", "Impact", "Diagnosis", "Mitigation", "Verification", "Rollback"]

_FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n`]*)\n(?P<text>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)
_CODE = re.compile(r"`([^`\n]+)`")
_SEPARATORS = {"|", "||", "&&", ";", "&", "\n"}


@dataclass(frozen=True)
class Step:
    """A fenced block. `attributes` are those of its info string."""

    language: str
    attributes: Mapping[str, str]
    text: str

    @property
    def id(self) -> str:
        """Its name within its file."""
        return self.attributes.get("id", "")

    @property
    def run(self) -> str:
        """What runs it: `llmctl`, `http`, `promql`, `shell` or `edit`."""
        return self.attributes.get("run", "")

    @property
    def mutates(self) -> bool:
        """Whether it changes anything."""
        return self.attributes.get("mutates") == "true"

    @property
    def commands(self) -> list[list[str]]:
        """The simple commands of a shell script, as words; redirections are among them."""
        lexer = shlex.shlex(self.text.replace("&&\n", "&& "), posix=True, punctuation_chars="|&;\n")
        lexer.whitespace, lexer.whitespace_split = " \t", True
        found: list[list[str]] = [[]]
        for word in lexer:
            if set(word) <= {"|", "&", ";", "\n"}:
                found.append([])
            else:
                found[-1].append(word)
        return [words for words in found if words]


@dataclass(frozen=True)
class Book:
    """A runbook."""

    path: Path
    front: Mapping[str, Any]
    body: str

    @property
    def steps(self) -> list[Step]:
        """All of them, in order."""
        return [_step(match["info"], match["text"]) for match in _FENCE.finditer(self.body) if not match["indent"]]

    @property
    def prose(self) -> str:
        """All but the steps."""
        return _FENCE.sub("", self.body)

    @property
    def sections(self) -> list[str]:
        """The second headings, in order."""
        return [title for level, title in _HEADING.findall(self.prose) if len(level) == 2]

    @property
    def anchors(self) -> set[str]:
        """What links may end in, as GitHub makes it of headings."""
        titles = (title for _, title in _HEADING.findall(self.prose))
        return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}

    @property
    def links(self) -> list[str]:
        """Targets, as written."""
        return _LINK.findall(self.prose)

    @property
    def codes(self) -> Iterator[str]:
        """What stands in backticks within the prose."""
        yield from _CODE.findall(self.prose)


def read(path: Path, text: str | None = None) -> Book:
    """A runbook, or its README, which has no front matter. With `text` that, as if it stood there."""
    text = path.read_text(encoding="utf-8") if text is None else text
    if text.startswith("---\n"):
        front, _, body = text.removeprefix("---\n").partition("\n---\n")
        return Book(path, yaml.safe_load(front), body)
    return Book(path, {}, text)


def runbooks() -> list[Book]:
    """All that there are, without the README."""
    return [read(path) for path in sorted(RUNBOOKS.glob("*.md")) if path.name != "README.md"]


def _step(info: str, text: str) -> Step:
    language, _, rest = info.partition(" ")
    inside = rest.removeprefix("{").removesuffix("}")
    return Step(language, dict(pair.partition("=")[::2] for pair in inside.split()), text)
