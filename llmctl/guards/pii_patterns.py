"""What identifiers look like. Patterns are generous; pii_validators.py says no. All are RE2: linear in the text.

`TRIGGERS` goes into one RE2 set: a text that sets none of them off holds nothing, and costs no more than that.
"""

from collections.abc import Iterable

from llmctl.guards import pii_words as words

_GAP = r"[ ().\-/\x{a0}\x{2010}-\x{2014}]{0,3}"
_DIGITS = rf"[0-9](?:{_GAP}[0-9]){{6}}"
_HEX = "[0-9A-Fa-f]"
_BETWEEN = r"[ .\-_/:,\t\x{a0}\x{b7}\x{2002}-\x{200a}\x{2010}-\x{2015}\x{2022}\x{202f}\x{2212}\x{3000}]{0,3}"
"""What may stand between the groups of a card's number."""

TRIGGERS: dict[str, str] = {
    "EMAIL": r"[^\s@]@[^\s@]",
    "URL_CREDENTIALS": r"://[^\s/@]*:[^\s/@]*@",
    "CARD": rf"[0-9](?:{_BETWEEN}[0-9]){{11}}",
    "IBAN": r"(?i)\b[a-z]{2}[ .-]?[0-9]{2}(?:[ .-]?[a-z0-9]){8}",
    "SSN": r"[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{4}",
    "IP": rf"[0-9]\.[0-9]{{1,3}}\.[0-9]{{1,3}}\.[0-9]|::{_HEX}|{_HEX}::|{_HEX}:{_HEX}{{1,4}}:{_HEX}{{1,4}}:",
    "MAC": rf"\b{_HEX}{{2}}[:-]{_HEX}{{2}}[:-]{_HEX}{{2}}[:-]|\b{_HEX}{{4}}\.{_HEX}{{4}}\.{_HEX}{{4}}\b",
    "CRYPTO": rf"(?i:bc1)[0-9A-Za-z]{{11}}|\b[13][1-9A-HJ-NP-Za-km-z]{{24}}|0x{_HEX}{{40}}",
    "DATE_OF_BIRTH": words.TRIGGER_BIRTH,
    "PASSPORT": rf"(?i){words.PASSPORT}",
    "DRIVER_LICENSE": rf"(?i){words.LICENCE}",
    "NATIONAL_ID": rf"(?i){words.NATIONAL_ID}",
    "PHONE": _DIGITS,
    "SPELLED": r"(?i)[\[({] ?(?:at|@) ?[\])}]|%40",
    "DISGUISED": (
        r"[\x{ad}\x{180e}\x{200b}-\x{200f}\x{202a}-\x{202e}\x{2060}-\x{2069}\x{feff}\x{ff0b}\x{ff10}-\x{ff19}\x{ff20}"
        r"\x{660}-\x{669}\x{6f0}-\x{6f9}\x{966}-\x{96f}]"
    ),
}
FEW_DIGITS = r"[0-9](?:[ ().-]?[0-9]){4}"
"""What sets off the search for telephone numbers where a configured country has them this short."""
ALSO_TRIGGERED = {"ITIN": "SSN"}
"""Types found where another's trigger goes off."""

_DQUOTED = r'"(?:[^"\\\n]|\\[^\n]){1,64}"'
_LOCAL = rf"(?:{_DQUOTED}|[\p{{L}}\p{{N}}\p{{M}}!#$%&'*+/=?^_`{{|}}~.\-]+)"
EMAIL = rf"({_LOCAL})@([\p{{L}}\p{{N}}][\p{{L}}\p{{N}}\p{{M}}.\-]*)"
URL_CREDENTIALS = r"\b[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s/:@]{0,100}:[^\s/@]{1,200}@[^\s\"'<>`]{1,200}"
_ATOM, _LABEL = r"[\p{L}\p{N}_%+\-]+", r"[\p{L}\p{N}][\p{L}\p{N}\-]*"
_AT = r"(?:[\[({] ?(?i:at|@) ?[\])}]|%40)"
_DOT = r"(?: ?[\[({] ?(?i:dot|\.) ?[\])}] ?|\.)"
SPELLED_EMAIL = rf"({_ATOM}(?:{_DOT}{_ATOM})*) ?{_AT} ?({_LABEL}(?:{_DOT}{_LABEL})+)"
SPELLED_DOT = _DOT
NUMBER_GROUPS = rf"[0-9]+(?:{_BETWEEN}[0-9]+)*"
IBAN_START = r"(?i)\b[a-z]{2}[ .-]?[0-9]{2}"
NINE_DIGITS = r"\b(?:[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}|[0-9]{9})\b"
IP = (
    rf"{_HEX}{{0,4}}(?::{_HEX}{{0,4}}){{1,7}}(?::[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}|:{_HEX}{{0,4}})"
    r"|[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
)
MAC = rf"\b{_HEX}{{2}}(?:(?::{_HEX}{{2}}){{5}}|(?:-{_HEX}{{2}}){{5}})\b|\b{_HEX}{{4}}\.{_HEX}{{4}}\.{_HEX}{{4}}\b"
CRYPTO = rf"\b(?i:bc1)[0-9A-Za-z]{{11,87}}\b|\b[13][1-9A-HJ-NP-Za-km-z]{{24,34}}\b|\b0x{_HEX}{{40}}\b"

