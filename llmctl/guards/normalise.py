"""Undoes what hides text from a judge: invisible characters, look-alikes, spacing, encodings.

`normalise` gives the text as a reader sees it, with the way back to places in the original. `variants` gives what
decodes from parts of it, to be judged again; nothing is replaced, so a wrong guess costs a scan and nothing else.
Everything is linear in the text, and clean ASCII passes in about 2 µs.
"""

import base64
import binascii
import codecs
import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any
from urllib.parse import unquote_to_bytes

import re2
from msgspec import Struct

MAX_VARIANTS = 16
MAX_MARKS = 2

# Letters that are drawn like Latin ones. Folded only in words that mix scripts, or the Russian would be nonsense.
CONFUSABLES = {
    "\u0430": "a", "\u0432": "b", "\u0441": "c", "\u0501": "d", "\u0435": "e", "\u0451": "e", "\u04bb": "h",
    "\u0456": "i", "\u0457": "i", "\u0458": "j", "\u043a": "k", "\u04cf": "l", "\u043c": "m", "\u043d": "h",
    "\u043e": "o", "\u0440": "p", "\u051b": "q", "\u0455": "s", "\u0442": "t", "\u0443": "y", "\u0445": "x",
    "\u0475": "v", "\u051d": "w", "\u0410": "A", "\u0412": "B", "\u0421": "C", "\u0415": "E", "\u041d": "H",
    "\u0406": "I", "\u0408": "J", "\u041a": "K", "\u041c": "M", "\u041e": "O", "\u0420": "P", "\u0405": "S",
    "\u0422": "T", "\u0425": "X", "\u0423": "Y", "\u0433": "r", "\u043f": "n",
    "\u03b1": "a", "\u03b2": "b", "\u03b5": "e", "\u03b7": "n", "\u03b9": "i", "\u03ba": "k", "\u03bd": "v",
    "\u03bf": "o", "\u03c1": "p", "\u03c3": "o", "\u03c4": "t", "\u03c5": "u", "\u03c7": "x", "\u03c9": "w",
    "\u03b3": "y", "\u0391": "A", "\u0392": "B", "\u0395": "E", "\u0396": "Z", "\u0397": "H", "\u0399": "I",
    "\u039a": "K", "\u039c": "M", "\u039d": "N", "\u039f": "O", "\u03a1": "P", "\u03a4": "T", "\u03a5": "Y",
    "\u03a7": "X", "\u0261": "g", "\u0131": "i", "\u0269": "i", "\u1d00": "a", "\u1d04": "c", "\u1d07": "e",
    "\u0262": "g", "\u026a": "i", "\u0274": "n", "\u1d0f": "o", "\u0280": "r", "\u1d1b": "t", "\u1d1c": "u",
    "\u029f": "l", "\u1d18": "p", "\u1d0d": "m", "\u1d05": "d", "\u1d20": "v", "\u028f": "y", "\ua731": "s",
}  # fmt: skip
LEET = str.maketrans("0134578@$!|", "oieastbasil")

INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\U000e0000-\U000e0fff]"
)
SURROGATES = re.compile("[\ud800-\udfff]")
JOINERS = re.compile("[\u0900-\u0dff\u0600-\u06ff\U0001f000-\U0001faff]")  # where U+200C and U+200D are spelling
TAGS = re.compile("[\U000e0020-\U000e007e]{2,}")
CLUSTER = re.compile("[^\u0300-\u036f][\u0300-\u036f]*|[\u0300-\u036f]+")
WORD = re.compile(r"[^\W\d_]+")
LOOK_ALIKE = re.compile("[" + "".join(CONFUSABLES) + "]")
LATIN = re.compile("[A-Za-z]")

BASE64 = re.compile(r"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{16,}={0,2}")
HEX = re.compile(r"(?<![0-9A-Za-z])(?:0x)?(?:(?:[0-9A-Fa-f]{2}){10,}|(?:(?:\\x|0x)?[0-9A-Fa-f]{2}[ ,:]?){10,})")
URL = re.compile(r"(?:%[0-9A-Fa-f]{2}|[A-Za-z0-9_.~+-])*(?:%[0-9A-Fa-f]{2})(?:%[0-9A-Fa-f]{2}|[A-Za-z0-9_.~+-])*")
ESCAPES = re.compile(r"(?:\\u[0-9A-Fa-f]{4}|&#x?[0-9A-Fa-f]{2,6};){3,}[^\n]{0,400}")
SPACED = re.compile(r"(?<!\w)\w(?:[ .*_|\-]{1,3}\w(?!\w)){4,}")
LEETWORDS = re.compile(
    r"(?<!\w)(?=[0-9@$!|]{0,3}[A-Za-z])[A-Za-z0-9@$!|]*[A-Za-z][0134578@$!|]+[A-Za-z][A-Za-z0-9@$!|]*"
)

