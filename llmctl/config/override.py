"""What the command line says instead of the file."""

from dataclasses import replace

from llmctl.config.checks import is_loopback
from llmctl.config.load import Loaded
from llmctl.errors import UsageError


def override(loaded: Loaded, *, host: str | None, port: int | None, workers: int | None) -> Loaded:
    """`loaded` with these in place of its own. Raises UsageError where that would be unsafe."""
    changes = {
        name: value for name, value in {"host": host, "port": port, "workers": workers}.items() if value is not None
    }
    if not changes:
        return loaded
    if host is not None and not is_loopback(host) and not loaded.config.keys:
        raise UsageError(
            f"--host {host} without keys: anyone who reaches this address could call; "
            "add a key (`llmctl keys new`) or bind 127.0.0.1"
        )
    server = loaded.config.server.model_copy(update=changes)
    return replace(loaded, config=loaded.config.model_copy(update={"server": server}))