DATE_OF_BIRTH = words.DATE_OF_BIRTH
# With a letter within the digits only where the letters are capitals, as they are printed.
PASSPORT = (
    rf"(?i){words.PASSPORT}[^0-9]{{0,30}}?"
    r"\b([A-Z]{0,3}[0-9]{6,9}[A-Z]?|[0-9]{2} [0-9]{2} [0-9]{6}|[0-9]{4} [0-9]{6}|(?-i:[A-Z0-9]{8,10}))\b"
)
DRIVER_LICENSE = (
    rf"(?i){words.LICENCE}[^0-9]{{0,25}}?"
    r"\b([A-Z]{0,5}[0-9][A-Z0-9-]{4,17}|[0-9]{2} [0-9]{2} [0-9]{6})\b"
)
NATIONAL_ID = (
    rf"(?i){words.NATIONAL_ID}[^0-9\n]{{0,30}}?"
    r"\b((?-i:(?:[A-Z]{1,6} ?)?[0-9](?:[ .\-/]?[0-9]|-?[A-Z]){5,18}(?: [A-Z]\b)?))\b"
)

SSN_WORDS = r"(?i)\bssn\b|social.?security|\bsocial\b"
ITIN_WORDS = r"(?i)\bitin\b|taxpayer|tax.?id"
CARD_WORDS = (
    r"(?i)card|visa|maestro|amex|\bcc\b|payment|karte|carte|tarjeta|carta|cartão|kaart|karta|карт|kart|卡|カード|카드|कार्ड"
    r"|بطاقة|\bpan\b"
)
CRYPTO_WORDS = r"(?i)wallet|ether|\beth\b|crypto|usd[tc]|address|erc-?20|token"
VERSION_WORDS = r"(?i)\bv(?:er(?:sion)?\.?)? ?$|build ?$|section ?$|§ ?$"

_EXTENSION = "(?: ?(?:x|ext\\.?|extension) ?[0-9]{1,6})?"
PHONE = rf"(?i)(?:tel:)?\+?(?:\([0-9]|[0-9])(?:{_GAP}[0-9]){{4,}}{_EXTENSION}"
PHONE_BEFORE = (
    r"(?i)phone|\btel|mobile|\bcell|\bfax|whatsapp|signal|\bcall|answer|reach|\bring\b|\bdial|desk|office|contact"
    r"|\btext me|messages?\b|\bsms\b|registered|hotline|number is|my number|telefon|handy"
    r"|t[ée]l[ée]|m[óo]vil|hablar|portable"
    rf"|{words.PHONE}"
)
PHONE_AFTER = r"(?i)^[\s,(-]{0,3}(?:office|fax|mobile|cell|home|work|desk|tel)\b"
PHONE_NEVER = (
    r"(?i)(?:order|invoice|ticket|tracking|serial|isbn|account|ref(?:erence)?|id|zip|version|sku|po box|case)"
    r"(?: (?:no|number|id))?[ #.:]{0,3}$"
)
NANP = r"(?:\+?1[ .-]?)?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[.-])[2-9][0-9]{2}[ .-][0-9]{4}"
NEVER_A_PHONE = (
    r"(?:19|20)[0-9]{2}[-/.](?:0?[1-9]|1[0-2])[-/.](?:0?[1-9]|[12][0-9]|3[01])(?:[ -].*)?"  # dates and timestamps
    r"|[0-9]{1,2}[-/.][0-9]{1,2}[-/.](?:19|20)[0-9]{2}(?:[ -].*)?"
    r"|(?:19|20)[0-9]{2} ?[-/] ?(?:19|20)[0-9]{2}"  # years from, to
    r"|[0-9]+ [-/] [0-9]+|[^(]*[)].*|[^)]*[(][^)]*|.*[(].*[(].*|[^0+]+.*/.*"  # sums
    r"|[0-9]+\.[0-9]+|[0-9]{1,3}(?:\.[0-9]{1,3}){3}"  # decimals, IP addresses
)
SELDOM_A_PHONE = (
    r"[0-9]{3}[- ][0-9]{2}[- ][0-9]{4}"  # the shape of an SSN
    r"|[1-9][0-9]{0,2}(?:[ .][0-9]{3}){2,}"  # grouped thousands
    r"|[0-9]+ ?[-/\x{2013}] ?[0-9]+"  # fractions, from and to
)

