"""`llmctl serve` as its users run it: a process of its own, on a free port."""

import json
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

START_WITHIN = 60.0
STOP_WITHIN = 60.0


@dataclass
class Served:
    """A running `llmctl serve`. `log` holds the operational log's events so far."""

    process: "subprocess.Popen[str]"
    port: int
    folder: Path
    log: list[dict[str, Any]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def records(self) -> Path:
        """The record store's folder."""
        return self.folder / "records"

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log's events of this name."""
        return [event for event in self.log if event.get("event") == name]

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(STOP_WITHIN)


@contextmanager
def serve(text: str, folder: Path, args: Sequence[str] = (), env: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Serve the configuration in `text` from `folder`, on a free port, with records in `folder/records`.

    Raises RuntimeError with what it printed, if it does not come up.
    """
    path = folder / "gateway.yaml"
    path.write_text(dedent(text))
    command = [sys.executable, "-c", "from llmctl.commands.main import main; main()", "serve", "-c", str(path)]
    with (folder / "stderr.txt").open("w") as stderr:
        process = subprocess.Popen(  # noqa: S603  # our own command line
            [*command, "--port", "0", *args],
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
            cwd=folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(folder), **(env or {})},
        )
    served = Served(process, 0, folder)
    listening: queue.Queue[int | None] = queue.Queue()
    reader = threading.Thread(target=_follow, args=(process, served.log, listening), daemon=True)
    reader.start()
    try:
        served.port = _port(listening, served)
        yield served
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(STOP_WITHIN)
        reader.join(5)
        assert process.stdout is not None
        process.stdout.close()


def _port(listening: "queue.Queue[int | None]", served: Served) -> int:
    try:
        port = listening.get(timeout=START_WITHIN)
    except queue.Empty:
        port = None
    if port is None:
        raise RuntimeError(f"llmctl serve did not come up:\n{(served.folder / 'stderr.txt').read_text()}\n{served.log}")
    return port


def _follow(process: "subprocess.Popen[str]", log: list[dict[str, Any]], listening: "queue.Queue[int | None]") -> None:
    assert process.stdout is not None
    for line in process.stdout:
        try:
            event = json.loads(line)
        except ValueError:
            event = {"event": "not_json", "line": line}
        log.append(event)
        if event.get("event") == "serving":
            listening.put(event["port"])
    listening.put(None)
