"""`llmctl chaos run`, as its users run it."""

import json
import signal
import subprocess
import sys
from pathlib import Path

from tests.chaos.drills import written

LLMCTL = [sys.executable, "-c", "from llmctl.commands.main import main; main()", "chaos", "run"]


def env(folder: Path) -> dict[str, str]:
    (folder / "tmp").mkdir()
    return {"PATH": "/usr/bin:/bin", "HOME": str(folder), "TMPDIR": str(folder / "tmp")}


def test_a_drill_with_all_that_it_writes(tmp_path: Path) -> None:
    path, journals, evidence = written(tmp_path), tmp_path / "journals", tmp_path / "evidence.json"
    command = [*LLMCTL, str(path), "--journal", str(journals), "--evidence", str(evidence), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, env=env(tmp_path), check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["passed"] is True
    assert found["experiments"][0]["name"] == "short"
    assert json.loads((journals / "short.json").read_text())["status"] == "completed"
    assert json.loads(evidence.read_text())["n"] == 90
    assert json.loads((tmp_path / "evidence.raw.json").read_text()) == found
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_bar_that_is_missed(tmp_path: Path) -> None:
    path = written(tmp_path, {"world.gateway.routes.chain": {"kind": "fixed", "model": "a"}})
    done = subprocess.run([*LLMCTL, str(path)], capture_output=True, text=True, env=env(tmp_path), check=False)
    assert done.returncode == 3
    assert "short: answered " in done.stdout


def test_that_an_interrupt_puts_everything_right(tmp_path: Path) -> None:
    """SIGTERM while a provider is down."""
    path = written(tmp_path, {"load.seconds": 60, "method": [{"action": "refuse", "provider": "a", "at": 0}]})
    command = [*LLMCTL, str(path), "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env(tmp_path)
    ) as child:
        assert child.stderr is not None
        child.stderr.readline()
        world = _world(tmp_path / "tmp", child)
        child.send_signal(signal.SIGTERM)
        out, _ = child.communicate(timeout=30)
    assert child.returncode == 130
    assert json.loads(out)["experiments"][0]["status"] == "interrupted"
    assert not world.exists()


def _world(folder: Path, child: "subprocess.Popen[str]") -> Path:
    """The world's folder, once its gateway keeps records: the drill is under way."""
    while child.poll() is None:
        for world in folder.glob("llmctl-chaos-*"):
            if list(world.glob("records/*/*")):
                return world
    raise AssertionError("it ended by itself")
