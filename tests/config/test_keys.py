import re
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.config.keys import new_key, split, verify
from llmctl.config.schema import KeyConfig

SECRET = "A" * 43


def test_a_new_key_is_what_the_schema_wants_and_opens() -> None:
    key, fields = new_key()
    assert re.fullmatch(r"llmctl_[A-Za-z0-9]{12}_[A-Za-z0-9_-]{43}", key)
    config = KeyConfig.model_validate(fields)
    parts = split(key)
    assert parts is not None
    assert parts[0] == config.id
    assert verify(parts[1], config.hash)


def test_no_two_keys_are_alike() -> None:
    keys = [new_key() for _ in range(100)]
    assert len({key for key, _ in keys}) == len({fields["hash"] for _, fields in keys}) == 100


def test_another_secret_does_not_open() -> None:
    _, fields = new_key()
    key, _ = new_key()
    assert not verify(key[-43:], fields["hash"])


@pytest.mark.parametrize(
    "credential",
    [
        "",
        "sk-abc",
        "llmctl_abcd",
        f"llmctl__{SECRET}",
        f"llmctl_a-cd_{SECRET}",
        f"llmctl_abcd_{SECRET}x",
        f"llmctl_abcd_{SECRET[1:]}",
        f" llmctl_abcd_{SECRET}",
        f"LLMCTL_abcd_{SECRET}",
        f"llmctl_abcd_{SECRET}\n",
    ],
)
def test_other_credentials_are_none_of_ours(credential: str) -> None:
    assert split(credential) is None


def test_a_secret_may_hold_underscores() -> None:
    assert split("llmctl_abcd_" + "_" * 43) == ("abcd", "_" * 43)


@given(st.text())
def test_split_and_verify_take_anything(text: str) -> None:
    split(text)
    assert not verify(text, "0" * 32 + ":" + "0" * 64)


def test_surrogates_do_not_open() -> None:
    assert not verify("\udcff", "0" * 32 + ":" + "0" * 64)


def test_verifying_takes_microseconds() -> None:
    _, fields = new_key()
    best = min(timeit.repeat(lambda: verify(SECRET, fields["hash"]), number=1000, repeat=5)) / 1000
    assert best < 20e-6  # 1 µs on the machine it was written on; wide for a busy one
