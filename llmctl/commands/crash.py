"""What happens to a bug: its traceback goes to a file, and the user is told which."""

import os
import platform
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path

from llmctl import __version__
from llmctl.clock import Clock
from llmctl.config.secrets import Environment


def report(error: Exception, env: Environment, clock: Clock) -> str:
    """Write the traceback below $LLMCTL_LOG_DIR or .llmctl, and return what to tell the user. Never raises."""
    trace = "".join(traceback.format_exception(error))
    at = datetime.fromtimestamp(clock.wall(), UTC)
    text = f"llmctl {__version__}, Python {platform.python_version()}, {platform.platform()}, {at.isoformat()}\n{trace}"
    told = f"error: this is a bug in llmctl ({type(error).__name__})."
    for folder in (Path(env.get("LLMCTL_LOG_DIR") or ".llmctl"), Path(tempfile.gettempdir())):
        path = folder / f"crash-{at:%Y%m%dT%H%M%SZ}-{os.getpid()}.log"
        try:
            _write(path, text)
        except OSError:
            continue
        return f"{told} The traceback is in {path}; please report it with that file."
    return f"{told} No file for the traceback could be written; here it is:\n{trace}"


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Exclusive, so that a link planted in a shared folder is not followed; private, as a message may hold data.
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
