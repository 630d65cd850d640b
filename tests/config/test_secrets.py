import os

import pytest

from llmctl.config.secrets import MASK, Environment, is_secret, mask_text, masked, secret_values


def test_environment() -> None:
    assert Environment({"A": "1"}).get("A") == "1"
    assert Environment({}).get("A") is None
    assert Environment.of_process().get("PATH") == os.environ["PATH"]


@pytest.mark.parametrize(
    "key",
    [
        "api_key",
        "apikey",
        "apiKey",
        "API-KEY",
        "api_keys",
        "x-api-key",
        "aws_secret_access_key",
        "routing_key",
        "password",
        "db_password",
        "token",
        "bot_token",
        "client_secret",
        "authorization",
        "Proxy-Authorization",
        "cookie",
    ],
)
def test_secret_names(key: str) -> None:
    assert is_secret(key)


@pytest.mark.parametrize(
    "key", ["max_tokens", "token_budget", "key", "keys", "hash", "api_key_env", "tokenizer", "monkey", "secretary"]
)
def test_plain_names(key: str) -> None:
    assert not is_secret(key)


def test_more_names_are_secret_among_headers() -> None:
    assert is_secret("x-auth", "headers")
    assert is_secret("x-functions-key", "headers")
    assert not is_secret("accept", "headers")


def test_masking_copies() -> None:
    tree = {"a": {"api_key": "s", "password": {"x": [1, True, None]}}, "b": ["http://u:p@h/"]}
    assert masked(tree) == {"a": {"api_key": MASK, "password": {"x": [MASK, True, None]}}, "b": [f"http://{MASK}@h/"]}
    assert tree["b"] == ["http://u:p@h/"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:pw@host:6379/0", f"redis://{MASK}@host:6379/0"),
        ("https://u:p@ss@host/", f"https://{MASK}@host/"),
        ("https://host/@path", "https://host/@path"),
        ("https://host/?a=1&api-key=xyz#f", f"https://host/?a=1&api-key={MASK}#f"),
        ("mail me@host", "mail me@host"),
    ],
)
def test_credentials_in_urls(text: str, shown: str) -> None:
    assert mask_text(text) == shown


def test_secret_values_are_the_literals_worth_redacting() -> None:
    tree = {
        "api_key": "sk-0123456789",
        "token": "EMPTY",
        "headers": {"authorization": "Bearer abcdefgh"},
        "url": "https://user:longpassword@host/?token=0123456789",
        "secrets": ["first-secret", None],
    }
    assert secret_values(tree) == {
        "sk-0123456789",
        "Bearer abcdefgh",
        "abcdefgh",
        "user:longpassword",
        "longpassword",
        "0123456789",
        "first-secret",
    }
