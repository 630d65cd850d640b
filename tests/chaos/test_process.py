"""The process of a gateway that does not come up."""

import sys
from pathlib import Path

import pytest

from llmctl.chaos.process import GatewayProcess, WorldFailed


async def test_that_one_which_ends_at_once_says_why(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import sys; sys.exit('no such luck')")
    gateway = GatewayProcess(command, tmp_path / "gateway.yaml")
    with pytest.raises(WorldFailed, match="no such luck"):
        await gateway.start()
    await gateway.end()
    assert not gateway.running


async def test_that_what_it_says_is_kept(tmp_path: Path) -> None:
    said = 'print("words"); print(\'{"event": "serving", "port": 7}\', flush=True); import time; time.sleep(60)'
    gateway = GatewayProcess((sys.executable, "-c", said), tmp_path / "gateway.yaml")
    await gateway.start()
    assert (gateway.port, gateway.starts, gateway.running) == (7, 1, True)
    assert gateway.log == [{"event": "serving", "port": 7}]
    await gateway.end()
    assert not gateway.running
