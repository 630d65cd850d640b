"""A stream that is judged piece by piece is redacted as the whole text is, and nothing of a value gets out before."""

# ruff: noqa: RUF001 (other scripts are meant)

import re
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmctl.guards.base import About, Span
from llmctl.guards.pattern import Pattern
from llmctl.guards.pii import Pii, PiiOptions
from llmctl.guards.redaction import merged
from llmctl.guards.secrets import Secrets, SecretsOptions
from llmctl.guards.validation import Validation

Places = list[tuple[int, int, str]]
BODY = "a1B2c3D4e5F6g7H8j9K0" * 3
BEGIN, END = "-----BEGIN EC " + "PRIVATE KEY-----", "-----END EC " + "PRIVATE KEY-----"
LINE = "MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY/PuoAoGCCqGSM49"
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiJqbyJ9." + BODY[:43]
PROSE = [
    "The weather was fine.",
    "We met on the quay,",
    "and then",
    "please",
    "thanks!",
    "Is that all?",
    'He said "of course"',
    "office",
    "mobile",
    "in 2019",
    "at 10:30",
    "about 3.5 km",
    "(see below)",
    "- one\n- two\n",
    "x",
    "It is",
    "to",
    "DE",
    "他说今天天气很好，我们去。",
    "naïve café",
    "version 1.2.3",
    "a, b; c",
    "don't",
    "1",
    "4711",
    "+",
    "\n\n",
    "born",
    "page",
]
PERSONAL = [
    "jo.doe+x@mail.example.org",
    "<jo@example.org>",
    '"odd name"@example.org',
    "我的邮箱是jo@example.org谢谢",
    "https://x.example/reset?mail=jo@example.org&t=1",
    "jane (at) example (dot) com",
    "jane.doe [at] example [dot] co.uk",
    "ftp://jo:pa55@files.example.org/x",
    "4111 1111 1111 1111",
    "378282246310005",
    "3782-822463-10005",
    "5500 0000 0000 0004 4111 1111 1111 1111",
    "card 4111-1111-1111-1111 12/29",
    "DE89 3704 0044 0532 0130 00",
    "GB82 WEST 1234 5698 7654 32",
    "gb82west12345698765432.",
    "NL91ABNA0417164300",
    "my SSN is 219-09-1234",
    "219 09 1234",
    "social security number 219091234",
    "219091234",
    "ITIN: 912-70-1234",
    "203.0.113.7",
    "2001:db8::8a2e:370:7334.",
    "00:1b:44:11:3a:b7",
    "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa",
    "ethereum wallet 0x" + "5aAeb605" * 5,
    "born on 3 March 1984",
    "born March 3, 1984",
    "DOB: 1984-03-17",
    "passport no. L12345678",
    "+49 30 901820",
    "driver's license number is F255921412",
    "call 212-555-0142 x77",
    "tel:+44-20-7946-0958",
    "(212) 555-0199 (212) 555-0198",
    "Mobile: 723 813 266",
    "416 60 039 office",
    "030 123456 7",
    "number 072 128 8273",
    "1 000 000",
    "order 2125550142",
    "4111\u200b 1111 1111\u200b 1111",
    "jo\u200bhn@exa\u200bmple.org",
    "\uff14\uff11\uff11\uff11 1111 1111 1111",
    "4111.1111.1111.1111",
    "card 4111_1111_1111_1111",
    "卡号4111111111111111已用",
    "Geburtsdatum: 4. März 1991",
    "fecha de nacimiento: 4 de marzo de 1991",
    "4 марта 1991 года рождения",
    "04.03.1991 geboren",
    "私は1991年3月4日生まれです",
    "생년월일은 1991년 3월 4일입니다",
    "паспорт 45 10 123456",
    "codice fiscale RSSMRA85T10A562S",
    "CPF: 529.982.247-25",
    "mail=jo@example.org",
    "e=jo%40example.org&n=1",
]
SECRET = [
    "sk-" + BODY[:40],
    "key sk-" + "proj-" + BODY,
    "AKIA" + "Q3EGRNXMZ7T2VB5L",
    "ghp" + "_" + BODY[:36],
    JWT,
    "xoxb-" + "123456789012-abcdefGHIJ",
    "Authorization: Bearer " + BODY[:30],
    f"{BEGIN}\nMHcCAQEEI\nabc+/==\n{END}\n",
    f"{BEGIN}\n{LINE}\n{LINE}\nabc+/==\n{END}\n",
    f"{BEGIN}\n{LINE}\n{LINE}\nabc+/==\n(cut)",
    f"{BEGIN}\n{LINE}",
    BEGIN,
    f"{BEGIN}\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB\n\n{LINE}\n{LINE}\n",
    END,
    "-----",
    "--",
    f"{BEGIN}\\n{LINE}\\nabc=\\n{END}\\n",
    "postgres://jo:pa55w0rd@db:5432/app",
    "Server=tcp:x;User Id=sa;Password=Str0ng!;",
    "password = hunter22",
    "DB_PASSWORD='s3cr3t!pass'",
    "my password is Tr0ub4dor&3.",
    'password: "correct h0rse battery"',
    '{"client_secret": "a8f5f167f44f4964e6c998dee8"}',
    "token:",
    "password",
    "is:",
    "api key => " + BODY[:30],
    "secret",
    "`",
    "AccountKey=" + BODY[:30] + "==",
    'passphrase="not one of them is a secret',
    "page_token: " + BODY[:30],
    "mon mot de passe est Pl4ge!bleue",
    "пароль от вайфая: k0tMurka9",
    "管理员密码是Qx7mm2Lp，谢谢",
    "password: “lemon 42 tree”",
    "mysql -u root -pLemon42tree shop",
    "curl -u jo:lemon42tree https://x.example",
    "<dbPassword>lemon42tree</dbPassword>",
    "credentials: admin / lemon42tree",
    "IDENTIFIED BY 'lemon 42 tree'",
    "?user=jo&password=lemon42tree&next=1",
    "seed phrase: " + " ".join(["copper", "meadow"] * 6),
    "seed phrase is",
]
HIDDEN = [
    "a\u200b\u200bb",
    "\u202eabc\u202c",
    "x\x00\x00y",
    "\x1b[31mred",
    "\U000e0041\U000e0042",
    "e" + "\u0301" * 8,
    "\ufe0f\ufe0f",
    "\U0001f468\u200d\U0001f469",
    "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
    "\u200d",
    "\U0001f3f4\U000e0067\U000e0062",
    "\ufeff",
    "\u0645\u200c\u0646",
    "\u200c",
    "\u4e2d\U000e0100",
    "z\U000e0100",
]
TICKETS = [
    "TCK-4711",
    "TCK-",
    "PRJ12345",
    "PRJ123456789",
    "project bluebird",
    "Project  Bluebird",
    "Bluebird",
    "is confidential: all",
    "begin secret\n of two lines end secret",
    "begin secret",
    "end secret",
    "AB12-CD34",
    "AB12-CD3",
    "abababab",
    "abababx",
    "é-é-é",
]
RULES = [
    {"name": "ticket", "regex": r"TCK-\d+", "action": "redact"},
    {"name": "project", "regex": r"\bPRJ\d{4,6}\b", "action": "redact"},
    {"name": "name", "regex": r"(?:project\s+)?bluebird", "action": "redact", "ignore_case": True},
    {"name": "line", "regex": "confidential:.*", "action": "redact"},
    {"name": "block", "regex": "(?s)begin secret.*?end secret", "action": "redact"},
    {"name": "code", "regex": "[A-Z]{2}[0-9]{2}(?:-[A-Z]{2}[0-9]{2})?", "action": "redact"},
    {"name": "rows", "regex": "(?:ab){2,3}x?|é(-é){2}", "action": "redact"},
    {"name": "seen", "regex": "please", "action": "warn"},
]


