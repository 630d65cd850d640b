"""The answer in a model's text, in a form in which two models' answers can be compared: for cascades.

Four kinds. `number`: 42 is 42.0, $1,234 is 1234, 50% is 50, \\frac{3}{4} is 3/4; of an expression, its text. `label`:
one of a few words or letters. `json`: a value, whatever its spacing and the order of its keys. `code`: what a Python
literal or program says, whatever its quotes, spacing and comments. The answer is looked for where prompts ask for it:
the field "answer" of a JSON object, \\boxed{}, after ####, a fenced block, the words "answer is"; and where none of
these is, at the end of the text. Nothing is run.
"""

import ast
import json
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from typing import Literal

Kind = Literal["number", "label", "json", "code"]
KINDS: tuple[Kind, ...] = ("number", "label", "json", "code")
LETTERS = ("A", "B", "C", "D", "E")

TAIL = 20_000  # characters at the end of the text that are looked at
MAX_ANSWER = 4_000
MAX_DIGITS = 40

# Quantifiers are possessive, and runs are entered at their first character only: what models write may be anything, and
# no pattern may take more than linear time on it.
_FIELD = re.compile(r'"(?:final_)?answer"\s*+:\s*+', re.IGNORECASE)
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*+)"', re.DOTALL)
_BOXED = re.compile(r"(?<!\\)\\++boxed ?\{")
_SAID = re.compile(r"(?:answer|result|output) ?(?:is|=|:) ?:? ?([^\n]{1,400}+)", re.IGNORECASE)
_FENCE = re.compile(r"```[ \t]*+\w*+\n(.*?)```", re.DOTALL)
_HASHES = re.compile(r"####[ \t]*+([^\n]++)")
_BLANKS = re.compile(r"[^\S\n]++")

_DIGITS = r"(?<!\d)(?:\d{1,3}(?:,\d{3})++|\d++)(?:\.\d++)?|(?<!\d)\.\d++"
_NUMBER = re.compile(rf"([-+\u2212]?) ?[$\u20ac\u00a3]? ?({_DIGITS})(?: ?/ ?({_DIGITS}))?(?!,?\d)")
_LATEX_FRACTION = re.compile(rf"(?<!\\)\\++[dt]?frac\{{ ?([-+]?) ?({_DIGITS}) ?\}} ?\{{ ?({_DIGITS}) ?\}}")
_LATEX_NOISE = re.compile(r"(?<!\\)\\++(?:[,;:! ]|left|right|(?:text|mathrm) ?\{[^{}]{0,100}\})|\$")
_EXPRESSION = re.compile(r"[\\^*+_:{}()\[\]\u03c0\u221a]|sqrt|\bpi\b|\d[A-Za-z](?![A-Za-z])")
_SQUEEZED = re.compile(r"[\s*\\{}]+")
_AROUND = " \t\r\n*_`([{)]}\"'.,;:!"


def extract(text: str, kind: Kind, labels: Sequence[str] = LETTERS) -> str | None:
    """The answer's canonical form, equal for equal answers; None where there is none to be sure of.

    `labels` are what a label may be, compared without case; a letter of A to E by default. Linear in the text, of which
    the last 20,000 characters count.
    """
    read = _READERS[kind]
    tail = text[-TAIL:]
    stated = _field(tail)
    if stated is not None:
        return read(stated[:MAX_ANSWER], labels)
    for candidate in _candidates(_BLANKS.sub(" ", tail)):
        found = read(candidate.strip()[:MAX_ANSWER], labels)
        if found is not None:
            return found
    return _LAST[kind](tail, labels)


def _field(text: str) -> str | None:
    """The last field "answer"."""
    fields = list(_FIELD.finditer(text))
    return _value(text[fields[-1].end() :]) if fields else None


def _candidates(text: str) -> Iterator[str]:
    """Where else an answer is stated, the surest first; of several of a sort, the last."""
    boxes = list(_BOXED.finditer(text))
    if boxes:
        yield _balanced(text[boxes[-1].end() :])
    for pattern in (_HASHES, _FENCE, _SAID):
        found = pattern.findall(text)
        if found:
            yield found[-1]


def _value(rest: str) -> str:
    """The JSON value that `rest` begins with, a string without its quotes; of one that is cut, what there is."""
    quoted = _QUOTED.match(rest)
    if quoted:
        try:
            # Models write \frac and \boxed in JSON, where those begin with a form feed and a backspace…
            return str(json.loads(quoted[0], strict=False)).replace("\f", "\\f").replace("\b", "\\b")
        except ValueError:  # …and \( and \', which are nothing there
            return quoted[1]
    try:
        value, end = json.JSONDecoder().raw_decode(rest)
    except (ValueError, RecursionError):
        return rest.partition("\n")[0].rstrip(" ,}`")
    return value if isinstance(value, str) else rest[:end]


