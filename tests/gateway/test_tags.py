"""What a client calls its requests is in the record, within bounds, once guards have let it in."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.clock import SystemClock
from llmctl.gateway.tags import HEADER, LONGEST, LONGEST_NAME, MOST, tags_of
from llmctl.testing.asking import Bench
from llmctl.testing.gateway import exchange

SECRET = "ghp_" + "Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8Qr9St0Uv1Wx2"


async def test_metadata_and_the_header_are_in_the_record(tmp_path: Path) -> None:
    bench = Bench(tmp_path, "{preset: none}")
    asked = await bench.say("hi", metadata={"team": "search", "env": "test", "n": 3, "user_id": "u-1"})
    assert asked.record.tags == {"team": "search", "env": "test"}
    assert (await bench.say("hi")).record.tags == {}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"team=search, env = prod", {"team": "search", "env": "prod"}),
        (b"alone", {"alone": ""}),
        (b"=x,,", {}),
        (b"\xff=\xfe", {"\ufffd": "\ufffd"}),
        (b"a=1,a=2", {"a": "1"}),
    ],
)
def test_the_header(header: bytes, expected: dict[str, str]) -> None:
    asked = exchange(SystemClock())
    asked.cleared, asked.headers = True, {HEADER: header}
    assert tags_of(asked) == expected
    asked.payload = {"metadata": {"team": "other", "more": "1"}}
    assert tags_of(asked) == {**expected, "team": expected.get("team", "other"), "more": "1"}


def test_nothing_is_kept_of_what_was_not_let_in() -> None:
    asked = exchange(SystemClock())
    asked.payload = {"metadata": {"team": "x"}}
    assert tags_of(asked) == {}


async def test_secrets_are_redacted_before(tmp_path: Path) -> None:
    asked = await Bench(tmp_path, "{preset: balanced}").say("hi", metadata={"note": f"key {SECRET}"})
    assert SECRET not in str(asked.record.tags)


NAMES = st.text(max_size=LONGEST_NAME + 5)


@given(
    st.dictionaries(NAMES, st.one_of(st.text(max_size=LONGEST + 5), st.integers(), st.none()), max_size=30), st.binary()
)
def test_whatever_comes_the_record_stays_small(metadata: dict[str, Any], header: bytes) -> None:
    asked = exchange(SystemClock())
    asked.cleared, asked.payload, asked.headers = True, {"metadata": metadata}, {HEADER: header}
    found = tags_of(asked)
    assert len(found) <= MOST
    assert all(0 < len(name) <= LONGEST_NAME and len(value) <= LONGEST for name, value in found.items())