def whole(guard: Any, text: str) -> Places:
    return [(span.start, span.end, span.category) for span in merged(guard.judge(text, About("output")).spans)]


def streamed(guard: Any, text: str, cuts: Iterable[int], *, aligned: bool = False) -> tuple[Places, int]:
    """Where it is redacted, and the most held back at a cut; `aligned`: windows begin as in guards/window.py."""
    edits: Places = []
    released = most = 0
    assert guard.lookbehind is not None
    for cut in [*cuts, len(text)]:
        start = max(0, released - guard.lookbehind)
        blank = re.compile(r"\s").search(text, start, min(start + 64, released)) if aligned and start else None
        start = blank.end() if blank else start
        window = text[start:cut]
        found = guard.judge(window, About("output", "assistant", at=start)).spans
        spans = [Span(one.start + start, one.end + start, one.category) for one in merged(found)]
        held = guard.unsettled(window)
        assert 0 <= held <= len(window)
        safe = len(text) if cut == len(text) else max(released, cut - held)
        if cut < len(text):
            most = max(most, held)
            safe = max(released, min([safe, *(one.start for one in spans if one.start < safe < one.end)]))
        edits += [
            (max(one.start, released), one.end, one.category)
            for one in spans
            if one.end > released and one.start < safe
        ]
        released = safe
    return edits, most


