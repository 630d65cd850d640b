"""What an answer cites: markers, quotations and addresses; and the sources they can mean."""

import re
import unicodedata
from collections.abc import Iterator, Sequence

from msgspec import Struct

_KIND = r"(?:doc(?:ument)?|source|src|ref(?:erence)?|passage|chunk|context|snippet|article|page|id|footnote)"
_LABEL = rf"{_KIND}[-_ #:]{{0,2}}\w{{1,12}}(?:[-_.]\w{{1,12}}){{0,3}}"
_NUMBERS = r"\d{1,4}(?:\s{0,2}[-\u2013,;]\s{0,2}\d{1,4}){0,15}"
_BRACKET = re.compile(
    r"[\[\u3010]\s{0,3}(\^?[^\[\]\u3010\u3011\n]{1,80}?)\s{0,3}[\]\u3011]|\(\s{0,3}([^()\n]{1,80}?)\s{0,3}\)"
)
_SUPERSCRIPT = re.compile(r"[\u00b9\u00b2\u00b3\u2070-\u2079]{1,4}")
_SUPERSCRIPTS = str.maketrans("\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079", "0123456789")
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`", re.DOTALL)
_URL = re.compile(r"https?://[^\s<>\"'\u201c\u201d\[\]{}|\\^`]+")
# A quotation may run over a line end, not over an empty line.
_LINE = r"\n(?!\s*\n)"
_QUOTE = re.compile(
    rf"(?<![\w\"])\"(?=\S)((?:[^\"\n]|{_LINE}){{1,2000}}?)(?<=\S)\"(?![\w\"])"
    rf"|[\u201c\u201e]((?:[^\u201c\u201d\u201e\n]|{_LINE}){{1,2000}})[\u201d\u201c]"
    rf"|\u00ab((?:[^\u00ab\u00bb\n]|{_LINE}){{1,2000}})\u00bb|\u300c((?:[^\u300c\u300d\n]|{_LINE}){{1,2000}})\u300d"
)
_SINGLE = re.compile(
    r"(?<!\w)'(?=\w)((?:[^'\n]|(?<=\w)'(?=\w)){1,500}?)(?<=[\w.,!?])'(?!\w)"
    r"|\u2018((?:[^\u2018\u2019\n]|(?<=\w)\u2019(?=\w)){1,500})\u2019(?!\w)"
)
_SINGLE_WORDS = 3  # fewer in single quotes are rather apostrophes, terms and titles
_DECLARED = re.compile(
    rf"^[ \t]*(?:[\[\u3010(]\s?(\d{{1,4}}|{_LABEL})\s?[\]\u3011)]|({_LABEL})(?=[:.]\s))", re.M | re.I
)
_PLAIN = str.maketrans("\u2018\u2019\u201a\u201c\u201d\u201e\u00ab\u00bb\u2013\u2014\u2212", '\'\'\'"""""---')
_GAP = re.compile(r"\[[^\[\]]{0,80}\]|\.\.\.+|\u2026")


class Marker(Struct, frozen=True, gc=False):
    """A citation in the text: `keys` are the sources it names, each as `Sources.find` takes it."""

    start: int
    end: int
    keys: tuple[str, ...]


class Quotation(Struct, frozen=True, gc=False):
    """Words in quotation marks; `start` and `end` include the marks."""

    start: int
    end: int
    words: str


def mask(text: str) -> str:
    """`text` with code blanked out, of the same length: an index in brackets is no citation."""
    return _CODE.sub(lambda match: " " * len(match[0]), text)


def markers(text: str, ids: frozenset[str] = frozenset()) -> Iterator[Marker]:
    """Markers like [1], [2, 3], [1-3], [^1], (doc-2), \u30103\u2020x\u3011, \u00b2, `ids` in brackets."""
    for match in _BRACKET.finditer(text):
        inner = (match[1] or match[2]).split("\u2020")[0].strip()
        if keys := _keys(inner, match[1] is not None, ids):
            yield Marker(match.start(), match.end(), keys)
    for match in _SUPERSCRIPT.finditer(text):
        before = text[match.start() - 1 : match.start()]
        # Behind a sentence's end it is a footnote; behind a unit or a figure (m\u00b2) it is a power.
        if before in tuple(".,;!?)\"'\u201d\u2019"):
            yield Marker(match.start(), match.end(), (match[0].translate(_SUPERSCRIPTS),))


def _keys(inner: str, square: bool, ids: frozenset[str]) -> tuple[str, ...]:
    if inner.casefold() in ids:
        return (inner,)
    if square and re.fullmatch(_NUMBERS, inner):
        return tuple(_expanded(inner))
    if square and inner.startswith("^") and re.fullmatch(r"\^\w{1,20}", inner):
        return (inner[1:],)
    parts = [part.strip() for part in re.split(r"[,;]", inner)]
    if all((re.fullmatch(_LABEL, part, re.IGNORECASE) and _is_id(part)) or part.casefold() in ids for part in parts):
        return tuple(parts)
    return ()


