import os
import subprocess
import sys
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
import typer

from llmctl import __version__
from llmctl.commands import main as entry
from llmctl.errors import CheckFailed, ConfigError, LlmctlError, StoreError, UsageError

ROOT = Path(__file__).parent.parent.parent
FORBIDDEN = (
    "pydantic",
    "numpy",
    "locust",
    "duckdb",
    "httpx",
    "rich",
    "yaml",
    "msgspec",
    "uvicorn",
    "starlette",
    "asyncio",
)
PROBE = """
import sys
from llmctl.commands.main import main
try:
    main(sys.argv[1:])
except SystemExit:
    pass
print(",".join(sorted(sys.modules)), file=sys.stderr)
"""


def run(*args: str, program: str = PROBE, **variables: str) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    command = [sys.executable, "-c", program, *args]
    return subprocess.run(command, capture_output=True, text=True, env=env, check=False, timeout=60)


@pytest.mark.parametrize("args", [("--help",), ("--version",), (), ("nonsense",)])
def test_help_imports_no_command_and_nothing_large(args: tuple[str, ...]) -> None:
    modules = set(run(*args).stderr.strip().splitlines()[-1].split(","))
    assert not modules & set(FORBIDDEN)
    assert not modules & {verb.module for verb in entry.VERBS.values()}


def test_help_is_quick() -> None:
    def once() -> float:
        started = time.perf_counter()
        run("--help", program="from llmctl.commands.main import main; main()")
        return time.perf_counter() - started

    assert min(once() for _ in range(5)) < 0.2


def test_help_lists_every_verb() -> None:
    text = run("--help").stdout
    for name, verb in entry.VERBS.items():
        assert f"  {name} " in text
        assert verb.help in text


@pytest.mark.parametrize("name", entry.VERBS)
def test_every_verb_loads_and_says_what_the_table_says(name: str) -> None:
    verb = entry.VERBS[name]
    import_module(verb.module)
    result = run(name, "--help")
    assert result.returncode == 0
    assert result.stdout.startswith(f"Usage: llmctl {name} ")
    assert verb.help.rstrip(".") in result.stdout


def test_version() -> None:
    assert run("--version").stdout == f"llmctl {__version__}\n"


def test_a_misspelt_verb_is_corrected() -> None:
    result = run("confg", program="from llmctl.commands.main import main; main()")
    assert result.returncode == 2
    assert "Did you mean 'config'?" in result.stderr


@pytest.mark.parametrize(
    ("words", "offers"),
    [("llmctl con", {"config"}), ("llmctl config s", {"show", "schema"}), ("llmctl keys ", {"new"})],
)
def test_the_shell_completes(words: str, offers: set[str]) -> None:
    program = "from llmctl.commands.main import main; main()"
    last = str(len(words.split(" ")) - 1)
    result = run(program=program, _LLMCTL_COMPLETE="complete_bash", COMP_WORDS=words, COMP_CWORD=last)
    assert set(result.stdout.split()) == offers


def raising(error: BaseException) -> Callable[[], None]:
    def command() -> None:
        raise error

    return command


def outcome(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> object:
    monkeypatch.setattr(entry, "_command", lambda name: command_of(raising(error)))
    with pytest.raises(SystemExit) as raised:
        entry.main(["init"])
    return raised.value.code


def command_of(function: Callable[[], None]) -> object:
    single = typer.Typer()
    single.command()(function)
    return typer.main.get_command(single)


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UsageError("no such thing"), 2, "error: no such thing\n"),
        (CheckFailed("too slow"), 3, "error: too slow\n"),
        (StoreError("disk"), 1, "error: disk\n"),
        (ConfigError(["a.yaml:1: x: y", "a.yaml:2: z"]), 1, "a.yaml:1: x: y\na.yaml:2: z\n"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_what_is_not_a_bug_is_a_message_and_a_code(
    error: LlmctlError, code: int, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(monkeypatch, error) == code
    assert capsys.readouterr().err == text


def test_a_bug_leaves_a_traceback_in_a_file_and_none_on_the_screen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LLMCTL_LOG_DIR", str(tmp_path))
    assert outcome(monkeypatch, RuntimeError("boom")) == 1
    (log,) = tmp_path.iterdir()
    error = capsys.readouterr().err
    assert str(log) in error
    assert "bug" in error
    assert "Traceback" not in error
    assert "RuntimeError: boom" in log.read_text()


def test_a_reader_that_went_away_is_no_error_message() -> None:
    program = "from llmctl.commands.main import main; main()"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = f"{sys.executable} -c '{program}' config schema | head -c 1"
    result = subprocess.run(
        ["/bin/sh", "-c", command], capture_output=True, text=True, env=env, check=False, timeout=60
    )
    assert result.stderr == ""
    assert result.stdout == "{"


def test_nothing_is_coloured() -> None:
    for result in (
        run("--help", FORCE_COLOR="1"),
        run("nonsense", FORCE_COLOR="1"),
        run("init", "--help", NO_COLOR="1"),
    ):
        assert "\x1b" not in result.stdout + result.stderr
