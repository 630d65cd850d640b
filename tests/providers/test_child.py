"""The supervisor, with small Python scripts for children."""

import asyncio
import logging
import sys
from collections.abc import Callable

import pytest

from llmctl.providers.child import Child

UP = "print('{\"port\": 7}', flush=True)\n"
STAY = "sys.stdin.read()\n"


def child(source: str, ports: list[int] | None = None, *, startup_timeout: float = 10) -> Child:
    ready = (ports if ports is not None else []).append
    command = [sys.executable, "-c", "import sys, time, signal, os\n" + source]
    return Child("model x", command, ready, startup_timeout=startup_timeout, log=logging.getLogger("test.child"))


async def until(true: Callable[[], object], within: float = 10) -> None:
    async with asyncio.timeout(within):
        while not true():
            await asyncio.sleep(0.01)


def told(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the child's own log says: asyncio too may say something of processes, other tests' among them."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("test")]


async def test_it_comes_up_and_is_ended() -> None:
    ports: list[int] = []
    one = child(UP + STAY, ports)
    assert one.reason == "model x is not started"
    one.start()
    one.start()
    assert one.reason == "model x is loading"
    await until(lambda: one.reason is None)
    assert ports == [7]
    assert one.pid
    await one.close()
    assert one.pid is None
    assert one.reason == "model x is closed"
    await one.close()


async def test_a_dead_child_is_started_again_and_its_last_words_are_told(caplog: pytest.LogCaptureFixture) -> None:
    ports: list[int] = []
    one = child(UP + "sys.stderr.write('x' * 100_000 + '\\n' + 'out of memory\\n'); sys.exit(3)", ports)
    one.start()
    await until(lambda: one.restarts >= 2)
    await one.close()
    assert len(ports) >= 2
    said = told(caplog)
    assert "ended with exit code 3" in said[0]
    assert "starting it again in 0.2 s" in said[0]
    assert "starting it again in 0.4 s" in said[1]


async def test_last_words(caplog: pytest.LogCaptureFixture) -> None:
    one = child("sys.stderr.write('out of memory\\n'); os.kill(os.getpid(), 9)")
    one.start()
    await until(lambda: told(caplog))
    assert one.reason is not None
    assert "did not come up" in one.reason
    assert "out of memory" not in one.reason  # clients are told the reason
    assert any("it last said: out of memory" in message for message in told(caplog))
    assert "being started again" in one.reason
    await one.close()


async def test_one_that_does_not_come_up_in_time_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    one = child("time.sleep(60)", startup_timeout=0.3)
    one.start()
    await until(lambda: told(caplog))
    assert "did not come up within 0.3 s" in told(caplog)[0]
    await one.close()


@pytest.mark.parametrize("line", ["hello", "{}", "[]"])
async def test_one_that_does_not_say_its_port_is_ended(line: str, caplog: pytest.LogCaptureFixture) -> None:
    one = child(f"print({line!r}, flush=True)\n" + STAY)
    one.start()
    await until(lambda: told(caplog))
    assert "said no port" in told(caplog)[0]
    await one.close()


async def test_one_that_cannot_be_run(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger("test.child")
    one = Child("model x", ["/nowhere/python"], lambda port: None, startup_timeout=1, log=log)
    one.start()
    await until(lambda: told(caplog))
    assert "could not be started: No such file" in told(caplog)[0]
    await one.close()


async def test_one_that_ignores_sigterm_is_killed() -> None:
    one = child("signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + UP + "time.sleep(60)")
    one.start()
    await until(lambda: one.reason is None)
    async with asyncio.timeout(5):
        await one.close()
    assert one.pid is None


async def test_closing_while_it_loads() -> None:
    one = child("time.sleep(60)")
    one.start()
    await until(lambda: one.pid)
    async with asyncio.timeout(5):
        await one.close()
    assert one.pid is None
