import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from llmctl.commands.main import main
from llmctl.model.record import Record
from tests.commands.keeping import keep

HARD = [
    f"Prove that the theorem about {word} holds." for word in ("rings", "groups", "fields", "graphs", "knots", "sets")
]
EASY = [f"What is the colour of {word}?" for word in ("grass", "snow", "milk", "rust", "coal", "sand")]


def row(prompt: str, at: int) -> dict[str, Any]:
    return {"prompt": f"{prompt} {at}", "good": True, "cheap": prompt in EASY}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [row(prompt, at) for at in range(8) for prompt in HARD + EASY]
    file = tmp_path / "rows.jsonl.gz"
    file.write_bytes(gzip.compress("".join(json.dumps(one) + "\n\n" for one in rows).encode()))
    return file


def code(*args: str) -> object:
    with pytest.raises(SystemExit) as raised:
        main(["route", *args])
    return raised.value.code


def told(capsys: pytest.CaptureFixture[str], *args: str) -> dict[str, Any]:
    assert code(*args, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def models(data: Path) -> tuple[str, ...]:
    return ("--data", str(data), "--weak", "cheap", "--strong", "good")


def test_bench_prints_the_figures_and_the_random_router(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "bench", *models(data), "--resamples", "200")
    assert (found["n"], found["folds"], found["quality"]) == (96, 5, {"weak": 0.5, "strong": 1.0})
    assert found["apgr"] == pytest.approx(0.75, abs=0.01)  # all that can be had: half of the calls recover everything
    assert found["cpt50"] == pytest.approx(25, abs=1)
    assert found["random"]["apgr"] == 0.5
    assert (
        set(found["intervals"])
        == set(found["random"]["intervals"])
        == {"apgr", "cpt50", "cpt80", "saving95", "saving99"}
    )
    assert found["random"]["intervals"]["apgr"][1] < found["intervals"]["apgr"][0]


def test_bench_for_people(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code("bench", *models(data), "--resamples", "100") == 0
    out = capsys.readouterr().out
    assert "96 rows; right: weak 50.0%, strong 100.0%" in out
    assert "CPT(50%)" in out


def test_what_was_trained_is_measured_with_a_warning(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "m.json"
    trained = told(capsys, "train", *models(data), "-o", str(file))
    assert trained["rows"] == 96
    assert trained["tiers"]["medium_from"] < trained["tiers"]["complex_from"]
    assert code("bench", *models(data), "--model", str(file), "--resamples", "100", "--json") == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["fitted_to_these_rows"] is True
    assert "was fitted to these rows" in said.err
    explained = told(capsys, "explain", "Prove that the theorem about rings holds. 3", "--model", str(file))
    assert explained["tier"] != "simple"


def test_the_shipped_model_has_not_seen_the_rows(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "bench", *models(data), "--model", "shipped", "--resamples", "100")
    assert found["fitted_to_these_rows"] is False
    assert "folds" not in found


def test_explain_says_why(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    found = told(capsys, "explain", "Prove that the square root of 2 is irrational.")
    assert found["tier"] == "complex"
    assert found["score"] == pytest.approx(found["strong"] - found["weak"], abs=2e-5)
    assert {"feature", "value", "pull"} == set(found["surface"][0])
    assert "Prove" in [pull["feature"] for pull in found["words"]]
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"What is the capital of France?")))
    assert code("explain") == 0
    assert capsys.readouterr().out.startswith("tier       simple")


@pytest.mark.parametrize(
    ("lines", "what"),
    [
        (["{"], ":1: is not JSON"),
        (["", "[]"], ":2: is not an object"),
        (['{"good": true, "cheap": false}'], ":1: prompt: give a string"),
        (
            ['{"prompt": "a", "good": true, "cheep": false}'],
            ":1: cheap: is not there; the models of this row are good, cheep",
        ),
        (['{"prompt": "a", "good": 0.7, "cheap": false}'], ":1: good: give true where the model was right"),
        ([], "has no rows"),
        (['{"prompt": "a", "good": 1, "cheap": 0}'], "has 1 rows"),
        (["\udcff"], "cannot be read"),
    ],
)
@pytest.mark.parametrize("verb", ["bench", "train"])
def test_bad_rows_are_told_by_line(
    verb: str, lines: list[str], what: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    more = ("-o", str(tmp_path / "m.json")) if verb == "train" else ()
    assert code(verb, *models(file), *more) == 2
    assert what in capsys.readouterr().err
    assert not (tmp_path / "m.json").exists()


def test_errors_teach(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    for args, what in (
        (("bench", "--data", str(data), "--weak", "good", "--strong", "cheap"), "the right way round?"),
        (("bench", "--data", str(data), "--weak", "good", "--strong", "good"), "name two models"),
        (("bench", *models(tmp_path / "none")), "cannot be read: No such file"),
        (("bench", *models(data), "--model", str(tmp_path / "none")), "--model: "),
        (("bench", *models(data), "--model", str(wrong)), "is no complexity model"),
        (("train", *models(data), "-o", str(tmp_path)), "cannot be written"),
        (("explain", "a", "--file", str(wrong)), "not both"),
        (("explain", "--file", str(tmp_path / "none")), "cannot be read"),
        (("explain", "--file", str(data)), "is not UTF-8"),
    ):
        assert code(*args) == 2
        assert what in capsys.readouterr().err


CONFIG = """
providers: {up: {kind: openai, api_key: none}}
models:
  small: {provider: up, model: gpt-4o-mini, context: 1000}
  large: {provider: up, model: gpt-4o, context: 128000}
  own: {provider: up, model: nobody-knows-it}
routes:
  auto:
    kind: complexity
    cheap: small
    smart: large
    rules: [{kind: fixed, model: own, when: {languages: [de]}}]
  trial:
    {kind: fixed, model: small, experiment: {kind: canary, name: x, model: own, percent: 100, subject: request}}
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.delenv("LLMCTL_CONFIG", raising=False)
    file = tmp_path / "gateway.yaml"
    file.write_text(CONFIG)
    return str(file)


def test_explain_says_what_a_route_does(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "explain", "-c", config, "--route", "auto", "Prove that the square root of 2 is irrational.")
    assert (found["route"], found["rule"]) == ("auto", None)
    assert (found["decision"]["model"], found["decision"]["strategy"]) == ("large", "complexity")
    assert found["decision"]["reason"].endswith(": complex")
    small, large = found["candidates"]
    assert small == {"model": "small", "context": 1000, "input_usd": 0.15, "output_usd": 0.6, "lacks": None}
    assert (large["model"], large["context"], large["lacks"]) == ("large", 128000, None)


def test_explain_names_the_rule_that_chose(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    german = "Wie wird das Wetter morgen in den Bergen, und was ziehe ich am besten an?"
    assert code("explain", "-c", config, "--route", "auto", german) == 0
    out = capsys.readouterr().out
    assert "auto, by rules[0]" in out
    assert "model       own" in out
    assert out.splitlines()[-1].split() == ["own", "?", "?", "?"]


def test_explain_says_who_cannot_take_it_and_when_nobody_can(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    found = told(capsys, "explain", "-c", config, "--route", "auto", "word " * 3000)
    assert found["decision"]["model"] == "large"
    assert "context window of 1,000 tokens" in found["candidates"][0]["lacks"]
    refused = told(capsys, "explain", "-c", config, "--route", "small", "word " * 3000)
    assert refused["decision"] is None
    assert "context window of 1,000 tokens" in refused["refused"]
    assert code("explain", "-c", config, "--route", "small", "word " * 3000) == 0
    assert "refused " in capsys.readouterr().out


def test_explain_says_which_arm_a_request_is_in(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert code("explain", "-c", config, "--route", "trial", "hello") == 0
    out = capsys.readouterr().out
    assert "experiment  x, arm canary" in out
    assert "model       own" in out
    assert [line.split()[0] for line in out.splitlines()[-2:]] == ["small", "own"]


def test_explain_refuses_routes_that_are_not_there(config: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert code("explain", "-c", config, "--route", "none", "a") == 2
    assert "there are auto, large, own, small, trial" in capsys.readouterr().err
    assert code("explain", "-c", config, "--route", "auto", "--model", "shipped", "a") == 2
    assert "leave --model out" in capsys.readouterr().err
    Path(config).write_text(CONFIG.replace("smart: large", "smart: larg"))
    assert code("explain", "-c", config, "--route", "auto", "a") == 1
    assert "gateway.yaml:11: routes.auto.smart: no model 'larg'" in capsys.readouterr().err


def test_experiments_is_a_verb_of_route(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert code("experiments", "--traces", str(tmp_path / "none")) == 2
    assert "no such folder" in capsys.readouterr().err


def recorded(folder: Path, count: int) -> Path:
    """A record store with a conversation for each prompt."""
    records = [Record("bare", 0.0, 1, "ok", 200, operation="chat")]
    for at in range(count):
        prompt = (HARD + EASY)[at % 12]
        turns = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"},
                 {"role": "user", "content": f"{prompt} {at // 12}"}]  # fmt: skip
        records.append(Record(f"r{at}", 0.0, 1, "ok", 200, operation="chat", request={"messages": turns}))
    return keep(folder, records)


def test_it_is_fitted_to_records_and_the_labels_of_evals(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    traces, labels = recorded(tmp_path / "records", 96), tmp_path / "labels.jsonl"
    rows = [{"id": f"r{at}", "good": True, "cheap": at % 12 >= 6} for at in range(96)]
    labels.write_text("".join(json.dumps(one) + "\n" for one in rows))
    own, same = tmp_path / "own.json", tmp_path / "same.json"
    told(capsys, "train", *models(labels), "--traces", str(traces), "-o", str(own))
    told(capsys, "train", *models(data), "-o", str(same))
    assert json.loads(own.read_text())["heads"] == json.loads(same.read_text())["heads"]


@pytest.mark.parametrize(
    ("row", "traces", "said"),
    [
        ({"id": "r0"}, False, "name the folder of the records with --traces"),
        ({"id": "gone"}, True, "no record 'gone' in"),
        ({"id": "bare"}, True, "that holds its request"),
    ],
)
def test_rows_whose_prompt_is_not_to_be_found_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], row: dict[str, Any], traces: bool, said: str
) -> None:
    folder, labels = recorded(tmp_path / "records", 1), tmp_path / "labels.jsonl"
    labels.write_text(json.dumps({**row, "good": True, "cheap": False}) + "\n")
    where = ["--traces", str(folder)] if traces else []
    assert code("bench", *models(labels), *where) == 2
    assert f"{labels}:1: " in (err := capsys.readouterr().err)
    assert said in err
