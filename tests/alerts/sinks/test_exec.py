"""A program of one's own, told by its standard input."""

import asyncio
import json
import os
import resource
from pathlib import Path

import pytest

from llmctl.alerts.notify import ExecOptions
from llmctl.alerts.sinks.base import NotDelivered
from llmctl.alerts.sinks.exec import ENVIRONMENT, Exec
from tests.alerts.telling import SINCE, alert, resolve, trigger


def shell(script: str, *arguments: str, timeout: float = 5.0) -> Exec:
    return Exec(ExecOptions(command=["/bin/sh", "-c", script, *arguments], timeout=timeout), "gw-1")


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_it_gets_json_and_next_to_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    sink = shell(f"cat > {tmp_path}/told; env > {tmp_path}/env; pwd > {tmp_path}/cwd")
    await sink.deliver(trigger(repeat=True))
    assert json.loads((tmp_path / "told").read_text()) == {
        "status": "firing",
        "repeat": True,
        "at": SINCE,
        "key": alert().key,
        "name": "LlmctlGuardsBurn1h",
        "severity": "page",
        "service": "llmctl",
        "slo": "guards",
        "labels": {"guard": "a"},
        "summary": alert().summary,
        "description": alert().description,
        "runbook": "runbooks/guard-failures.md",
        "value": 0.02,
        "since": SINCE,
        "host": "gw-1",
    }
    names = {line.partition("=")[0] for line in (tmp_path / "env").read_text().splitlines()}
    assert names <= {*ENVIRONMENT, "PWD", "OLDPWD", "_", "SHLVL"}
    assert (tmp_path / "cwd").read_text() == "/\n"
    await sink.deliver(resolve())
    assert json.loads((tmp_path / "told").read_text())["status"] == "resolved"


async def test_arguments_are_no_shell(tmp_path: Path) -> None:
    path = tmp_path / "a b; touch evil"
    await Exec(ExecOptions(command=["/usr/bin/tee", str(path)]), "gw-1").deliver(trigger())
    assert json.loads(path.read_text())["key"] == alert().key
    assert sorted(os.listdir(tmp_path)) == [path.name]


@pytest.mark.parametrize(
    ("script", "said", "retryable"),
    [
        ("echo no such pager >&2; exit 1", "/bin/sh: ended with status 1: no such pager", False),
        ("exit 75", "/bin/sh: ended with status 75", True),
        ("kill -9 $$", "/bin/sh: killed by signal 9", True),
        ("yes complaint >&2 & sleep 0.05; kill $!; exit 3", "/bin/sh: ended with status 3: complaint", False),
    ],
)
async def test_how_it_ends_is_how_it_went(script: str, said: str, retryable: bool) -> None:
    with pytest.raises(NotDelivered) as caught:
        await shell(script).deliver(trigger())
    assert caught.value.message.startswith(said)
    assert len(caught.value.message) < 300
    assert caught.value.retryable is retryable


@pytest.mark.parametrize(("limit", "retryable"), [(0, True), (None, False)])
async def test_what_this_machine_has_too_little_of_may_come_back(limit: int | None, retryable: bool) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    sink = Exec(ExecOptions(command=["/nowhere/page"]), "gw-1")
    try:
        if limit is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, before[1]))
        with pytest.raises(NotDelivered) as caught:
            await sink.deliver(trigger())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert caught.value.retryable is retryable


async def test_it_need_not_read(tmp_path: Path) -> None:
    await shell("exec 0<&-; exit 0").deliver(trigger(description="x" * 1_000_000))


async def test_too_long_is_killed_with_all_it_started(tmp_path: Path) -> None:
    sink = shell(f"sleep 60 & echo $! > {tmp_path}/child; sleep 60", timeout=0.2)
    with pytest.raises(NotDelivered, match=r"^/bin/sh: not done within 0.2 s, and killed$") as caught:
        await sink.deliver(trigger())
    assert caught.value.uncertain
    child = int((tmp_path / "child").read_text())
    for _ in range(100):
        if not alive(child):
            return
        await asyncio.sleep(0.01)
    pytest.fail("the child lives on")


async def test_cancelled_it_is_killed_too(tmp_path: Path) -> None:
    task = asyncio.create_task(
        shell(f"echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; sleep 60").deliver(trigger())
    )
    while not (tmp_path / "pid").exists():
        await asyncio.sleep(0.005)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(int((tmp_path / "pid").read_text()))
