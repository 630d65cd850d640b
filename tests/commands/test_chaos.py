"""`llmctl chaos`: list, check."""

import json
import re
from pathlib import Path

import pytest

from llmctl.chaos.checked import checked
from llmctl.commands.main import main
from llmctl.config.secrets import Environment
from tests.chaos.drills import written

SHIPPED = Path(__file__).parents[2] / "configs" / "chaos"


def run(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as ended:
        main(["chaos", *args])
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_the_list(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "list", str(SHIPPED))
    assert code == 0
    assert "provider-down" in out
    code, out, _ = run(capsys, "list", str(SHIPPED), "--json")
    rows = json.loads(out)
    assert {"name", "description", "seconds", "file"} == set(rows[0])
    assert len(rows) == len(list(SHIPPED.glob("*.yaml")))


def test_a_folder_with_none(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "list", str(tmp_path))
    assert (code, err.startswith("error: ")) == (2, True)
    assert "there are no experiments" in err


def test_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = written(tmp_path)
    assert run(capsys, "check", str(path)) == (0, f"{path}: short is in order\n", "")
    code, out, _ = run(capsys, "check", str(path), "--json")
    assert (code, json.loads(out)) == (0, [{"file": str(path), "name": "short", "ok": True}])
    wrong = written(tmp_path, {"load.rout": 1})
    code, _, err = run(capsys, "check", str(wrong))
    assert code == 1
    assert f"{wrong}:" in err
    assert "did you mean route?" in err


def test_that_the_documentations_examples_are_in_order(tmp_path: Path) -> None:
    (tmp_path / "gateway.yaml").write_text(
        "providers: {openai: {kind: openai}}\nmodels: {m: {provider: openai}}\n"
        "routes: {default: {kind: fixed, model: m}}\n"
    )
    blocks = re.findall(r"```yaml\n(.*?)```", (SHIPPED.parents[1] / "docs" / "chaos.md").read_text(), re.DOTALL)
    assert len(blocks) == 2
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.yaml"
        path.write_text(block)
        assert checked(path, Environment({})).config.name in ("provider-hanging", "mine")
