"""A process whose wall clock jumps."""

import subprocess
import sys
from pathlib import Path

from llmctl.chaos.launch import jump, launcher
from llmctl.clock import SystemClock

WATCH = """
import sys
from pathlib import Path
from llmctl.chaos.launch import jumping
from llmctl.clock import SystemClock
jumping(Path(sys.argv[1]))
clock = SystemClock()
for _ in sys.stdin:
    print(clock.wall(), clock.monotonic(), flush=True)
"""


def test_that_another_process_follows_each_jump_and_its_monotonic_clock_does_not(tmp_path: Path) -> None:
    offset = tmp_path / "clock"
    jump(offset, 0.0)
    clock = SystemClock()
    with subprocess.Popen(
        [sys.executable, "-c", WATCH, str(offset)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for seconds in (0.0, 3600.0, -3600.0, 0.0):
            jump(offset, seconds)
            child.stdin.write("\n")
            child.stdin.flush()
            wall, monotonic = map(float, child.stdout.readline().split())
            assert abs(wall - clock.wall() - seconds) < 1
            assert abs(monotonic - clock.monotonic()) < 1
        child.stdin.close()


def test_that_the_command_line_goes_on_as_llmctls(tmp_path: Path) -> None:
    offset = tmp_path / "clock"
    jump(offset, 0.0)
    done = subprocess.run([*launcher(offset), "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("llmctl ")
