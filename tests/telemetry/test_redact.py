"""Secrets never reach the disk, and what surrounds them does, unharmed."""

import json
import string
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.telemetry import redact
from llmctl.telemetry.redact import Redactor

KNOWN = [
    'pass"word/with\\all',
    "nägel-und-köpfe",
    "p\nm_two\nlines",
    "1234567890123",
    "plain-known-secret",
    "🔑🗝🔑🗝🔑🗝🔑🗝",
]
PEM = "-----BEGIN RSA PRIVATE KEY-----\nMIIEow/IBAAKCAQEA+w==\nabc\n-----END RSA PRIVATE KEY-----"
SHAPED = {
    "openai": "sk-" + "aB3" * 16,
    "openai project": "sk-proj-" + "aB3_-" * 20,
    "anthropic": "sk-ant-api03-" + "xY9-_" * 18,
    "google": "AIza" + "Sy0-_" * 7,
    "github": "ghp_" + "a1B2" * 9,
    "github fine-grained": "github_pat_" + "11ABCDEFG0" * 4,
    "slack": "xoxb-123456789012-abcdefABCDEF",
    "aws": "AKIAIOSFODNN7EXAMPLE",
    "stripe": "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc",
    "ours": "llmctl_" + "aB3dE5gH7jK9" + "_" + "x-_" * 14 + "z",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9P",
    "bearer": "Bearer abc/def+ghi~jkl.mno-pqr==",
    "pem": PEM,
    "pem with headers": PEM.replace("\nMII", "\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,AB12\n\nMII"),
    "npm": "npm_" + "a1B2" * 9,
    "hugging face": "hf_" + "aBcD" * 9,
}
redactor = Redactor(KNOWN)
secrets = st.sampled_from([*KNOWN, *SHAPED.values()])
# Surroundings that are no part of any secret's alphabet, and every escape that JSON knows.
filler = st.text(st.sampled_from(" \n\r\t\b\f\"\\/é😀\x00\x1f{}[]:,<>&'"), max_size=8)


@st.composite
def planted(draw: st.DrawFn) -> tuple[Any, Any, list[str]]:
    """(document, the same with masks, the secrets planted)."""
    used: list[str] = []

    def text() -> tuple[str, str]:
        # Backslashes in front of a secret that begins with an escape may go with it: JSON text nested in JSON
        # strings looks the same.
        before, after = draw(filler).rstrip("\\"), draw(filler)
        if not draw(st.booleans()):
            return before + after, before + after
        used.append(secret := draw(secrets))
        mask = "1" * len(secret) if secret.isdigit() else "[redacted]"
        return before + secret + after, before + mask + after

    def node(depth: int) -> tuple[Any, Any]:
        kind = draw(st.sampled_from(["text", "scalar", "list", "dict"] if depth else ["text", "scalar"]))
        if kind == "text":
            return text()
        if kind == "scalar":
            value = draw(st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6))
            return value, value
        children = [node(depth - 1) for _ in range(draw(st.integers(0, 3)))]
        if kind == "list":
            return [a for a, _ in children], [b for _, b in children]
        keys = [text() for _ in children]
        keys = [(f"{i}.{a}", f"{i}.{b}") for i, (a, b) in enumerate(keys)]
        return (
            {k: v for (k, _), (v, _) in zip(keys, children, strict=True)},
            {k: v for (_, k), (_, v) in zip(keys, children, strict=True)},
        )

    document, expected = node(3)
    return document, expected, used


def strings(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [s for pair in value.items() for part in pair for s in strings(part)]
    if isinstance(value, list):
        return [s for part in value for s in strings(part)]
    return [value] if isinstance(value, str) else []


@given(planted(), st.booleans())
def test_masks_every_secret_and_nothing_else(case: tuple[Any, Any, list[str]], ascii_only: bool) -> None:
    document, expected, used = case
    line = json.dumps(document, ensure_ascii=ascii_only).encode()
    out = redactor.redact(line)
    assert json.loads(out) == expected
    assert (out is line) == (not used)


@given(st.text(string.printable + "é😀"), st.text(string.printable + "é😀"), secrets)
def test_no_neighbour_hides_a_secret(before: str, after: str, secret: str) -> None:
    out = json.loads(redactor.redact(json.dumps({"k": before + secret + after}).encode()))
    assert secret not in out["k"]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
    )
)
def test_any_json_stays_json(document: Any) -> None:
    json.loads(Redactor(["nnnnnnnn", "0000aaaa", "tu0041u0", "12345678"]).redact(json.dumps(document).encode()))