HINTS = (
    ("base64", r"[A-Za-z0-9+/_-]{16}"),
    ("hex", r"(?:(?:\\x|0x)?[0-9A-Fa-f]{2}[ ,:]?){10}"),
    ("url", r"%[0-9A-Fa-f]{2}[^%\s]{0,20}%[0-9A-Fa-f]{2}"),
    ("escapes", r"(?i)(?:\\u[0-9a-f]{4}|&#x?[0-9a-f]{2,6};){3}"),
    ("spaced", r"(?:\pL[ .*_|\-]{1,3}){4}\pL"),
    ("leet", r"[A-Za-z][0134578@$!|]+[A-Za-z]"),
    ("rot13", r"(?i)\b(?:vtaber|qvfertneq|sbetrg|cerivbhf|vafgehpgvbaf?|flfgrz|cebzcg|ehyrf|erirny|bireevqr|olcnff)\b"),
    (
        "reversed",
        r"(?i)\b(?:erongi|dragersid|tegrof|suoiverp|snoitcurtsni|metsys|tpmorp|selur|laever|edirrevo|ssapyb)\b",
    ),
)


class Normalised(Struct, frozen=True, gc=False):
    """`text` as a reader sees it; `offsets[i]` is where its character i began, and the last is the original's length.

    None stands for no change.
    """

    text: str
    offsets: tuple[int, ...] | None = None

    def original(self, start: int, end: int) -> tuple[int, int]:
        """The place in the original of a place in `text`."""
        if self.offsets is None:
            return start, end
        return self.offsets[start], self.offsets[end]


class Variant(Struct, frozen=True, gc=False):
    """A part of a text, decoded. `start` and `end` say where the part stands in what `variants` was given."""

    kind: str
    text: str
    start: int
    end: int


def normalise(text: str) -> Normalised:
    """NFKC, without invisible characters and piled-up marks, look-alikes in mixed words folded to Latin."""
    if text.isascii():
        return Normalised(text)
    text = SURROGATES.sub("\ufffd", text)  # which no encoder takes
    strip = INVISIBLE.search(text) is not None
    marks = not unicodedata.is_normalized("NFKC", text) or re.search("[\u0300-\u036f]", text) is not None
    offsets: tuple[int, ...] | None = None
    if strip or marks:
        pieces, places = [], []
        for piece, place in clusters(text):
            pieces.append(piece)
            places += [place] * len(piece)
        places.append(len(text))
        text, offsets = "".join(pieces), tuple(places)
    return Normalised(fold(text), offsets)


def clusters(text: str) -> Iterator[tuple[str, int]]:
    """Each character with its marks, in NFKC and visible, and where it began."""
    keep_joiners = JOINERS.search(text) is not None
    for match in CLUSTER.finditer(text):
        cluster = match[0]
        if INVISIBLE.match(cluster) and not (keep_joiners and cluster[0] in "\u200c\u200d"):
            continue
        composed = cluster if cluster.isascii() else unicodedata.normalize("NFKC", cluster[: MAX_MARKS + 1])
        if len(cluster) > 1 and cluster[0].isascii():
            composed = composed[0]
        yield composed, match.start()


def fold(text: str) -> str:
    """Look-alikes as Latin letters, in words that mix them with Latin or stand in Latin text; one for one."""
    if not LOOK_ALIKE.search(text):
        return text
    latin_text = len(LATIN.findall(text)) * 2 > sum(map(str.isalpha, text))

    def folded(match: re.Match[str]) -> str:
        word = match[0]
        if LATIN.search(word) or (latin_text and all(letter in CONFUSABLES for letter in word)):
            return "".join(CONFUSABLES.get(letter, letter) for letter in word)
        return word

    return WORD.sub(folded, text)


@cache
def hints() -> Any:
    """The compiled set of HINTS. One scan says which decoders are worth running."""
    found = re2.Set.SearchSet()
    for _, pattern in HINTS:
        found.Add(pattern)
    found.Compile()
    return found


def variants(text: str, kinds: Iterable[int] | None = None) -> list[Variant]:
    """What decodes from parts of `text`, MAX_VARIANTS at most; empty for nearly every honest text.

    `kinds` are the numbers of the HINTS that were found, where a caller has looked for them.
    """
    found: list[Variant] = []
    for index in sorted(hints().Match(text) or () if kinds is None else kinds):  # None for no match
        kind = HINTS[index][0]
        found += DECODERS[kind](text)
    return found[:MAX_VARIANTS]


