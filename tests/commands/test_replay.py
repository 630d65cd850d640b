"""`llmctl replay`."""

import json
from pathlib import Path

import pytest

from llmctl.commands.main import main
from llmctl.testing.process import serve

CONFIG = """
    providers: {up: {kind: scripted}}
    models: {m: {provider: up}, n: {provider: up}}
    records: {dir: records}
"""
AWAY = (
    'providers: {up: {kind: openai, base_url: "https://api.example.com/v1", api_key: k}}\nmodels: {m: {provider: up}}\n'
)


@pytest.fixture(name="exported", scope="module")
def _exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import httpx

    folder = tmp_path_factory.mktemp("replay")
    with serve(CONFIG, folder) as served:
        for number in range(5):
            asked = {"model": "m", "messages": [{"role": "user", "content": f"What is {number}?"}]}
            httpx.post(f"{served.url}/v1/chat/completions", json=asked).raise_for_status()
        served.stop()
    return folder


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["replay", *args])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_records_against_a_configuration(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config, out = str(exported / "gateway.yaml"), tmp_path / "results.jsonl"
    code, said, err = run(
        capsys, str(exported / "records"), "-c", config, "--speed", "100", "--out", str(out), "--json"
    )
    assert code == 0, err
    told = json.loads(said)
    assert (told["asked"], told["states"], told["answers"]["exact"]["estimate"]) == (5, {"ok": 5}, 1.0)
    assert len(out.read_text().splitlines()) == 11
    code, _, err = run(capsys, str(exported / "records"), "-c", config, "--out", str(out))
    assert code == 2
    assert "is there already" in err


def test_some_of_them_of_another_model(exported: Path, capsys: pytest.CaptureFixture[str]) -> None:
    args = [str(exported / "records"), "-c", str(exported / "gateway.yaml"), "--closed", "2", "--model", "n", "-n", "3"]
    code, said, err = run(capsys, *args, "--where", "model=m", "--score", "levenshtein", "--json")
    assert code == 0, err
    assert json.loads(said)["models"] == {"n": 3}
    code, said, err = run(capsys, *args, "--where", "model=nobody")
    assert (code, said.splitlines()[0]) == (0, "asked       0: nothing (then 0 failed)"), err


def test_money_is_not_spent_unasked(exported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    away = tmp_path / "away.yaml"
    away.write_text(AWAY)
    for target in (["-c", str(away)], ["--url", "https://api.example.com"]):
        code, _, err = run(capsys, str(exported / "records"), *target)
        assert code == 2
        assert "5 requests would be asked" in err
        assert "--max-cost" in err


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ((), "--config FILE, or --url URL"),
        (("-c", "a", "--url", "b"), "--config FILE, or --url URL"),
        (("--url", "http://127.0.0.1:9", "--key-env", "NO_SUCH_KEY"), "no NO_SUCH_KEY"),
        (("--url", "http://127.0.0.1:9", "--where", "modle=m"), "modle"),
        (("--url", "http://127.0.0.1:9", "--score", "levenshtien"), "did you mean levenshtein"),
        (("--url", "http://127.0.0.1:9", "--kind", "har", "--since", "1h"), "choose among records"),
    ],
)
def test_mistakes_are_told(
    args: tuple[str, ...], said: str, exported: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, str(exported / "records"), *args)
    assert code == 2
    assert said in err
    assert "Traceback" not in err
