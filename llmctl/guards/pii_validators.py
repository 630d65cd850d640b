"""Whether a string that looks like an identifier is one: check digits, ranges and lengths. Pure; no patterns, no I/O.

Sources: ISO/IEC 7812 and the networks' published ranges (cards), the SWIFT IBAN registry, SSA and IRS rules for SSN and
ITIN, RFC 5321 and RFC 6761 (addresses), BIP 173 and BIP 350 (bech32).
"""

import hashlib
import ipaddress
import unicodedata

_IBAN_LENGTHS = {
    "AD": 24,
    "AE": 23,
    "AL": 28,
    "AT": 20,
    "AZ": 28,
    "BA": 20,
    "BE": 16,
    "BG": 22,
    "BH": 22,
    "BI": 27,
    "BR": 29,
    "BY": 28,
    "CH": 21,
    "CR": 22,
    "CY": 28,
    "CZ": 24,
    "DE": 22,
    "DJ": 27,
    "DK": 18,
    "DO": 28,
    "EE": 20,
    "EG": 29,
    "ES": 24,
    "FI": 18,
    "FK": 18,
    "FO": 18,
    "FR": 27,
    "GB": 22,
    "GE": 22,
    "GI": 23,
    "GL": 18,
    "GR": 27,
    "GT": 28,
    "HN": 28,
    "HR": 21,
    "HU": 28,
    "IE": 22,
    "IL": 23,
    "IQ": 23,
    "IS": 26,
    "IT": 27,
    "JO": 30,
    "KW": 30,
    "KZ": 20,
    "LB": 28,
    "LC": 32,
    "LI": 21,
    "LT": 20,
    "LU": 20,
    "LV": 21,
    "LY": 25,
    "MC": 27,
    "MD": 24,
    "ME": 22,
    "MK": 19,
    "MN": 20,
    "MR": 27,
    "MT": 31,
    "MU": 30,
    "NI": 28,
    "NL": 18,
    "NO": 15,
    "OM": 23,
    "PK": 24,
    "PL": 28,
    "PS": 29,
    "PT": 25,
    "QA": 29,
    "RO": 24,
    "RS": 22,
    "RU": 33,
    "SA": 24,
    "SC": 31,
    "SD": 18,
    "SE": 24,
    "SI": 19,
    "SK": 24,
    "SM": 27,
    "SO": 23,
    "ST": 25,
    "SV": 28,
    "TL": 23,
    "TN": 24,
    "TR": 26,
    "UA": 29,
    "VA": 22,
    "VG": 24,
    "XK": 20,
    "YE": 30,
}
SHORTEST_IBAN, LONGEST_IBAN = 15, 33

# First digits from, to (equally long), and the lengths a number beginning so may have.
_CARDS: tuple[tuple[str, str, frozenset[int]], ...] = (
    ("4", "4", frozenset({13, 16, 18, 19})),  # Visa
    ("51", "55", frozenset({16})),  # Mastercard
    ("2221", "2720", frozenset({16})),
    ("34", "34", frozenset({15})),  # American Express
    ("37", "37", frozenset({15})),
    ("300", "305", frozenset({14, 16, 17, 18, 19})),  # Diners Club
    ("3095", "3095", frozenset({14, 16, 17, 18, 19})),
    ("36", "36", frozenset({14, 16, 17, 18, 19})),
    ("38", "39", frozenset({14, 16, 17, 18, 19})),
    ("1800", "1800", frozenset({15})),  # JCB
    ("2131", "2131", frozenset({15})),
    ("35", "35", frozenset({16, 17, 18, 19})),
    ("6011", "6011", frozenset({16, 17, 18, 19})),  # Discover
    ("644", "649", frozenset({16, 17, 18, 19})),
    ("65", "65", frozenset({16, 17, 18, 19})),
    ("62", "62", frozenset({16, 17, 18, 19})),  # UnionPay
    ("81", "81", frozenset({16})),
    ("50", "50", frozenset(range(12, 20))),  # Maestro
    ("56", "58", frozenset(range(12, 20))),
    ("60", "61", frozenset({16})),  # RuPay and others of the 6 range
    ("63", "63", frozenset(range(12, 20))),
    ("67", "67", frozenset(range(12, 20))),
    ("2200", "2204", frozenset({16, 17, 18, 19})),  # Mir
)

_SSN_SPECIMENS = frozenset({"078051120", "219099999", "457555462", "123456789", "111111111", "333333333", "987654321"})
_ITIN_GROUPS = frozenset([*range(50, 66), *range(70, 89), *range(90, 93), *range(94, 100)])
_RESERVED = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})
_ATEXT = frozenset("!#$%&'*+-/=?^_`{|}~")
_BASE58 = {char: n for n, char in enumerate("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz")}
_BECH32 = {char: n for n, char in enumerate("qpzry9x8gf2tvdw0s3jn54khce6mua7l")}
_BECH32_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def digits_of(text: str) -> str:
    """The ASCII digits of `text`."""
    return "".join(char for char in text if "0" <= char <= "9")


