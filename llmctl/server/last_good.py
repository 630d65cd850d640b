"""The files that the configuration in force was read from, for a worker that is started while they are spoilt.

They lie in the folder that workers share, which only this user can enter and which ends with the supervisor.
"""

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec

from llmctl.config.load import Loaded

NAME = "last-good.json"


def keep(folder: Path, loaded: Loaded) -> None:
    """Write them down; of several workers each writes the same. Raises OSError."""
    new = folder / f"{NAME}.{os.getpid()}"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(msgspec.json.encode({str(path): text for path, text in loaded.texts.items()}))
    new.replace(folder / NAME)


def kept(folder: Path) -> Mapping[Path, str] | None:
    """What was written down, if anything was."""
    try:
        found = msgspec.json.decode((folder / NAME).read_bytes(), type=dict[str, str])
    except (OSError, msgspec.MsgspecError):
        return None
    return {Path(path): text for path, text in found.items()}
