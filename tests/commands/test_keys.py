import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmctl.commands.keys import expiry
from llmctl.commands.main import main
from llmctl.config.keys import split, verify
from llmctl.config.resolve import resolve
from llmctl.config.schema import KeyConfig
from llmctl.config.secrets import Environment
from llmctl.config.yaml import parse
from llmctl.errors import UsageError


class At:
    def monotonic(self) -> float:
        return 0.0

    def wall(self) -> float:
        return 1_900_000_000.0  # 2030-03-17T17:46:40Z


def code(*args: str) -> object:
    with pytest.raises(SystemExit) as raised:
        main(["keys", "new", *args])
    return raised.value.code


def test_the_key_opens_the_entry_that_is_printed_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert code() == 0
    out = capsys.readouterr().out
    root, findings = parse(out.partition("\n\n")[2], "out")
    assert root is not None
    assert findings == []
    (entry,) = resolve(root, Environment({})).tree["keys"]
    parts = split(out.splitlines()[1])
    assert parts is not None
    assert entry == {"id": parts[0], "hash": entry["hash"]}
    assert verify(parts[1], entry["hash"])


def test_every_option_is_in_the_entry(capsys: pytest.CaptureFixture[str]) -> None:
    options = ("--tenant", "a", "--models", "x, y", "--models", "z", "--expires", "2999-01-01T00:00:00Z", "--admin")
    assert code(*options, "--json") == 0
    printed: dict[str, Any] = json.loads(capsys.readouterr().out)
    config = KeyConfig.model_validate(printed["config"])
    assert (config.tenant, config.models, config.admin) == ("a", ["x", "y", "z"], True)
    assert printed["config"]["expires"] == "2999-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("--tenant", "a b"), "--tenant"),
        (("--expires", "soon"), "90d"),
        (("--expires", "2999-01-01T00:00:00"), "90d"),
        (("--expires", "2001-01-01T00:00:00Z"), "has passed"),
        (("--expires", "0s"), "has passed"),
    ],
)
def test_what_cannot_be_is_refused(args: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert code(*args) == 2
    printed = capsys.readouterr()
    assert says in printed.err
    assert printed.out == ""


def test_a_time_from_now() -> None:
    assert expiry("1d", At()) == "2030-03-18T17:46:40Z"
    assert expiry("2031-01-01T01:00:00+01:00", At()) == "2031-01-01T01:00:00+01:00"


@given(st.one_of(st.text(max_size=30), st.integers(0, 10**30).map(lambda n: f"{n}d")))
def test_any_text_is_a_time_or_a_usage_error(text: str) -> None:
    try:
        assert expiry(text, At())
    except UsageError as error:
        assert "--expires" in str(error)  # noqa: PT017 - either outcome is right