def _is_id(label: str) -> bool:
    """`doc-2` and `source a` are names of sources, `page layout` is prose."""
    rest = re.sub(rf"^{_KIND}", "", label, flags=re.IGNORECASE)
    return any(letter.isdigit() for letter in rest) or len(rest.strip("-_ #:")) == 1


def _expanded(numbers: str) -> Iterator[str]:
    for part in re.split(r"[,;]", numbers):
        ends = [end.strip() for end in re.split(r"[-\u2013]", part)]
        first, last = int(ends[0]), int(ends[-1])
        if len(ends) > 1 and 0 <= last - first <= 50:
            yield from map(str, range(first, last + 1))
        else:
            yield from (str(int(end)) for end in ends)


def urls(text: str) -> Iterator[tuple[int, int, str]]:
    """Web addresses with their place, in one spelling."""
    for match in _URL.finditer(text):
        raw = match[0].rstrip(".,;:!?*_")
        while raw.endswith(")") and raw.count(")") > raw.count("("):
            raw = raw[:-1].rstrip(".,;:!?*_")
        scheme, _, rest = raw.partition("://")
        host, slash, path = rest.partition("/")
        yield match.start(), match.start() + len(raw), f"{host.lower()}{slash}{path}".rstrip("/") or scheme


def quotations(text: str) -> Iterator[Quotation]:
    """What stands in quotation marks of any style; in single ones from three words on."""
    for pattern, least in ((_QUOTE, 1), (_SINGLE, _SINGLE_WORDS)):
        for match in pattern.finditer(text):
            words = next(group for group in match.groups() if group is not None)
            if any(letter.isalnum() for letter in words) and len(words.split()) >= least:
                yield Quotation(match.start(), match.end(), words)


def normal(text: str) -> str:
    """One spelling of quotes, dashes, blanks, case and compatibility characters."""
    return " ".join(unicodedata.normalize("NFKC", text).translate(_PLAIN).casefold().split())


def quoted_in(words: str, source: str) -> bool:
    """Whether `source`, in its `normal` spelling, has these words; an ellipsis or [insertion] stands for anything."""
    at = 0
    for piece in _GAP.split(words):
        part = normal(piece).strip(" .,;:!?\"'")
        if not part:
            continue
        at = _find(part, source, at)
        if at < 0:
            return False
        at += len(part)
    return True


def _find(part: str, source: str, at: int) -> int:
    """Where `part` stands as whole words (and whole numbers) from `at` on, or -1."""
    at = source.find(part, at)
    while at >= 0:
        before, after = source[at - 1 : at] if at else "", source[at + len(part) : at + len(part) + 2]
        joined = (before.isalnum() and part[0].isalnum()) or (after[:1].isalnum() and part[-1].isalnum())
        figure = part[-1].isdigit() and after[:1] in (".", ",") and after[1:].isdigit()
        figure = figure or (part[0].isdigit() and before in (".", ",") and source[at - 2 : at - 1].isdigit())
        if not joined and not figure:
            return at
        at = source.find(part, at + 1)
    return -1


class Sources:
    """The passages by every name they go by.

    A passage may itself carry labels at line starts (`[1] ...`, `doc-7: ...`); those then name the parts that follow
    them. Otherwise passages are numbered from 1, and `ids` name them in order.
    """

    def __init__(self, passages: Sequence[str], ids: Sequence[str] = ()) -> None:
        self.texts: list[str] = []
        self._names: dict[str, int] = {}
        self._urls = {url for passage in passages for _, _, url in urls(passage)}
        self._urls |= {url for name in ids for _, _, url in urls(name)}
        self._normal: dict[int, str] = {}
        numbered = False
        for passage in passages:
            found = list(_DECLARED.finditer(passage))
            for match, following in zip(found, [*found[1:], None], strict=False):
                label = (match[1] or match[2]).strip()
                numbered = numbered or label.isdecimal()
                self._named(label, passage[match.end() : following.start() if following else len(passage)])
        self._strict = bool(ids)
        for index, passage in enumerate(passages):
            if not numbered:
                self._named(str(index + 1), passage)
            if index < len(ids):
                self._named(ids[index], passage)

    def _named(self, name: str, passage: str) -> None:
        self.texts.append(passage)
        self._names.setdefault(_canonical(name), len(self.texts) - 1)

    def find(self, key: str) -> int | None:
        """The index in `texts` of what a marker's key names, or None. `doc-2` may be passage 2."""
        name = _canonical(key)
        if name in self._names or self._strict:
            return self._names.get(name)
        bare = re.sub(rf"^{_KIND}", "", name, flags=re.IGNORECASE)
        return self._names.get(bare.lstrip("0") or bare) if bare.isdecimal() else None

    def has_url(self, url: str) -> bool:
        """Whether any passage or id has this address, as `urls` spells it."""
        return url in self._urls

    def spelled(self, index: int) -> str:
        """The `normal` spelling of a text."""
        if index not in self._normal:
            self._normal[index] = normal(self.texts[index])
        return self._normal[index]


def _canonical(name: str) -> str:
    return re.sub(r"[-_ #:]+", "", name.casefold())