def cuts(text: str, how: int) -> list[int]:
    """Every so many characters; at every blank for 0."""
    return list(range(how, len(text), how)) if how else [match.end() for match in re.finditer(r"\s", text)]


def texts(values: list[str]) -> st.SearchStrategy[str]:
    piece = st.sampled_from(values) | st.sampled_from(PROSE)
    glue = st.sampled_from([" ", " ", " ", " ", ", ", "\n", ". ", "", "-", ": "])
    return st.lists(st.tuples(piece, glue), min_size=1, max_size=12).map(lambda parts: "".join(p + g for p, g in parts))


GUARDS: dict[str, tuple[Any, list[str]]] = {
    "pii": (Pii(PiiOptions()), PERSONAL),
    "pii-strict": (Pii(PiiOptions(preset="strict")), PERSONAL),
    "secrets": (Secrets(SecretsOptions()), SECRET),
    "secrets-strict": (Secrets(SecretsOptions(preset="strict")), SECRET),
    "pattern": (Pattern(Pattern.Options.model_validate({"patterns": RULES})), TICKETS),
    "validation": (Validation(Validation.Options()), HIDDEN),
}


@pytest.mark.parametrize("kind", GUARDS)
def test_a_stream_is_redacted_as_the_whole_is(kind: str) -> None:
    guard, values = GUARDS[kind]

    @settings(max_examples=150, deadline=None)
    @given(texts(values), st.sampled_from([0, 0, 1, 2, 5, 13, 40]), st.booleans())
    def check(text: str, how: int, aligned: bool) -> None:
        assert streamed(guard, text, cuts(text, how), aligned=aligned)[0] == whole(guard, text)

    check()


@pytest.mark.parametrize("kind", GUARDS)
def test_whatever_the_chunks_each_value_is_found(kind: str) -> None:
    guard, values = GUARDS[kind]
    for value in values:
        text = f"The weather was fine and {value} was what we heard. And then we went home, all of us."
        for how in (0, 1, 3):
            assert streamed(guard, text, cuts(text, how))[0] == whole(guard, text)


WORDS = st.sampled_from(
    ["we", "The", "weather,", "was", "fine.", "And", "whoever", "came", "to", "see", "it", "stayed;", "in", "no"]
)


@given(st.lists(WORDS, min_size=1, max_size=60).map(" ".join))
@settings(deadline=None)
def test_prose_flows(text: str) -> None:
    for kind in ("pii", "secrets", "validation"):
        assert streamed(GUARDS[kind][0], text, cuts(text, 0))[1] <= 12
    assert streamed(GUARDS["pattern"][0], text, cuts(text, 0))[1] <= 40


