import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from llmctl.commands.speculate import app, tell
from llmctl.commands.speculate_bench import COPYING, FREE, Asked, Said, figures, run
from llmctl.errors import CheckFailed, UsageError
from llmctl.model.record import Record
from llmctl.providers.local import model_file
from llmctl.providers.speculative import DraftOptions, NgramOptions
from tests.reports.keeping import record, write

NGRAM = NgramOptions(kind="ngram", max_tokens=4, min_match=2)
POEM = "The lamp burns low on the harbour wall and the boats lie still in the bay until the tide comes in again."


def llmctl(*args: str) -> Result:
    return CliRunner().invoke(app, args)


def chat(number: int, asked: str, answered: str, **changes: Any) -> Record:
    return record(
        number,
        operation="chat",
        request={"messages": [{"role": "user", "content": asked}]},
        response={"choices": [{"message": {"role": "assistant", "content": answered}}]},
        **changes,
    )


@pytest.fixture
def traces(tmp_path: Path) -> str:
    copies = [chat(at, f"Repeat this: {POEM}", POEM, requested_model="copy") for at in range(8)]
    words = ["mountain", "river", "candle", "seven", "orange", "window", "paper"]
    talk = [chat(at + 10, "Tell me something.", " ".join(words[at:])) for at in range(5)]
    write(tmp_path, [*copies, *talk, chat(20, "", "", requested_model="copy"), record(21)])
    return str(tmp_path)


def test_predict_tells_where_it_is_worth_it(traces: str) -> None:
    result = llmctl("predict", "--traces", traces)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "last 3 were there before, over 13 records" in lines[0]
    copy, talk = (line.split() for line in lines[2:4])
    assert copy[:4] == ["copy", "small", "enable", "8"]
    assert talk[:5] == ["fast", "small", "leave", "off", "5"]
    assert "not the model's own" in result.stdout
    assert "under load, or on a small machine" in result.stdout
    assert "left out: 1 without text in the answer, 1 without their content" in result.stdout


def test_predict_as_json_of_one_route(traces: str) -> None:
    result = llmctl("predict", "--traces", traces, "--route", "copy", "--max-tokens", "5", "--min-match", "2", "--json")
    told = json.loads(result.stdout)
    (one,) = told["predictions"]
    assert (told["max_tokens"], told["min_match"], one["route"], one["n"]) == (5, 2, "copy", 8)
    assert one["verdict"] == "enable"
    assert one["tokens_per_step"] > 3
    assert one["acceptance"] == 1
    assert llmctl("predict", "--traces", traces, "--model", "none").stdout.startswith("no recorded prompts")
    assert "over 2 records" in llmctl("predict", "--traces", traces, "--limit", "4").stdout


def test_predict_refuses_what_no_engine_would_do(traces: str, tmp_path: Path) -> None:
    result = llmctl("predict", "--traces", traces, "--max-tokens", "2")
    assert isinstance(result.exception, UsageError)
    assert "below min_match 3" in str(result.exception)
    result = llmctl("predict", "--traces", str(tmp_path / "absent"))
    assert isinstance(result.exception, UsageError)


def test_flags() -> None:
    quoted = llmctl("flags", "--max-tokens", "5", "--min-match", "4").stdout
    assert quoted.startswith("--speculative-config '{")
    assert json.loads(quoted.split("'")[1])["num_speculative_tokens"] == 5
    args = ("flags", "--engine", "llama-server", "--kind", "draft", "--draft-model", "a b.gguf")
    assert "--spec-draft-model 'a b.gguf'" in llmctl(*args).stdout
    assert json.loads(llmctl(*args, "--json").stdout)["arguments"][:2] == ["--spec-type", "draft-simple"]


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--kind", "draft"), "--kind draft needs --draft-model"),
        (("--draft-model", "m"), "--draft-model has no meaning for --kind ngram"),
        (("--min-probability", "0.5"), "--min-probability has no meaning for --kind ngram"),
        (("--max-tokens", "65"), "--max-tokens: must be less than or equal to 64"),
        (("--min-match", "9", "--engine", "llama-server"), "guesses nothing"),
        (("--kind", "draft", "--draft-model", "m", "--min-probability", "0.5"), "vLLM always guesses"),
    ],
)
def test_flags_that_mean_nothing_are_refused(args: tuple[str, ...], said: str) -> None:
    result = llmctl("flags", *args)
    assert isinstance(result.exception, UsageError)
    assert said in str(result.exception)


