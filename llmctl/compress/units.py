"""A document as whole units: what may be left out, and what is never cut.

`blocks` finds paragraphs, passages, list items, transcript turns, headings, and code, JSON, tables and tags, which are
never cut; `sentences` divides what may be divided. Units cover the document without gap or overlap; the white
space after a unit belongs to it. All in linear time: a line is looked at a bounded number of times.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

from llmctl.model.json import UNDECODABLE, decode

Kind = Literal["prose", "passage", "item", "turn", "heading", "code", "json", "table", "frame"]

KEPT: frozenset[Kind] = frozenset({"code", "json", "frame"})
"""Kinds that are never left out either."""
DIVISIBLE: frozenset[Kind] = frozenset({"prose", "passage"})

OWN_PARAGRAPH = 120  # characters; text wrapped by an editor has shorter lines
MAX_HEADING = 80
MAX_JSON_SCANS = 8  # of the whole document; what only looks like JSON costs a scan
MIN_TURNS = 4
MAX_LINE_LOOKED_AT = 400  # of longer lines, patterns see the beginning

_FENCE = re.compile(r"[ ]{0,3}(`{3,}|~{3,})")
_TAG = re.compile(r"\s*+</?[A-Za-z][\w:.-]*+(?:\s[^<>]*+)?>\s*+$")
_HEADING = re.compile(r"[ ]{0,3}#{1,6}[ \t]|(?:Chapter|Section|Article|Part|Appendix)\s[\dIVXLC]{1,8}\b")
_UNDERLINE = re.compile(r"(?:={3,}|-{3,})\s*+$")
_ITEM = re.compile(r"[ \t]*+(?:[-*+•\u2013◦]\s|\(?\d{1,3}[.)]\s|\(?[a-z][.)]\s)")
_PASSAGE = re.compile(
    r"[ ]{0,3}(?:(?:Document|Doc|Passage|Source|Context|Result|Chunk|Snippet|Excerpt|Page)\s{0,2}"
    r"(?:[\[(#]{1,2}\d{1,4}[\])]?|\d{1,4}\b)|\[\d{1,4}\])(?:\s{0,2}\(Title:[^)\n]{0,200}\))?\s{0,2}[:.]?\s{0,2}",
    re.IGNORECASE,
)
_STAMP = r"\s*+(?:[\[(]?\d{1,2}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?[\])]?\s{0,3}(?:-\s{0,3})?)?"
_TURN = re.compile(
    _STAMP + r"(?:\*\*)?([A-Za-z][\w.'\u2019-]{0,24}(?: [\w.'\u2019&/-]{1,24}){0,4})(?: ?\([^)\n]{1,24}\))?"
    r"(?:\*\*)?\s?:(?:\*\*)?\s"
)
_CODE = re.compile(
    r".*[{};]\s*+$|\s*+(?://|/\*|\*/|#!|#include\b|@\w+$|\}|\]\s*,?$)"
    r"|\s*+(?:(?:async )?def|class|function|fn|func|pub|impl|struct|interface|enum|public|private|static)\s"
    r"[^.?!]*[({:]\s*+$"
    r"|\s*+import\s[\w.*{}, ]++(?:from\s\S++)?\s*+$|\s*+from\s[\w.]++\simport\s"
    r"|\s*+(?:using|package|require)\s[\w.:]++\s*+$"
    r"|\s*+(?:if|elif|else|for|while|with|try|except|finally|switch|case)\b[^?!]*:\s*+$"
    r"|\s*+(?:return|raise|yield|await|const|let|var|print|echo)\b[\s(][^?]*+$"
    r"|\s*+[A-Za-z_][\w.\[\]\"']*+\s?(?::\s?\w+\s?)?[-+*/|&]?=\s?\S|\s*+[\w.]++\([^)]*+\)\s*+$"
    r"|\s*+(?:SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|FROM|WHERE|JOIN|GROUP BY|ORDER BY)\s[^.?!]*+$|\s*+\$\s\w"
)
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+(?:"|$)|[{}\[\]]')
_NUMBERED = re.compile(r"[ ]*+\d++(?:\t|\u2192|: |\| |  )")
_INDENTED = ("  ", "\t")
_STOP = re.compile(r"[.!?…][\"'”\u2019)\]]{0,3}\s+|[\u3002\uff01\uff1f]\s*|\n+")  # the full-width ones of CJK too
_ABBREVIATION = re.compile(
    r"(?:\b(?:Mr|Mrs|Ms|Dr|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e|cf|al|No|Nos|Fig|Eq|Sec|Vol|pp?|Inc|Ltd|Co|Corp|Gen|Col|Lt|Sgt|"
    r"Rev|Hon|Gov|Sen|Rep|approx|ca|Jan|Feb|Mar|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)|\b[A-Za-z](?:\.[A-Za-z])*)\.\s*+$"
)


class Unit(NamedTuple):
    """`document[start:end]`, and what it is."""

    kind: Kind
    start: int
    end: int


class _Line(NamedTuple):
    start: int
    text: str
    blank: bool


Finder = Callable[[Sequence[_Line], int], int]
"""From the lines and the number of one to the number after the block that starts there, or the same if none does."""


class _Reader:
    """One pass over a document's lines."""

    def __init__(self, document: str) -> None:
        self._document = document
        self._lines = _lines(document)
        self._turns = _turns(self._lines)
        self._left = MAX_JSON_SCANS * len(document)
        self._finders: tuple[tuple[Kind, Finder], ...] = (
            ("code", _fenced),
            ("json", self._json),
            ("frame", _tag),
            ("table", _table),
            ("heading", _heading),
            ("passage", self._passage),
            ("item", self._item),
            ("code", _code),
        )

    def units(self) -> list[Unit]:
        """The document's blocks."""
        kinds: list[Kind] = []
        edges: list[int] = []
        at, total = 0, len(self._lines)
        while at < total:
            if self._lines[at].blank:
                at += 1
                continue
            edges.append(self._lines[at].start if edges else 0)
            kind, at = self._block(at)
            kinds.append(kind)
        edges.append(len(self._document))
        return list(map(Unit, kinds, edges, edges[1:]))

    def _block(self, at: int) -> tuple[Kind, int]:
        if at in self._turns:
            return "turn", self._turn(at)
        for kind, finder in self._finders:
            after = finder(self._lines, at)
            if after > at:
                return kind, after
        return "prose", self._paragraph(at)

    def _paragraph(self, at: int) -> int:
        """A paragraph ends at a blank line, before another kind of block, and after a line too long to be wrapped."""
        lines = self._lines
        if len(lines[at].text) > OWN_PARAGRAPH:
            return at + 1
        at += 1
        while at < len(lines) and not lines[at].blank and not self._begins(at):
            if len(lines[at].text) > OWN_PARAGRAPH:
                break
            at += 1
        return at

    def _begins(self, at: int) -> bool:
        if at in self._turns:
            return True
        text = self._lines[at].text[:MAX_LINE_LOOKED_AT]
        first = text.lstrip()[:1]
        if first in "`~<#":
            return bool(_FENCE.match(text) or _TAG.match(text) or _HEADING.match(text))
        if first in "{[" and self._json(self._lines, at) > at:
            return True
        if _ITEM.match(text) or _PASSAGE.match(text) or _table(self._lines, at) > at:
            return True
        return _code(self._lines, at) > at

    def _json(self, lines: Sequence[_Line], at: int) -> int:
        text = lines[at].text
        if text.lstrip()[:1] not in ("{", "[") or _PASSAGE.match(text[:MAX_LINE_LOOKED_AT]):
            return at
        if self._left <= 0:
            return len(lines)  # too much that only looks like JSON: the rest is not cut
        end = _balanced(lines, at)
        after = lines[end].start if end < len(lines) else len(self._document)
        self._left -= after - lines[at].start
        if end == at:
            self._left -= len(self._document) - lines[at].start
            return at
        try:
            decode(self._document[lines[at].start : after])
        except (*UNDECODABLE, UnicodeEncodeError):
            return at
        return end

    def _turn(self, at: int) -> int:
        lines = self._lines
        at += 1
        while at < len(lines) and not lines[at].blank and not self._begins(at):
            at += 1
        return at

    def _passage(self, lines: Sequence[_Line], at: int) -> int:
        text = lines[at].text
        return self._paragraph(at) if _PASSAGE.match(text[:MAX_LINE_LOOKED_AT]) else at

    def _item(self, lines: Sequence[_Line], at: int) -> int:
        if not _ITEM.match(lines[at].text[:MAX_LINE_LOOKED_AT]):
            return at
        at += 1
        while at < len(lines) and not lines[at].blank and not self._begins(at):
            at += 1
        # An indented paragraph after a blank line still belongs to the item.
        while at + 1 < len(lines) and lines[at].blank and lines[at + 1].text.startswith(("   ", "\t")):
            if self._begins(at + 1):
                break
            at += 1
            while at < len(lines) and not lines[at].blank and not self._begins(at):
                at += 1
        return at