def test_prose_with_numbers_flows() -> None:
    text = "In 2019 the council planned 3 bridges of 120 metres; by 12 May about 4,500 people came, said 62 of 80. " * 4
    for kind in ("pii", "secrets"):
        assert streamed(GUARDS[kind][0], text, cuts(text, 0))[1] <= 40


KEY = f"Here it is:\n{BEGIN}\n" + f"{LINE}\n" * 180


@pytest.mark.parametrize("end", [f"{END}\nThat was it.", "", "and then it (sadly) broke off. " * 20])
def test_a_long_private_key_is_held_from_its_beginning(end: str) -> None:
    text = KEY + end
    guard = GUARDS["secrets"][0]
    edits = streamed(guard, text, cuts(text, 0))[0]
    assert len(KEY) > 8_192
    assert edits == whole(guard, text)
    assert (edits[0][0], edits[0][2]) == (12, "PRIVATE_KEY")


@pytest.mark.parametrize("kind", ["pii", "secrets", "pattern", "validation"])
@pytest.mark.parametrize(
    "unit", ["1 ", "a", "-", '"', "\u200b", "ab", "begin secret ", f"{BEGIN}\n", "born ", "password is "]
)
def test_no_hold_is_longer_than_8192(kind: str, unit: str) -> None:
    text = unit * (20_000 // len(unit))
    assert GUARDS[kind][0].unsettled(text) <= 8_192


def test_a_pattern_that_cannot_be_taken_apart_holds_the_lookbehind() -> None:
    odd = Pattern(Pattern.Options.model_validate({"patterns": [{"name": "q", "regex": r"\Qa.b\E"}]}))
    assert odd.unsettled("x" * 300) == 256
    assert odd.unsettled("x" * 30) == 30


def test_repeats_are_seen_in_a_stream_and_held_where_they_are_redacted() -> None:
    text = "Well. " + "ha " * 400
    blocking = Validation(Validation.Options())
    assert blocking.judge(text[-1_000:], About("output", at=500)).category == "repetition"
    assert blocking.lookbehind == 600
    redacting = Validation(Validation.Options(actions={"repetition": "redact"}))
    assert streamed(redacting, text, cuts(text, 0))[0] == whole(redacting, text)


def test_the_size_of_a_stream_is_that_of_all_of_it() -> None:
    guard = Validation(Validation.Options(max_chars=100))
    assert guard.judge("a b " * 10, About("output", at=90)).category == "size"
    assert guard.judge("a b " * 10, About("output", at=10)).outcome == "allow"


def test_a_rule_whose_beginnings_are_too_large_holds_the_lookbehind_and_the_others_their_own() -> None:
    rules = [{"name": f"long {n}", "regex": r"\p{L}{400}"} for n in range(9)] + [{"name": "far", "regex": "z.*"}]
    guard = Pattern(Pattern.Options.model_validate({"patterns": rules}))
    assert guard.unsettled("1" * 300 + "ab ") == 256
    assert guard.unsettled("z" * 300 + "ab ") == 303
    guard = Pattern(Pattern.Options.model_validate({"patterns": rules[9:]}))
    assert guard.unsettled("1" * 300 + "ab z ") == 2


def test_among_many_numbers_nothing_gets_out_that_is_redacted_in_the_whole() -> None:
    numbers = ["+49 30 901820", "+999 123 4567", "call 72 128 827", "072 128 8273", "212-555-0142", "+1 415 555 2671"]
    text = ". ".join(numbers * 30)
    guard = GUARDS["pii"][0]
    found = {at for start, end, _ in streamed(guard, text, cuts(text, 0))[0] for at in range(start, end)}
    assert {at for start, end, _ in whole(guard, text) for at in range(start, end)} <= found
