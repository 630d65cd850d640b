"""Text as the grounding guards see it: sentences, tokens, stems and numbers.

Written for English prose; other alphabets fall back to whole words, and Chinese, Japanese and Korean to characters.
"""

import re
from collections.abc import Iterator
from functools import lru_cache

from msgspec import Struct

# A decimal comma or point belongs to the number only between digits; CJK has no spaces, so each character stands alone.
_TOKEN = re.compile(
    r"[0-9]+(?:[.,][0-9]+)*|[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|%|[^\W\d_]+(?:['\u2019][^\W\d_]+)?|\d+"
)
_BOUNDARY = re.compile(r"(?<![.!?])[.!?]++[\"'\u201d\u2019)\]]*+(?=\s)|[\u3002\uff01\uff1f]+|\n+")
_LAST_WORD = re.compile(r"(\w[\w.]*)$")
_VOWEL = re.compile(r"[aeiouy]")


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ABBREVIATIONS = _set(
    "mr mrs ms dr prof st jr sr vs e.g i.e etc cf ca c approx no vol fig inc ltd corp co gen col lt sgt rev hon "
    "jan feb mar apr jun jul aug sep sept oct nov dec u.s u.k u.n a.m p.m ph.d"
)
FUNCTION_WORDS = _set(
    "a an the and or but if then else so as of at by for with about into through to from in on off over under up "
    "out down is am are was were be been being do does did doing have has had having will would shall should can "
    "could may might must it its itself he him his himself she her hers herself they them their theirs themselves "
    "this that these those there here who whom whose which what when where why how i me my mine myself we us our "
    "ours ourselves you your yours yourself yourselves not no nor n't don't doesn't didn't isn't aren't wasn't "
    "weren't can't cannot won't also too very just than such both each any some all more most own same s t re ve "
    "ll d m it's he's she's that's there's i'm i've i'd i'll you're they're we're yes yeah oh well okay ok lol et "
    "y n don doesn didn isn wasn aren weren couldn wouldn shouldn hasn haven hadn won ain because while during "
    "between after before however therefore thus hence although though since until upon per via"
)
# How answers speak of their passages: words that no passage needs to have.
DISCOURSE = _set(
    "based provided context passage passages document documents text excerpt according information mentioned "
    "states stated summary answer question following above below source sources"
)
_ASIDE = re.compile(
    r"\s*(?:i(?:'m| am) sorry|i hope (?:this|that|it) helps|let me know|feel free|please (?:let|feel)"
    r"|is there anything else|(?:sure|certainly|of course|you're welcome|thank you|thanks)\b[^.]{0,12}$)"
    r"|.{0,80}?\b(?:(?:does|do|did) ?n[o']t (?:mention|say|specify|provide|contain|state|include|address)"
    r"|(?:no|not enough|insufficient) information|cannot be (?:determined|answered)"
    r"|unable to (?:answer|determine|find))",
    re.IGNORECASE,
)
# An admission that goes on to claim something is no aside.
_TURN = re.compile(r"[0-9]|[;:]|\b(?:but|however|although|though|yet|because|since|and)\b", re.IGNORECASE)
NEGATIONS = _set("not no never none neither nor nobody nothing without cannot n't n unable fails failed")
_SPELLED = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty"
)
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_SPELLED.split())}
_NUMBER_WORDS |= {"thirty": "30", "forty": "40", "fifty": "50", "sixty": "60", "seventy": "70", "eighty": "80"}
_NUMBER_WORDS |= {"ninety": "90", "hundred": "100", "thousand": "1000", "dozen": "12"}
UNITS = {
    form: forms.split()[0]
    for forms in [
        "% percent",
        "km kilometer kilometers kilometre kilometres",
        "mile miles mi",
        "m meter meters metre metres",
        "foot feet ft",
        "kg kilogram kilograms",
        "pound pounds lb lbs",
        "ton tons tonne tonnes",
        "million m",
        "billion bn",
        "trillion",
        "dollar dollars usd",
        "euro euros eur",
        "year years",
        "month months",
        "week weeks",
        "day days",
        "hour hours",
        "minute minutes",
        "second seconds",
        "mph",
        "kmh",
        "mb",
        "gb",
        "tb",
        "degree degrees",
    ]
    for form in forms.split()
}
_LONGEST = 32  # longer words are not remembered, so that a text cannot fill the memory
_MONTHS = _set("january february april june july august september october november december")