def _balanced(rest: str) -> str:
    depth = 1
    for at, letter in enumerate(rest[:MAX_ANSWER]):
        depth += (letter == "{") - (letter == "}")
        if not depth:
            return rest[:at]
    return ""


def _number(text: str, _: Sequence[str] = ()) -> str | None:
    """A text that is one number, perhaps with words around it; of an expression in numbers, the text without noise."""
    plain = _LATEX_NOISE.sub(" ", _LATEX_FRACTION.sub(r" \1\2/\3 ", _BLANKS.sub(" ", text)))
    plain = _BLANKS.sub(" ", plain.rpartition("=")[2]).strip()
    found = _NUMBER.findall(plain)
    if len(found) == 1 and not _EXPRESSION.search(plain):
        return _fraction(*found[0])
    squeezed = _SQUEEZED.sub("", plain).casefold()
    return squeezed if found or _EXPRESSION.search(plain) else None


def _fraction(sign: str, above: str, below: str) -> str | None:
    if max(len(above), len(below)) > MAX_DIGITS:
        return None
    value = Fraction(above.replace(",", ""))
    if below:
        under = Fraction(below.replace(",", ""))
        if not under:
            return None
        value /= under
    return str(-value if sign in ("-", "\u2212") else value)


def _last_number(text: str, _: Sequence[str]) -> str | None:
    found = _NUMBER.findall(_BLANKS.sub(" ", text[-MAX_ANSWER:]))
    return _fraction(*found[-1]) if found else None


def _label(text: str, labels: Sequence[str]) -> str | None:
    """A text that is a label, or begins with one set apart: `B`, `(B)`, `B. Paris`, `B) Paris`."""
    bare = text.strip(_AROUND).casefold()
    for label in labels:
        folded = label.casefold()
        if bare == folded:
            return label
        if bare.startswith(folded) and re.match(r"\s*[.):,\u2014-]|\W*$", bare[len(folded) :]):
            return label
    return None


def _last_label(text: str, labels: Sequence[str]) -> str | None:
    """The label that a text's last line is, or the only one in it; a single letter only in its own case."""
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        return None
    found = _label(lines[-1][:MAX_ANSWER], labels)
    if found is not None:
        return found
    named = [
        label
        for label in labels
        if re.search(rf"(?<!\w){re.escape(label)}(?!\w)", lines[-1], re.IGNORECASE if len(label) > 1 else 0)
    ]
    return named[0] if len(named) == 1 else None


def _json(text: str, _: Sequence[str] = ()) -> str | None:
    try:
        return json.dumps(json.loads(text), sort_keys=True, ensure_ascii=False)
    except (ValueError, RecursionError):
        return None


def _last_json(text: str, _: Sequence[str]) -> str | None:
    """The whole text as JSON, else the object or list that begins first and reads to its end."""
    whole = _json(text.strip())
    if whole is not None:
        return whole
    for start in list(re.finditer(r"[{\[]", text))[:20]:
        try:
            value, _end = json.JSONDecoder().raw_decode(text, start.start())
        except (ValueError, RecursionError):
            continue
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    return None


def _code(text: str, _: Sequence[str] = ()) -> str | None:
    """A literal's value, a program's shape, or for text that is neither, the text itself.

    A string counts as what is in it, so `uufh`, `'uufh'` and `"uufh"` are one answer, and so are `5` and `'5'`: models
    leave the quotes away.
    """
    bare = text.strip("`\n")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # for '\\d' in what somebody else wrote
            tree = ast.parse(bare.strip(" "))
            if len(tree.body) != 1 or not isinstance(tree.body[0], ast.Expr):
                return ast.unparse(tree) or bare
            value = ast.literal_eval(tree.body[0].value)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError):
        return bare
    if not isinstance(value, str):
        return _canonical(value)
    return value if value == text or len(value) >= len(text) else _code(value)


def _canonical(value: object) -> str:
    """As repr, with sets and dictionaries in one order: equal values give equal texts in every process."""
    match value:
        case dict():
            return "{" + ", ".join(sorted(f"{_canonical(key)}: {_canonical(one)}" for key, one in value.items())) + "}"
        case set():
            return "{" + ", ".join(sorted(map(_canonical, value))) + "}" if value else "set()"
        case list():
            return "[" + ", ".join(map(_canonical, value)) + "]"
        case tuple():
            return "(" + "".join(_canonical(one) + ", " for one in value).rstrip() + ")"
        case _:
            return repr(value)


def _last_code(text: str, _: Sequence[str]) -> str | None:
    return None


_READERS: dict[Kind, Callable[[str, Sequence[str]], str | None]] = {
    "number": _number,
    "label": _label,
    "json": _json,
    "code": _code,
}
_LAST: dict[Kind, Callable[[str, Sequence[str]], str | None]] = {
    "number": _last_number,
    "label": _last_label,
    "json": _last_json,
    "code": _last_code,
}