@pytest.mark.parametrize("kind", ["ngram", "draft"])
def test_the_real_model_says_the_same_either_way(kind: str) -> None:
    said: list[str] = []
    options = NGRAM if kind == "ngram" else DraftOptions(kind="draft", model=str(model_file(None)), max_tokens=3)
    questions = ((True, "Repeat: one two three four, one two three four, one two."), (False, "Say hi."))
    found = run(None, None, options, 1, 16, said.append, questions)
    assert found["lossless"] is True
    assert len(said) == 2
    copying = found["questions"]["copying"]
    assert copying["drafted"] >= copying["accepted"] > 0
    assert copying["tokens_per_step"] > 1
    if kind == "ngram":
        assert copying["tokens_per_step_predicted"] == pytest.approx(copying["tokens_per_step"], rel=0.15)
    assert found["questions"]["all"]["n"] == 2
    assert found["questions"]["all"]["tokens_per_s"]["value"] > 0


def test_a_model_that_cannot_be_loaded_is_the_users_mistake(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        run(str(tmp_path / "absent.gguf"), None, NGRAM, 1, 4, lambda _: None)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF\x03\x00\x00\x00" + bytes(100))
    with pytest.raises(UsageError, match="did not come up"):
        run(str(broken), None, NGRAM, 1, 4, lambda _: None)
    with pytest.raises(UsageError, match="guesses nothing"):
        run(None, None, NgramOptions(kind="ngram", max_tokens=1, min_match=2), 1, 4, lambda _: None)


def asked(question: str, ms: float, tokens: tuple[int, ...] = (1, 2, 3, 4, 5), *, copying: bool = True) -> Asked:
    without = Said((1, 2, 3, 4, 5), 40.0, 100.0, 0, 0)
    return Asked(copying, question, [9, 1, 2, 3, 4, 5], [without], [Said(tokens, ms, 80.0, 4, 2)])


def measured(*rows: Asked) -> dict[str, Any]:
    about = {"model": "m", "speculative": NGRAM.model_dump(), "rounds": 1, "answer_tokens": 5}
    return {**about, **figures(rows, NGRAM)}


def test_figures() -> None:
    found = measured(asked("a", 20), asked("b", 20), asked("c", 60, copying=False))
    assert (found["lossless"], found["differing"]) == (True, [])
    copying, free, every = (found["questions"][name] for name in ("copying", "free", "all"))
    assert copying["tokens_per_s_without"] == {"value": 100.0, "interval": [100.0, 100.0]}
    assert copying["ratio"] == {"value": 2.0, "interval": [2.0, 2.0]}
    assert copying["whole_call_ratio"]["value"] == 1.25
    assert (copying["drafted"], copying["accepted"], copying["tokens_per_step"]) == (8, 4, 2.0)
    assert free["ratio"]["value"] == pytest.approx(0.667)
    assert every["n"] == 3
    assert every["ratio"]["value"] == 1.2
    assert every["ratio"]["interval"][0] < 1.2 < every["ratio"]["interval"][1]


def test_one_token_that_differs_fails(capsys: pytest.CaptureFixture[str]) -> None:
    found = measured(asked("a", 20), asked("b\nc", 20, (1, 2, 3, 4, 6)))
    with pytest.raises(CheckFailed, match="not lossless: 1 of 2 questions") as caught:
        tell(found, json=False)
    assert caught.value.exit_code == 3
    shown = capsys.readouterr().out
    assert "Answers are NOT the same:\n  b c\n" in shown
    with pytest.raises(CheckFailed):
        tell(found, json=True)
    assert json.loads(capsys.readouterr().out)["differing"] == ["b\nc"]


def test_what_is_found_is_said_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    tell(measured(asked("a", 80)), json=False)
    shown = capsys.readouterr().out
    assert "the same, token for token" in shown
    assert "0.50 (0.50 to 0.50)" in shown
    assert "slower here; leave it off" in shown
    row = asked("a", 40)
    silent = row._replace(speculating=[row.speculating[0]._replace(drafted=0, accepted=0)])
    tell(measured(silent), json=False)
    assert "Nothing was guessed" in capsys.readouterr().out


def test_there_are_questions_that_copy_and_that_do_not() -> None:
    assert len(COPYING) == len(FREE) == 6
    assert len({*COPYING, *FREE}) == 12
