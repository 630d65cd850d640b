"""`llmctl serve` as a process of its own, with a configuration made for the occasion."""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.rig.processes import Command, answers, free_port, process
from llmctl.config.keys import new_key

LLMCTL = Path(sys.executable).with_name("llmctl")
MODEL = "mock"
STRONG = "strong"
SMART = "smart"
"""The name of a route that chooses between two models by complexity, with retries, breakers and fallbacks."""


@dataclass(frozen=True, slots=True)
class Served:
    """A running gateway."""

    pid: int
    port: int
    key: str
    seconds_to_ready: float

    @property
    def authorization(self) -> dict[str, str]:
        """The header that lets a request in."""
        return {"authorization": f"Bearer {self.key}"}

    def request(self, body: bytes) -> bytes:
        """A chat request on the wire."""
        return (
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer %b\r\n"
            b"content-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (self.key.encode(), len(body), body)
        )


@contextmanager
def served(
    scratch: Path, upstream: int | None, *, workers: int = 1, preset: str = "none", **more: Any
) -> Iterator[Served]:
    """A gateway before `upstream` (none: canned answers), with a key, metrics and records with redacted content.

    `preset` is the guardrails'; `more` are further sections of the configuration.
    """
    port = free_port()
    folder = scratch / f"llmctl-{port}"
    folder.mkdir()
    key, entry = new_key()
    config = folder / "gateway.yaml"
    config.write_text(json.dumps(_config(folder, port, upstream, workers, entry, preset) | more))
    begun = time.monotonic()
    command: Command = [LLMCTL, "serve", "--config", config]
    with process(command, folder, lambda: answers(port, "/readyz"), poll=0.002) as pid:
        yield Served(pid, port, key, time.monotonic() - begun)


def _config(
    folder: Path, port: int, upstream: int | None, workers: int, key: dict[str, str], preset: str
) -> dict[str, Any]:
    """JSON is YAML too."""
    openai = {"kind": "openai", "base_url": f"http://127.0.0.1:{upstream}/v1"}
    return {
        "version": 1,
        "server": {"host": "127.0.0.1", "port": port, "workers": workers},
        "providers": {"upstream": openai if upstream is not None else {"kind": "scripted"}},
        "models": {MODEL: {"provider": "upstream"}, STRONG: {"provider": "upstream", "model": MODEL}},
        "routes": {SMART: {"kind": "complexity", "cheap": MODEL, "smart": STRONG}},
        "keys": [{**key, "tenant": "bench"}],
        "guardrails": {"preset": preset},
        "records": {"dir": str(folder / "records"), "content": "redacted"},
    }
