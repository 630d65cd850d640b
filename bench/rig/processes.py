"""Child processes: started, waited for, measured, and ended whatever happens."""

import http.client
import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bench.rig.report import TICK

Command = Sequence[str | Path]


class BenchFailed(Exception):
    """The measurement could not be made or is not to be believed; says why."""


def free_port() -> int:
    """A loopback port that nobody has now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def raise_file_limit() -> int:
    """Allow as many open files as the system lets us, for children too; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def answers(port: int, path: str) -> bool:
    """Whether a GET there is a 200."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


@contextmanager
def process(
    command: Command,
    folder: Path,
    ready: Callable[[], bool],
    *,
    within: float = 30.0,
    poll: float = 0.02,
    env: Mapping[str, str] | None = None,
) -> Iterator[int]:
    """The pid of `command`, run in `folder` once it is ready; its output goes to a log there. Raises BenchFailed."""
    path = folder / f"{Path(command[0]).name}-{time.monotonic_ns()}.log"
    with path.open("wb") as log:
        child = subprocess.Popen(
            [str(word) for word in command],
            cwd=folder,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        give_up = time.monotonic() + within
        while not ready():
            if child.poll() is not None or time.monotonic() > give_up:
                what = f"ended with {child.returncode}" if child.returncode is not None else "is not ready"
                tail = path.read_text("utf-8", "replace")[-2000:]
                raise BenchFailed(f"{command[0]} {what} within {within:.0f} s:\n{tail}")
            time.sleep(poll)
        yield child.pid
        if child.poll() is not None:
            tail = path.read_text("utf-8", "replace")[-2000:]
            raise BenchFailed(f"{command[0]} ended with {child.returncode} while it was measured:\n{tail}")
    finally:
        _end(child)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(10)
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)  # whatever it left behind
    child.wait()


def tree(root: int) -> list[int]:
    """`root` and its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, todo = [], [root]
    while todo:
        found.append(pid := todo.pop())
        todo += children.get(pid, [])
    return found


def cpu_seconds(root: int) -> float:
    """User and system time of a process and its descendants so far. Steps of 10 ms on most systems."""
    total = 0
    for pid in tree(root):
        if fields := _stat(pid):
            total += int(fields[11]) + int(fields[12])
    return total * TICK


def rss_mb(root: int) -> float:
    """Resident memory of a process and its descendants, shared pages counted for each."""
    kib = 0
    for pid in tree(root):
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        kib += sum(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return kib / 1024


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on: [0] state, [1] parent, [11] user ticks, [12] system ticks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