class Token(Struct, frozen=True, gc=False):
    """A word or number: where it stands, lowercased, its stem, and whether it says anything (`content`)."""

    start: int
    raw: str
    word: str
    stem: str
    content: bool
    number: str | None


def stem(word: str) -> str:
    """The word, in lowercase, without its commonest English endings; lighter than Porter's."""
    if len(word) < 4:
        return word
    if word.endswith("ies") and len(word) > 4:
        word = word[:-3] + "y"
    elif word.endswith("sses"):
        word = word[:-2]
    elif word.endswith("s") and word[-2] not in "sui":
        word = word[:-1]
    for ending in ("ing", "ed", "er", "ly"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 3 and _VOWEL.search(rest):
            word = rest[:-1] if rest[-1] == rest[-2] and rest[-1] not in "lsz" else rest
            break
    for ending, instead in (
        ("ational", "ate"),
        ("ation", "ate"),
        ("ement", ""),
        ("ment", ""),
        ("ness", ""),
        ("ion", ""),
    ):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) >= 4:
            word = rest + instead
            break
    if word.endswith("e") and len(word) > 3:
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") and len(word) > 3 else word


def number(raw: str) -> str:
    """Digits in one spelling: `1,000.50` is `1000.5`, a decimal comma a point."""
    if raw.isdecimal():
        return raw.lstrip("0") or "0"
    if re.fullmatch(r"[0-9]{1,3}(?:,[0-9]{3})+(?:\.[0-9]+)?", raw):
        raw = raw.replace(",", "")
    elif raw.count(",") == 1 and "." not in raw:
        raw = raw.replace(",", ".")
    if raw.count(".") == 1 and "," not in raw:
        raw = raw.rstrip("0").rstrip(".")
    return raw.lstrip("0") or "0"


def _word(raw: str) -> tuple[str, str, bool, str | None]:
    return _known(raw) if len(raw) <= _LONGEST else _read(raw)


@lru_cache(maxsize=16384)
def _known(raw: str) -> tuple[str, str, bool, str | None]:
    return _read(raw)


def _read(raw: str) -> tuple[str, str, bool, str | None]:
    if raw[0].isdecimal():
        value = number(raw)
        return value, value, True, value
    word = raw.lower().replace("\u2019", "'")
    base = word.removesuffix("'s")
    if (spelled := _NUMBER_WORDS.get(base)) is not None:
        return word, spelled, word != "one", spelled
    content = word not in FUNCTION_WORDS and base not in FUNCTION_WORDS and word not in DISCOURSE and word != "%"
    return word, stem(base), content, None


def tokens(text: str) -> list[Token]:
    """The words and numbers of `text`, in order."""
    return [Token(m.start(), m[0], *_word(m[0])) for m in _TOKEN.finditer(text)]


def is_negation(word: str) -> bool:
    """Whether a lowercase word denies."""
    return word in NEGATIONS or word.endswith("n't")


def is_aside(sentence: str) -> bool:
    """Whether a sentence is a courtesy or admits that the passages do not say: neither can be unsupported."""
    return _ASIDE.match(sentence) is not None and _TURN.search(sentence) is None


def is_month(word: str) -> bool:
    """Whether a lowercase word is a month, of those that are nothing else."""
    return word in _MONTHS


def sentences(text: str) -> Iterator[tuple[int, int]]:
    """`(start, end)` of every sentence, trimmed. Line ends divide; abbreviations and initials do not."""
    start = 0
    for match in _BOUNDARY.finditer(text):
        if match[0].startswith(".") and _abbreviated(text, start, match.start()):
            continue
        yield from _trimmed(text, start, match.end())
        start = match.end()
    yield from _trimmed(text, start, len(text))


def _abbreviated(text: str, start: int, at: int) -> bool:
    word = _LAST_WORD.search(text, max(start, at - 12), at)
    if word is None:
        return False
    last = word[1]
    return (
        last.lower() in ABBREVIATIONS
        or (len(last) == 1 and last.isupper() and last != "I")
        or _is_item(text, start, at)
    )


def _is_item(text: str, start: int, at: int) -> bool:
    """`1.` at the start of a line numbers what follows."""
    return text[start:at].strip().isdecimal()


def _trimmed(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    piece = text[start:end]
    if stripped := piece.strip():
        start += piece.index(stripped)
        yield start, start + len(stripped)