def blocks(document: str) -> list[Unit]:
    """The blocks of a document, in order. Empty for white space alone."""
    return _Reader(document).units()


def sentences(document: str, block: Unit) -> list[Unit]:
    """What a block may be divided into: sentences, or the lines of a paragraph that is not wrapped text.

    The label of a retrieved passage (`Document [3](Title: …)`) is a heading of its own. A kind that is not divisible
    comes back whole.
    """
    if block.kind not in DIVISIBLE:
        return [block]
    text = document[block.start : block.end]
    label = _PASSAGE.match(text) if block.kind == "passage" else None
    lines = text.rstrip().split("\n")
    longest = max(map(len, lines))
    wrapped = all(len(line) >= 0.6 * longest for line in lines[:-1])
    lead, filled = len(text) - len(text.lstrip()), len(text.rstrip())
    cuts = [label.end()] if label and label.end() < filled else []
    for stop in _STOP.finditer(text, cuts[0] if cuts else 0):
        if stop.end() >= filled or stop.start() <= lead:
            continue
        newline = stop[0].startswith("\n")
        if newline and wrapped:
            continue
        shortened = _ABBREVIATION.search(text, max(0, stop.start() - 12), stop.end())
        if not newline and (shortened or text[stop.end()].islower()):
            continue
        cuts.append(stop.end())
    edges = sorted({0, *cuts, len(text)})
    found = [Unit(block.kind, block.start + start, block.start + end) for start, end in pairwise(edges)]
    if cuts and label:
        found[0] = found[0]._replace(kind="heading")
    return found


