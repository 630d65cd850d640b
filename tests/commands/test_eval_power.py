import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from llmctl.commands.eval_power import power_
from llmctl.errors import UsageError
from tests.evals.made import answers, run_of

app = typer.Typer()
app.command()(power_)


def run(*args: str) -> str:
    result = CliRunner().invoke(app, args, catch_exceptions=False, standalone_mode=False)
    if result.exception:
        raise result.exception
    return result.stdout


def told(*args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(*args, "--json"))
    return found


def test_items_for_an_effect_are_the_formulas() -> None:
    found = told("--effect", "0.03", "--discordant", "0.17", "--power", "0.95")
    assert found["items"] == 2442  # (1.96 + 1.645)² · (0.17 - 0.03²) / 0.03²
    assert found["answers"] == 4884
    assert found["power"] >= 0.95


def test_what_items_tell_and_with_which_power() -> None:
    assert told("--n", "2442", "--discordant", "0.17", "--power", "0.95")["effect"] == pytest.approx(0.0301, abs=2e-4)
    assert told("--n", "2442", "--effect", "0.03", "--discordant", "0.17")["power"] == pytest.approx(0.95, abs=1e-3)


def test_sides_that_fail_alike_need_fewer() -> None:
    careful = told("--effect", "0.05", "--baseline", "0.7")["items"]
    assert told("--effect", "0.05", "--baseline", "0.7", "--correlation", "0.6")["items"] < careful / 2


def test_words_say_what_looking_saves() -> None:
    text = run("--effect", "0.03", "--discordant", "0.17", "--power", "0.95", "--sequential")
    assert text.startswith(
        "2,442 items (4,884 answers with no repeats on both sides) tell a difference of 0.03 from none"
    )
    assert "looked at after every item: 3," in text
    assert "% fewer) if the difference is real; without any, mostly all 3," in text


def test_a_pilot_takes_the_place_of_guesses(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    pilot = run_of(answers(rng.normal(0.5, 0.1, 80).tolist(), "old"), answers(rng.normal(0.5, 0.1, 80).tolist(), "new"))
    path = tmp_path / "pilot.jsonl"
    path.write_bytes(b"\n".join(map(msgspec.json.encode, [pilot.run, *pilot.results])) + b"\n")
    found = told(str(path), "--effect", "0.02")
    assert found["spread"]["between"] == pytest.approx(0.02, rel=0.35)
    with pytest.raises(UsageError, match="has no variant 'x'; it has old, new"):
        run(str(path), "--effect", "0.02", "--ab", "x", "old")


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ([], "give --effect"),
        (["--effect", "0.1"], "give --baseline"),
        (["--effect", "0.1", "--sd", "0.2", "--baseline", "0.5"], "give --baseline"),
        (["--effect", "0.3", "--baseline", "0.8"], "is no rate"),
        (["--effect", "0.3", "--sd", "-1"], "sd above 0"),
        (["--effect", "0", "--sd", "0.2"], "an effect of 0"),
        (["--effect", "0.1", "--sd", "0.1", "--repeat-sd", "0.5"], "--repeat-sd 0.5"),
    ],
)
def test_mistakes_are_told(args: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run(*args)
