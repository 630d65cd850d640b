import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.guards import pii_validators as validators


@given(st.text("0123456789", min_size=8, max_size=18), st.integers(0, 8), st.integers(1, 9))
def test_luhn_sees_every_wrong_digit(body: str, place: int, shift: int) -> None:
    (check,) = [digit for digit in "0123456789" if validators.luhn(body + digit)]
    whole = body + check
    wrong = whole[:place] + str((int(whole[place]) + shift) % 10) + whole[place + 1 :]
    assert not validators.luhn(wrong)


@pytest.mark.parametrize(
    ("digits", "is_one"),
    [
        ("4111111111111111", True),
        ("5555555555554444", True),
        ("30569309025904", True),
        ("411111111111111", False),  # a length Visa does not have
        ("7000000000000005", False),  # no network's
        ("0000000000000000", False),
    ],
)
def test_cards(digits: str, is_one: bool) -> None:
    assert validators.is_card(digits) is is_one


@pytest.mark.parametrize("text", ["DE89370400440532013000", "gb82west12345698765432", "NO9386011117947"])
def test_ibans(text: str) -> None:
    assert validators.is_iban(text)
    assert not validators.is_iban(text + "0")
    assert not validators.is_iban(text[:-1] + str((int(text[-1]) + 1) % 10))


def test_no_iban_of_no_country() -> None:
    assert not validators.is_iban("ZZ89370400440532013000")
    assert not validators.is_iban("")


def test_us_numbers() -> None:
    assert validators.is_ssn("219091234")
    assert not any(
        map(validators.is_ssn, ["000121234", "666121234", "900121234", "123001234", "123450000", "12345678"])
    )
    assert not validators.is_ssn("078051120")
    assert validators.is_itin("912701234")
    assert not validators.is_itin("912891234")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("jo@example.org", True),
        ('"jo doe"@example.org', True),
        ("jo@bücher.example", True),
        ("jo@xn--bcher-kva.example", True),
        ("jo..doe@example.org", False),
        (".jo@example.org", False),
        ("jo@example", False),
        ("jo@-example.org", False),
        ("jo@host.local", False),
        ("jo@203.0.113.7", False),
        ("x" * 65 + "@example.org", False),
        ("jo@" + "x" * 64 + ".org", False),
        ("jo@xn--0.org", False),
        ("@example.org", False),
        ("", False),
    ],
)
def test_emails(text: str, is_one: bool) -> None:
    assert validators.is_email(text) is is_one


def test_addresses_of_machines() -> None:
    assert all(map(validators.is_ip, ["203.0.113.7", "2001:db8::1"]))
    assert not any(map(validators.is_ip, ["256.1.1.1", "127.0.0.1", "::", "255.255.255.0", "1.2.3"]))


def test_wallets() -> None:
    taproot = "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0"
    assert all(map(validators.is_bitcoin, ["1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa", taproot, taproot.upper()]))
    assert not any(
        map(validators.is_bitcoin, ["1A1zP1eP5QGefi2DMPTfTL5SLmv7Divfna", taproot[:-1] + "q", "bc1", "0OIl"])
    )


@given(st.text(max_size=40))
def test_nothing_raises(text: str) -> None:
    for validator in (validators.is_email, validators.is_iban, validators.is_ip, validators.is_bitcoin):
        assert validator(text) in (True, False)
