"""Credentials: what is found and what is not. Every key here is made up; parts are joined so that scanners rest."""

import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.guards.base import ALLOW, About
from llmctl.guards.redaction import Redaction
from llmctl.guards.secrets import Secrets, SecretsOptions
from llmctl.guards.secrets_passwords import entropy

ABOUT = About()
SECRETS = Secrets(SecretsOptions())
BODY = "a1B2c3D4e5F6g7H8j9K0" * 3
JWT = "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiJqbyJ9." + BODY[:43]
BEGIN, END = "-----BEGIN EC " + "PRIVATE KEY-----", "-----END EC " + "PRIVATE KEY-----"

FOUND = [
    ("use sk-" + BODY[:40] + " please", "API_KEY", "sk-" + BODY[:40]),
    ("key sk-" + "proj-" + BODY, "API_KEY", "sk-" + "proj-" + BODY),
    ("AKIA" + "Q3EGRNXMZ7T2VB5L in the log", "API_KEY", "AKIA" + "Q3EGRNXMZ7T2VB5L"),
    ("ghp" + "_" + BODY[:36], "API_KEY", "ghp" + "_" + BODY[:36]),
    ("xoxb-" + "123456789012-abcdefGHIJ", "API_KEY", "xoxb-" + "123456789012-abcdefGHIJ"),
    (f"token {JWT}.", "JWT", JWT),
    ("Authorization: Bearer " + BODY[:30], "BEARER_TOKEN", BODY[:30]),
    (f"{BEGIN}\nMHcCAQEEI\nabc+/==\n{END}\nthanks", "PRIVATE_KEY", f"{BEGIN}\nMHcCAQEEI\nabc+/==\n{END}"),
    (f"{BEGIN}\nMHcCAQEEIabc", "PRIVATE_KEY", f"{BEGIN}\nMHcCAQEEIabc"),
    ("at postgres://jo:pa55w0rd@db:5432/app now", "CONNECTION_STRING", "postgres://jo:pa55w0rd@db:5432/app"),
    ("Server=tcp:x;User Id=sa;Password=Str0ng!;", "CONNECTION_STRING", "Str0ng!"),
    ("password = hunter22", "PASSWORD", "hunter22"),
    ("DB_PASSWORD='s3cr3t!pass'", "PASSWORD", "s3cr3t!pass"),
    ("my password is Tr0ub4dor&3.", "PASSWORD", "Tr0ub4dor&3"),
    ('{"client_secret": "a8f5f167f44f4964e6c998dee8"}', "PASSWORD", "a8f5f167f44f4964e6c998dee8"),
]
CLEAN = [
    "",
    "How do I reset my password? It is lost.",
    "password: str = Field(...)",
    "token: string, max_tokens: 4096",
    'api_key = os.environ["X"]',
    "password=${DB_PASS}",
    "password: <your password>",
    "user.password == other.password",
    "sk-" + "x" * 30,
    "The password must have 8 characters; the token is expired.",
    'next_page_token: "CAESBgjL1234567890"',
    "https://example.org:8080/a@b",
    "task-based-learning-is-a-long-hyphenated-word",
]


@pytest.mark.parametrize(("text", "category", "value"), FOUND)
def test_finds(text: str, category: str, value: str) -> None:
    verdict = SECRETS.judge(text, ABOUT)
    assert verdict.outcome == "redact"
    assert (category, value) in [(span.category, text[span.start : span.end]) for span in verdict.spans]
    assert value not in verdict.reason


@pytest.mark.parametrize("text", CLEAN)
def test_leaves_alone(text: str) -> None:
    assert SECRETS.judge(text, ABOUT).spans == ()


def test_options() -> None:
    key = "sk-" + BODY[:40]
    assert Secrets(SecretsOptions(allow=frozenset({key}))).judge(key, ABOUT) == ALLOW
    assert Secrets(SecretsOptions(types=("JWT",))).judge(key, ABOUT) == ALLOW
    assert Secrets(SecretsOptions(types=())).judge(key, ABOUT) == ALLOW
    quoted = 'password = "swordfish"'
    assert SECRETS.judge(quoted, ABOUT).outcome == "allow"
    assert Secrets(SecretsOptions(preset="strict")).judge(quoted, ABOUT).outcome == "redact"


def test_a_threshold_replaces_the_preset_s() -> None:
    quoted = 'password = "swordfish"'
    assert Secrets(SecretsOptions(threshold=0.5)).judge(quoted, ABOUT).outcome == "redact"
    assert Secrets(SecretsOptions(preset="strict", threshold=0.6)).judge(quoted, ABOUT).outcome == "allow"


def test_what_surrounds_a_secret_does_not_hide_it() -> None:
    for text, value in (
        ('passphrase="and it goes on, my password is hunter22', "hunter22"),
        (f"{JWT}{BEGIN}\nMHcCAQEEI\n{END}", JWT),
    ):
        assert any(value in text[span.start : span.end] for span in SECRETS.judge(text, ABOUT).spans)


def test_a_lone_surrogate_is_no_hiding_place() -> None:
    assert SECRETS.judge("\udfff password = hunter22", ABOUT).outcome == "redact"


@given(
    st.lists(st.sampled_from([value for _, _, value in FOUND] + ["-----", "pass", " ", "é"]), max_size=5).map(" ".join)
)
def test_redaction_can_be_undone(text: str) -> None:
    verdict = SECRETS.judge(text, ABOUT)
    assert all(0 <= span.start < span.end <= len(text) for span in verdict.spans)
    redaction = Redaction()
    assert redaction.restore(redaction.apply(text, verdict.spans)) == text


@pytest.mark.parametrize(
    "unit", [BEGIN, "eyJaaaaaaaaa.", "password=a;", "://a:", "server=a;", "token: ", "Bearer " + BODY[:20] + " ", "sk-"]
)
def test_cost_is_linear(unit: str) -> None:
    def cost(length: int) -> float:
        text = (unit * length)[:length]
        return min(timeit.repeat(lambda: SECRETS.judge(text, ABOUT), number=1, repeat=3))

    cost(1000)
    assert cost(32_000) < 40 * cost(4_000) + 0.02


def test_entropy() -> None:
    assert entropy("") == entropy("aaaa") == 0
    assert entropy("abcd") == 2
