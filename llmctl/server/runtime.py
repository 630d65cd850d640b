"""Puts a serving process together: what a gateway is given, the server around it, and the order of their ends."""

import gc
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random

from llmctl.clock import SystemClock
from llmctl.config.load import Loaded
from llmctl.gateway.build import Surroundings
from llmctl.gateway.reload import Live
from llmctl.net.pool import Pool
from llmctl.server.protocol import LimitsHolder
from llmctl.server.serve import Process, limits_of, listen
from llmctl.server.supervisor import WorkerPipes
from llmctl.telemetry.log import make_logger
from llmctl.telemetry.metrics import MetricsSink
from llmctl.telemetry.redact import Redactor
from llmctl.telemetry.store import RecordStore

GC_THRESHOLD = (20_000, 20, 50)  # exchanges make few cycles; the default collects every 30 requests


@dataclass(frozen=True, slots=True)
class Settings:
    """What a serving process is told on its command line. `load` reads the files, overrides applied."""

    load: Callable[[], Loaded]
    log_format: str
    worker: WorkerPipes | None = None
    metrics_dir: Path | None = None


async def serve(settings: Settings, loaded: Loaded, on_listening: Callable[[int], None]) -> None:
    """Run until told to stop. `on_listening` gets the bound port. Raises LlmctlError, OSError before it serves."""
    raise NotImplementedError
