"""What identifiers look like. Patterns are generous; pii_validators.py says no. All are RE2: linear in the text.

`TRIGGERS` goes into one RE2 set: a text that sets none of them off holds nothing, and costs no more than that.
"""

_DIGITS = r"[0-9](?:[ ().\-/\x{a0}\x{2010}-\x{2014}]{0,3}[0-9]){6}"
_HEX = "[0-9A-Fa-f]"

TRIGGERS: dict[str, str] = {
    "EMAIL": r"[^\s@]@[^\s@]",
    "URL_CREDENTIALS": r"://[^\s/@]*:[^\s/@]*@",
    "CARD": _DIGITS + r"(?:[ -]?[0-9]){5}",
    "IBAN": r"(?i)\b[a-z]{2}[ .-]?[0-9]{2}(?:[ .-]?[a-z0-9]){8}",
    "SSN": r"[0-9]{3}[ -]?[0-9]{2}[ -]?[0-9]{4}",
    "IP": rf"[0-9]\.[0-9]{{1,3}}\.[0-9]{{1,3}}\.[0-9]|::{_HEX}|{_HEX}::|{_HEX}:{_HEX}{{1,4}}:{_HEX}{{1,4}}:",
    "MAC": rf"\b{_HEX}{{2}}[:-]{_HEX}{{2}}[:-]{_HEX}{{2}}[:-]|\b{_HEX}{{4}}\.{_HEX}{{4}}\.{_HEX}{{4}}\b",
    "CRYPTO": rf"(?i:bc1)[0-9A-Za-z]{{11}}|\b[13][1-9A-HJ-NP-Za-km-z]{{24}}|0x{_HEX}{{40}}",
    "DATE_OF_BIRTH": r"(?i)birth|born|\bd\.?o\.?b\b|geburt|n[ée]e? le|nacimiento|nascita",
    "PASSPORT": r"(?i)passport|passeport|reisepass|pasaporte",
    "DRIVER_LICENSE": r"(?i)licen[cs]e|driver|\bdl\b|f[üu]hrerschein|permis de conduire",
    "PHONE": _DIGITS,
}
FEW_DIGITS = r"[0-9](?:[ ().-]?[0-9]){4}"
"""What sets off the search for telephone numbers where a configured country has them this short."""
ALSO_TRIGGERED = {"ITIN": "SSN"}
"""Types found where another's trigger goes off."""

_DQUOTED = r'"(?:[^"\\\n]|\\[^\n])+"'
_LOCAL = rf"(?:{_DQUOTED}|[\p{{L}}\p{{N}}\p{{M}}!#$%&'*+/=?^_`{{|}}~.\-]+)"
EMAIL = rf"({_LOCAL})@([\p{{L}}\p{{N}}][\p{{L}}\p{{N}}\p{{M}}.\-]*)"
URL_CREDENTIALS = r"\b[A-Za-z][A-Za-z0-9+.\-]{1,20}://[^\s/:@]{0,100}:[^\s/@]{1,200}@[^\s\"'<>`]{1,200}"
NUMBER_GROUPS = r"[0-9]+(?:[ -][0-9]+)*"
IBAN_START = r"(?i)\b[a-z]{2}[ .-]?[0-9]{2}(?:[ .-]?[a-z0-9]){4}"
NINE_DIGITS = r"\b(?:[0-9]{3}-[0-9]{2}-[0-9]{4}|[0-9]{3} [0-9]{2} [0-9]{4}|[0-9]{9})\b"
IP = (
    rf"{_HEX}{{0,4}}(?::{_HEX}{{0,4}}){{1,7}}(?::[0-9]{{1,3}}(?:\.[0-9]{{1,3}}){{3}}|:{_HEX}{{0,4}})"
    r"|[0-9]{1,3}(?:\.[0-9]{1,3}){3}"
)
MAC = rf"\b{_HEX}{{2}}(?:(?::{_HEX}{{2}}){{5}}|(?:-{_HEX}{{2}}){{5}})\b|\b{_HEX}{{4}}\.{_HEX}{{4}}\.{_HEX}{{4}}\b"
CRYPTO = rf"\b(?i:bc1)[0-9A-Za-z]{{11,87}}\b|\b[13][1-9A-HJ-NP-Za-km-z]{{24,34}}\b|\b0x{_HEX}{{40}}\b"

_MONTH = r"(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]{0,6}\.?"
_DATE = (
    r"[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}|[0-9]{1,2}[-/. ]{1,2}[0-9]{1,2}[-/. ]{1,2}[0-9]{2,4}"
    rf"|[0-9]{{1,2}}(?:st|nd|rd|th)?(?: of)? {_MONTH},? [0-9]{{4}}|{_MONTH} [0-9]{{1,2}}(?:st|nd|rd|th)?,? [0-9]{{4}}"
)
DATE_OF_BIRTH = (
    r"(?i)(?:birth(?:day|date)?|born|\bd\.?o\.?b\b|geboren|geburtsdatum|n[ée]e? le|nacimiento|nascita)"
    rf"[^0-9]{{0,30}}?\b({_DATE})\b"
)
PASSPORT = r"(?i)(?:passport|passeport|reisepass|pasaporte)[^0-9]{0,30}?\b([A-Z]{0,3}[0-9]{6,9}[A-Z]?)\b"
DRIVER_LICENSE = (
    r"(?i)(?:driv(?:er|ing)(?:'|\x{2019}|s){0,2} ?(?:licen[cs]e|id)|\bDL\b|f[üu]hrerschein|permis de conduire)"
    r"[^0-9]{0,25}?\b([A-Z]{0,5}[0-9][A-Z0-9-]{4,17})\b"
)

SSN_WORDS = r"(?i)\bssn\b|social.?security|\bsocial\b"
ITIN_WORDS = r"(?i)\bitin\b|taxpayer|tax.?id"
CARD_WORDS = r"(?i)card|visa|maestro|amex|\bcc\b|payment|karte|carte|tarjeta"
CRYPTO_WORDS = r"(?i)wallet|ether|\beth\b|crypto|usd[tc]|address|erc-?20|token"
VERSION_WORDS = r"(?i)\bv(?:er(?:sion)?\.?)? ?$|build ?$|section ?$|§ ?$"

PHONE = (
    r"(?i)(?:tel:)?\+?(?:\([0-9]|[0-9])(?:[ ().\-/\x{a0}\x{2010}-\x{2014}]{0,3}[0-9]){4,}"
    r"(?: ?(?:x|ext\.?|extension) ?[0-9]{1,6})?"
)
PHONE_BEFORE = (
    r"(?i)phone|\btel|mobile|\bcell|\bfax|whatsapp|signal|\bcall|answer|reach|\bring\b|\bdial|desk|office|contact"
    r"|\btext me|messages?\b|\bsms\b|registered|hotline|number is|my number|telefon|handy"
    r"|t[ée]l[ée]|m[óo]vil|hablar|portable"
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
