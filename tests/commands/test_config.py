import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from llmctl.commands.main import main
from llmctl.config.load import Loaded
from llmctl.errors import ConfigError

GOOD = "providers: {p: {kind: scripted, api_key: '${KEY:-0123456789}'}}\nmodels: {m: {provider: p}}\n"


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLMCTL_CONFIG", raising=False)
    Path("gateway.yaml").write_text(GOOD)
    stub_build(monkeypatch, lambda loaded: None)


def stub_build(monkeypatch: pytest.MonkeyPatch, check: Callable[[Loaded], None]) -> None:
    module = ModuleType("llmctl.gateway.build")
    module.check = check  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "llmctl.gateway.build", module)


def code(*args: str) -> object:
    with pytest.raises(SystemExit) as raised:
        main(["config", *args])
    return raised.value.code


def test_check_says_ok_with_the_policy_digest(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("check") == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("gateway.yaml: ok (policy ")
    assert printed.err == ""


def test_check_prints_warnings_apart(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gateway.yaml").write_text(GOOD + "telemetry: {}\n".replace("telemetry", "server"))
    Path("other.yaml").write_text("providers: {p: {kind: x}, q: {kind: x}}\nmodels: {m: {provider: p}}\n")
    assert code("check", "-c", "other.yaml") == 0
    assert capsys.readouterr().err.startswith("warning: other.yaml:1: providers.q: ")
    assert code("check", "-c", "other.yaml", "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is True
    assert len(document["warnings"]) == 1
    assert len(document["policy"]) == 32


def test_check_of_a_bad_file(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gateway.yaml").write_text("models: {}")
    assert code("check") == 1
    assert "gateway.yaml:1: models: needs at least one entry" in capsys.readouterr().err
    assert code("check", "--json") == 1
    document = json.loads(capsys.readouterr().out)
    assert document["ok"] is False
    assert len(document["findings"]) == 2


def test_check_builds(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(loaded: Loaded) -> None:
        raise ConfigError([loaded.finding(("providers", "p", "kind"), "no such kind")])

    stub_build(monkeypatch, refuse)
    assert code("check") == 1
    assert capsys.readouterr().err == "gateway.yaml:1: providers.p.kind: no such kind\n"


def test_without_a_file_it_says_how_to_make_one(capsys: pytest.CaptureFixture[str]) -> None:
    Path("gateway.yaml").unlink()
    assert code("check") == 1
    assert "llmctl init" in capsys.readouterr().err


def test_the_file_may_come_from_the_environment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("gateway.yaml").rename("named.yaml")
    monkeypatch.setenv("LLMCTL_CONFIG", "named.yaml")
    assert code("check") == 0
    assert capsys.readouterr().out.startswith("named.yaml: ok")


def test_show_masks(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("show") == 0
    assert "api_key: '********'" in capsys.readouterr().out
    assert code("show", "--json", "--defaults") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["providers"]["p"]["api_key"] == "********"
    assert document["server"]["port"] == 8080


def test_schema_knows_every_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert code("schema") == 0
    definitions = json.loads(capsys.readouterr().out)["$defs"]
    assert "routes-weighted" in definitions
    assert "providers-openai" in definitions
    assert "languages" in definitions["routes.rules.when"]["properties"]
    assert "percent" in definitions["routes.experiment-canary"]["properties"]
    assert "quantile" in definitions["routes.hedge"]["properties"]
    assert "breaker" in definitions["resilience"]["properties"]


def test_diff(capsys: pytest.CaptureFixture[str]) -> None:
    Path("new.yaml").write_text(
        GOOD.replace("scripted", "openai") + "routes: {r: {kind: fixed}}\nserver: {port: 8080}\n"
    )
    assert code("diff", "gateway.yaml", "new.yaml") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == "~ providers.p.kind: scripted -> openai"
    assert second.startswith("+ routes.r: {'kind': 'fixed', ")
    assert code("diff", "new.yaml", "gateway.yaml", "--json") == 0
    changes = json.loads(capsys.readouterr().out)
    assert [(c["change"], c["path"]) for c in changes] == [("changed", "providers.p.kind"), ("removed", "routes.r")]
    assert code("diff", "new.yaml", "new.yaml") == 0
    assert capsys.readouterr().out == "no difference in meaning\n"