# What may still become a value, or be judged otherwise, when more text comes: each up to the end of the text.
_ALWAYS = (
    r"[\p{L}\p{N}\p{M}!#-+\-./0-:=?-~]+"  # the last word and what stands in it
    r"|\A[\x{00}-@\[-`{-~]*"  # no letter so far: a number alone, which needs no word beside it
)
_NUMBER = (
    rf"(?i:tel:)?\+?\(?[0-9](?:{_GAP}[0-9]){{0,3}}{_GAP}"
    rf"|(?i:tel:)?\+?\(?[0-9](?:{_GAP}[0-9]){{4,}}(?i:{_EXTENSION})"
    rf"(?:{_GAP}|:|[\s,(\-]{{0,3}}[A-Za-z]{{0,9}}\.? ?[0-9]{{0,6}}[.,:]?)"
)
NUMBER_BEFORE = rf"(?:{_NUMBER})\z"
"""A number up to what is unsettled: a longer one that takes part of it in would no longer be a number."""
_UNSETTLED: dict[str, str] = {
    "CARD": rf"{_NUMBER}|[0-9](?:{_BETWEEN}[0-9]){{0,40}}{_BETWEEN}",
    "DATE_OF_BIRTH": words.DATE_BEGUN,
    "EMAIL": (
        rf"{_ATOM}(?:{_DOT}{_ATOM})*(?: ?{_AT} ?(?:{_LABEL}(?:{_DOT}{_LABEL})*)?)?"
        r"(?:\.| ?[\[({] ?[A-Za-z@.]{0,3} ?[\])}]? ?| )?"
    ),
    "URL_CREDENTIALS": r"[A-Za-z][A-Za-z0-9+.\-]{0,20}://\S*",
    "IBAN": (
        r"\b[A-Z]{2}[ .\-]?(?:[0-9](?:[0-9](?:[ .\-]?[A-Z0-9]){0,30}[ .\-]?)?)?"
        r"|\b[A-Za-z]{2}[0-9]{2}(?:[ .\-]?[A-Za-z0-9]){0,30}[ .\-]?"
    ),
}
# The same where a word or sign stands before, at most so many characters from the end: word → pattern.
AFTER_A_WORD: dict[str, tuple[str, str]] = {
    "EMAIL": ('"', r'"(?:[^"\\\n]|\\[^\n]){0,64}(?:\\|"(?:@[\p{L}\p{N}\p{M}.\-]*)?)?\z'),
    "DATE_OF_BIRTH": (
        words.BIRTH,
        rf"(?i){words.BIRTH}[^0-9]{{0,42}}(?:[0-9][0-9\p{{L}}\p{{M}},./ º°ª\-]{{0,32}})?\z",
    ),
    "PASSPORT": (words.PASSPORT, rf"(?i){words.PASSPORT}[^0-9]{{0,40}}(?:[0-9][0-9A-Z ]{{0,13}})?\z"),
    "DRIVER_LICENSE": (words.LICENCE, rf"(?i){words.LICENCE}[^0-9]{{0,30}}(?:[0-9][A-Z0-9 -]{{0,17}})?\z"),
    "NATIONAL_ID": (words.NATIONAL_ID, rf"(?i){words.NATIONAL_ID}[^0-9\n]{{0,40}}(?:[0-9][0-9A-Z ./\-]{{0,38}})?\z"),
}
FAR = 320
_WORDED = {"PASSPORT", "DRIVER_LICENSE", "NATIONAL_ID"}


def unsettled(entities: Iterable[str]) -> str:
    """Matches, at the end of a text, the longest part that may yet become one of these types. Leftmost is longest."""
    parts = dict.fromkeys((_ALWAYS, *(_UNSETTLED.get(entity, _NUMBER) for entity in entities if entity not in _WORDED)))
    return rf"(?:{'|'.join(parts)})\z"