def luhn(digits: str) -> bool:
    """Whether the last digit is the check digit of the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char)
        total += value if place % 2 == 0 else value * 2 - 9 * (value > 4)
    return total % 10 == 0


def is_card(digits: str) -> bool:
    """Whether a network has given out numbers of this beginning and length, and the check digit is right."""
    length = len(digits)
    known = any(
        length in lengths and first <= digits[: len(first)] <= last  # digit strings of one length compare as numbers
        for first, last, lengths in _CARDS
    )
    return known and len(set(digits)) > 1 and luhn(digits)


def iban_length(country: str) -> int:
    """How many characters an IBAN of this country has; 0 for a country that has none."""
    return _IBAN_LENGTHS.get(country.upper(), 0)


def is_iban(text: str) -> bool:
    """Whether `text`, without separators, has its country's length and remainder 1 modulo 97 (ISO 13616)."""
    text = text.upper()
    if len(text) != iban_length(text[:2]) or not text.isascii() or not text.isalnum() or not text[2:4].isdigit():
        return False
    return int("".join(str(int(char, 36)) for char in text[4:] + text[:4])) % 97 == 1


def is_ssn(digits: str) -> bool:
    """Whether the SSA may have given out these nine digits, and they are no published specimen."""
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    if len(digits) != 9 or area in ("000", "666") or area >= "900" or group == "00" or serial == "0000":
        return False
    return digits not in _SSN_SPECIMENS


def is_itin(digits: str) -> bool:
    """Whether the IRS may have given out these nine digits as an ITIN."""
    return len(digits) == 9 and digits[0] == "9" and int(digits[3:5]) in _ITIN_GROUPS


def is_ip(text: str) -> bool:
    """Whether `text` is an IPv4 or IPv6 address that may be somebody's: not unspecified, loopback or a netmask."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return not (address.is_unspecified or address.is_loopback or text.startswith("255."))


def is_email(text: str) -> bool:
    """Whether the whole of `text` is an address that mail could be sent to over the internet."""
    local, at, domain = text.rpartition("@")
    return bool(at) and len(text) <= 254 and _is_local_part(local) and is_domain(domain)


def is_domain(domain: str) -> bool:
    """Whether `domain` has two or more labels, is not reserved, and keeps to the lengths of RFC 1035."""
    labels = domain.split(".")
    last = labels[-1].lower()
    if len(labels) < 2 or last in _RESERVED or not (last.isalpha() or not last.isascii() or last[:4] == "xn--"):
        return False
    try:
        encoded = [label if label.isascii() else "xn--" + label.encode("punycode").decode() for label in labels]
    except UnicodeError:
        return False
    return (
        len(".".join(encoded)) <= 253 and all(map(_is_label, labels)) and all(0 < len(label) < 64 for label in encoded)
    )


def _is_label(label: str) -> bool:
    if not label or label[0] == "-" or label[-1] == "-" or unicodedata.category(label[0])[0] == "M":
        return False
    if label[2:4] == "--":
        return label[:4].lower() == "xn--" and _decodes(label[4:])
    return all(char == "-" or _is_word(char) for char in label)


def _decodes(punycode: str) -> bool:
    """Whether an A-label holds anything that needed encoding."""
    try:
        return not punycode.encode("ascii").decode("punycode").isascii()
    except UnicodeError:
        return False


def _is_word(char: str) -> bool:
    """Whether a letter, a digit, or a mark on one, also after compatibility folding."""
    return all(unicodedata.category(folded)[0] in "LNM" for folded in unicodedata.normalize("NFKC", char))


def _is_local_part(local: str) -> bool:
    if not 0 < len(local.encode("utf-8", "replace")) <= 64:
        return False
    if local[0] == '"' == local[-1] and len(local) > 2:
        return _is_quoted(local[1:-1])
    if unicodedata.category(local[0])[0] == "M":
        return False
    return all(atom and all(char in _ATEXT or _is_atom(char) for char in atom) for atom in local.split("."))


def _is_atom(char: str) -> bool:
    return char.isalnum() if char.isascii() else unicodedata.category(char)[0] in "LNM"


def _is_quoted(inside: str) -> bool:
    escaped = False
    for char in inside:
        if unicodedata.category(char)[0] == "C" or (char == '"' and not escaped):
            return False
        escaped = char == "\\" and not escaped
    return not escaped


def is_bitcoin(text: str) -> bool:
    """Whether `text` is a Bitcoin address with the right checksum: base58check, bech32 or bech32m."""
    return _is_bech32(text) if text[:3].lower() == "bc1" else _is_base58check(text)


def _is_base58check(text: str) -> bool:
    value = 0
    for char in text:
        if char not in _BASE58:
            return False
        value = value * 58 + _BASE58[char]
    if not 25 <= len(text) <= 35 or value >= 1 << 200:
        return False
    raw = value.to_bytes(25, "big")
    right = hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4]
    return raw[0] in (0, 5) and raw[21:] == right


def _is_bech32(text: str) -> bool:
    if text not in (text.lower(), text.upper()) or not 14 <= len(text) <= 90:
        return False
    data = [_BECH32.get(char, -1) for char in text.lower()[3:]]
    if -1 in data:
        return False
    check = 1
    for value in [3, 3, 0, 2, 3, *data]:  # "bc", expanded
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate(_BECH32_GENERATOR):
            check ^= term if top >> bit & 1 else 0
    return check == (1 if data[0] == 0 else 0x2BC830A3)