@pytest.mark.parametrize("name", SHAPED)
def test_knows_each_shape_without_being_told(name: str) -> None:
    line = json.dumps({"a": f"my key is {SHAPED[name]}, keep it"}).encode()
    assert json.loads(Redactor().redact(line)) == {"a": "my key is [redacted], keep it"}


@pytest.mark.parametrize("depth", [1, 2, 3])
@pytest.mark.parametrize("secret", [*KNOWN, *SHAPED.values()])
def test_json_text_within_json_strings(secret: str, depth: int) -> None:
    document: Any = {"token": secret}
    for _ in range(depth):
        document = {"arguments": json.dumps(document)}
    out = json.loads(redactor.redact(json.dumps(document).encode()))
    for _ in range(depth):
        out = json.loads(out["arguments"])
    assert out["token"] in ("[redacted]", "1" * 13)


@pytest.mark.parametrize("secret", [*KNOWN, *SHAPED.values()])
def test_escapes_nobody_needs_are_no_disguise(secret: str) -> None:
    units = secret.encode("utf-16-be").hex()
    spelled = "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
    out = redactor.redact(f'{{"id":"x","request":{{"a":"{spelled}","b":1.5}}}}'.encode())
    assert json.loads(out) == {"id": "x", "request": {"a": "1" * 13 if secret.isdigit() else "[redacted]", "b": 1.5}}


@pytest.mark.parametrize(
    "text",
    [
        "a risk-adjusted-return-on-capital and task-based-organisation-of-everything-we-do",
        "the bearer of bad news",
        "-----BEGIN PUBLIC KEY-----\nabc\n-----END PUBLIC KEY-----",
        "eyJ is how a JWT begins",
        "llmctl_short_key",
        "gpt-4o, sk-short, AKIA, " + "x" * 500,
    ],
)
def test_leaves_prose_alone(text: str) -> None:
    line = json.dumps({"a": text}).encode()
    assert redactor.redact(line) is line


def test_masks_in_keys() -> None:
    assert json.loads(redactor.redact(b'{"plain-known-secret":{"ghp_%s":2}}' % (b"a" * 36))) == {
        "[redacted]": {"[redacted]": 2}
    }


def test_numbers_stay_numbers() -> None:
    assert json.loads(redactor.redact(b'{"a":1234567890123.5}')) == {"a": 1111111111111.5}


def test_secrets_that_would_eat_words_or_punctuation_are_ignored() -> None:
    line = b'{"a":"dummy","b":[1.5,2.5,3.5],"c":null}'
    assert Redactor(["dummy", "", "1.5,2.5,3.5", "null"]).redact(line) is line


def test_a_flood_of_secrets_costs_the_content_not_the_loop() -> None:
    line = json.dumps({"id": "r1", "request": SHAPED["github"] + " ", "tenant": SHAPED["aws"]}).encode()
    flood = line.replace(b" ", b" ".join([SHAPED["github"].encode()] * (redact.MOST + 1)), 1)
    assert flood != line
    out = redactor.redact(json.dumps({"id": "r1", "tenant": SHAPED["aws"], "request": flood.decode()}).encode())
    assert json.loads(out) == {"id": "r1", "tenant": "[redacted]", "request": "[redacted]"}


@pytest.mark.parametrize(
    "unit",
    [
        "words ",
        "ghp_" + "a" * 36,
        "AKIA" + "A" * 16 + " ",
        "eyJeyJsk-llmctl_",
        "eyJabcdefghij.",
        "Bearer abcdefghijklmno ",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN A PRIVATE KEY-----, ok. ",
        "\\u0041",
        "\\n",
        "\\\\",
        "p\\n",
        'pass\\"',
    ],
)
def test_a_megabyte_of_anything_takes_no_more_than_a_moment(unit: str) -> None:
    line = ('{"request":"' + unit * (2**20 // len(unit)) + '"}').encode()
    started = time.process_time()
    json.loads(redactor.redact(line))
    assert time.process_time() - started < 0.5