def hidden(text: str) -> list[Variant]:
    """What is written in tag characters, which nobody sees and models read. For the text before `normalise`."""
    if text.isascii():
        return []
    return [
        Variant("tags", "".join(chr(ord(c) - 0xE0000) for c in match[0]), match.start(), match.end())
        for match in TAGS.finditer(text)
    ][:MAX_VARIANTS]


def readable(raw: bytes) -> str:
    """The bytes as text, or an empty string where they are not somebody's words."""
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return ""
    good = sum(c.isalpha() or c in " .,'!?:\n" for c in text)
    return text if len(text) >= 8 and good >= 0.8 * len(text) else ""


def base64_parts(text: str) -> list[Variant]:
    """Runs of base64 (also URL-safe, also without padding) that decode to words; nested once."""
    found = []
    for match in BASE64.finditer(text):
        run = match[0].rstrip("=").replace("-", "+").replace("_", "/")
        try:
            inner = readable(base64.b64decode(run[: len(run) - (len(run) % 4 == 1)] + "==", validate=False))
        except (binascii.Error, ValueError):
            continue
        if inner:
            again = BASE64.fullmatch(inner.strip())
            deeper = base64_parts(inner.strip())[:1] if again and len(inner) < len(text) else []
            found.append(Variant("base64", deeper[0].text if deeper else inner, match.start(), match.end()))
    return found


def hex_parts(text: str) -> list[Variant]:
    """Runs of two-digit hexadecimal numbers that decode to words."""
    found = []
    for match in HEX.finditer(text):
        digits = re.sub(r"\\x|0x|[ ,:]", "", match[0])
        if inner := readable(bytes.fromhex(digits[: len(digits) // 2 * 2])):
            found.append(Variant("hex", inner, match.start(), match.end()))
    return found


def url_parts(text: str) -> list[Variant]:
    """Words in percent-encoding."""
    return [
        Variant("url", inner, match.start(), match.end())
        for match in URL.finditer(text)
        if match[0].count("%") >= 2 and (inner := readable(unquote_to_bytes(match[0].replace("+", " "))))
    ]


def escape_parts(text: str) -> list[Variant]:
    """Runs of JSON or HTML escapes, and the line after them."""
    found = []
    for match in ESCAPES.finditer(text):
        inner = re.sub(r"\\u([0-9A-Fa-f]{4})", lambda m: character(int(m[1], 16)), match[0])
        inner = re.sub(r"&#x([0-9A-Fa-f]{2,6});", lambda m: character(int(m[1], 16)), inner)
        inner = re.sub(r"&#([0-9]{2,6});", lambda m: character(int(m[1])), inner)
        found.append(Variant("escapes", inner, match.start(), match.end()))
    return found


def character(code: int) -> str:
    """The character of a number; a space for surrogates and what is beyond Unicode."""
    return chr(code) if code < 0xD800 or 0xE000 <= code <= 0x10FFFF else " "


def spaced_parts(text: str) -> list[Variant]:
    """Words written with gaps between the letters, without the gaps; two spaces or more part words."""
    found = []
    for match in SPACED.finditer(text):
        words = re.split(r" {2,}| ?\| ?| - ", match[0])
        inner = " ".join(re.sub(r"[ .*_|\-]", "", word) for word in words)
        found.append(Variant("spaced", inner, match.start(), match.end()))
    if len(found) > 1:  # words apart by more than the gap within them
        found.append(Variant("spaced", " ".join(v.text for v in found), found[0].start, found[-1].end))
    return found


def leet_parts(text: str) -> list[Variant]:
    """The whole text with digits and signs within words as the letters they stand for, if several words have them."""
    if len(LEETWORDS.findall(text)) < 2:
        return []
    inner = re.sub(r"[^\s]*[A-Za-z][^\s]*", lambda m: m[0].translate(LEET), text)
    return [Variant("leet", inner, 0, len(text))]


def rot13_parts(text: str) -> list[Variant]:
    """The whole text, rotated."""
    return [Variant("rot13", codecs.encode(text, "rot13"), 0, len(text))]


def reversed_parts(text: str) -> list[Variant]:
    """The whole text from its end."""
    return [Variant("reversed", text[::-1], 0, len(text))]


DECODERS = {
    "base64": base64_parts,
    "hex": hex_parts,
    "url": url_parts,
    "escapes": escape_parts,
    "spaced": spaced_parts,
    "leet": leet_parts,
    "rot13": rot13_parts,
    "reversed": reversed_parts,
}