def is_code(document: str, found: Sequence[Unit] | None = None) -> bool:
    """Whether a document is code and what belongs to it: a third or more, a numbered listing, a diff, docstrings.

    `found` are its blocks where they are known.
    """
    lines = [line for line in document.split("\n") if line.strip()]
    if 2 * sum(1 for line in lines if _NUMBERED.match(line)) > len(lines) > 1:
        return True
    if any(line.startswith(("diff --git ", "@@ -", "Index: ")) for line in lines):
        return True
    code = sum(unit.end - unit.start for unit in (blocks(document) if found is None else found) if unit.kind == "code")
    return 3 * code >= len(document) > 0 or (code > 0 and any(mark in document for mark in ('"""', "'''", "/**")))


def _lines(document: str) -> list[_Line]:
    found, start = [], 0
    for text in document.split("\n"):
        found.append(_Line(start, text, not text or text.isspace()))
        start += len(text) + 1
    return found


def _turns(lines: Sequence[_Line]) -> frozenset[int]:
    """The numbers of the lines where somebody begins to speak, if this is a dialogue.

    It is one if most lines say who speaks, and the names come again; the keys of a list of facts do not.
    """
    names: dict[int, str] = {}
    filled = 0
    for at, line in enumerate(lines):
        if not line.blank:
            filled += 1
            if match := _TURN.match(line.text[:MAX_LINE_LOOKED_AT]):
                names[at] = match[1]
    dialogue = len(names) >= MIN_TURNS and 2 * len(names) >= filled and 2 * len(set(names.values())) <= len(names)
    return frozenset(names) if dialogue else frozenset()


