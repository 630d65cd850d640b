"""A gateway process whose wall clock a drill can set: its command line, and the clock that it is given.

The offset stands in a file of eight bytes that both processes have mapped, so that a jump takes effect at once and
needs neither a library to preload nor a privilege. Everything in a gateway that reads the time reads it from
`SystemClock`.
"""

import mmap
import struct
import sys
from pathlib import Path

from llmctl.clock import SystemClock

SIZE = 8
_OFFSET = struct.Struct("<d")
SERVE = (
    "import sys; from pathlib import Path; from llmctl.chaos.launch import jumping; jumping(Path(sys.argv.pop(1)));"
    " from llmctl.commands.main import main; main()"
)
Launcher = tuple[str, ...]


def launcher(offset: Path) -> Launcher:
    """The beginning of a command line that goes on as llmctl's; `offset` is the file with the clock's offset."""
    return sys.executable, "-c", SERVE, str(offset)


def jump(offset: Path, seconds: float) -> None:
    """From now on the clock is so many seconds ahead of the machine's; negative ones behind."""
    mode = "r+b" if offset.exists() else "wb"
    with offset.open(mode) as file:
        file.write(_OFFSET.pack(seconds))


def jumping(offset: Path) -> None:
    """For the gateway's own process, before it is made: have its wall clock follow the file."""
    with offset.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), SIZE, prot=mmap.PROT_READ)
    wall = SystemClock.wall

    def jumped() -> float:
        ahead: float = _OFFSET.unpack(mapped[:SIZE])[0]
        return wall() + ahead

    SystemClock.wall = staticmethod(jumped)
