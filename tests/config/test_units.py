import pytest

from llmctl.config.units import parse_bytes, parse_seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [("64KiB", 65536), ("10MB", 10**7), ("1.5 kb", 1500), ("7", 7), ("3B", 3), (12, 12), (None, None)],
)
def test_bytes(text: object, value: object) -> None:
    assert parse_bytes(text) == value


@pytest.mark.parametrize(
    ("text", "value"), [("250ms", 0.25), ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86400), ("1.5", 1.5), (3, 3)]
)
def test_seconds(text: object, value: object) -> None:
    assert parse_seconds(text) == value


@pytest.mark.parametrize("text", ["", "s", "-1s", "1 week", "1e3", "ten"])
def test_neither(text: str) -> None:
    with pytest.raises(ValueError, match="write a size"):
        parse_bytes(text)
    with pytest.raises(ValueError, match="write a duration"):
        parse_seconds(text)