def _fenced(lines: Sequence[_Line], at: int) -> int:
    opened = _FENCE.match(lines[at].text[:MAX_LINE_LOOKED_AT])
    if not opened:
        return at
    at += 1
    while at < len(lines):
        at += 1
        text = lines[at - 1].text.strip()
        if text.startswith(opened[1]) and not text.strip(opened[1][0]):
            break
    return at


def _tag(lines: Sequence[_Line], at: int) -> int:
    text = lines[at].text
    return at + 1 if text.lstrip()[:1] == "<" and _TAG.match(text[: 4 * MAX_LINE_LOOKED_AT]) else at


def _heading(lines: Sequence[_Line], at: int) -> int:
    text = lines[at].text.strip()
    if not text or len(text) > MAX_HEADING:
        return at
    if at + 1 < len(lines) and _UNDERLINE.match(lines[at + 1].text[:MAX_LINE_LOOKED_AT]):
        return at + 2
    label = _PASSAGE.match(text)
    if _HEADING.match(text) or (label and not text.endswith((".", "!", "?"))):
        return at + 1
    return at


def _table(lines: Sequence[_Line], at: int) -> int:
    """Lines divided by bars or tabs (two at least) or by the same number of commas (three at least)."""
    for mark, least, rows in (("|", 2, 2), ("\t", 1, 2), (",", 2, 3)):
        columns = lines[at].text.strip().count(mark)
        if columns < least:
            continue
        after = at
        while after < len(lines) and _row(lines[after].text, mark, columns):
            after += 1
        if after - at >= rows:
            return after
    return at


def _row(text: str, mark: str, columns: int) -> bool:
    text = text.strip()
    if mark == ",":
        return text.count(mark) == columns and text[-1:] not in ".!?;" and ", " not in text
    return text.count(mark) == columns if mark == "\t" else text.count(mark) >= 2


def _code(lines: Sequence[_Line], at: int) -> int:
    """Two lines or more that look like code, with what is indented among them; or all that is indented by four."""
    if (at == 0 or lines[at - 1].blank) and lines[at].text.startswith(("    ", "\t")):
        return _run(lines, at, ("    ", "\t"))[0]
    if not _CODE.match(lines[at].text[:MAX_LINE_LOOKED_AT]):
        return at
    after, looks = _run(lines, at, _INDENTED)
    return after if looks > 1 or lines[at].text.rstrip().endswith((";", "{")) else at


def _run(lines: Sequence[_Line], at: int, margin: tuple[str, ...]) -> tuple[int, int]:
    """Where the run of code ends that begins at `at`, and how many of its lines look like code.

    Blank lines are within it where what follows is indented.
    """
    after, looks = at, 0
    for number in range(at, len(lines)):
        text = lines[number].text[:MAX_LINE_LOOKED_AT]
        if lines[number].blank:
            continue
        found = bool(_CODE.match(text))
        if not text.startswith(margin) and (not found or (number > after and number > at)):
            break
        after, looks = number + 1, looks + found
    return after, looks


def _balanced(lines: Sequence[_Line], at: int) -> int:
    """The number after the line where the brackets opened in line `at` are closed; `at` where they never are."""
    depth = 0
    for number in range(at, len(lines)):
        for mark in _BRACKETS.findall(lines[number].text):
            if mark in "{[":
                depth += 1
            elif mark in "}]":
                depth -= 1
        if depth <= 0:
            return number + 1
    return at
