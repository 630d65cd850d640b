"""What a benchmark says: bars, sections, and the machine it was said on."""

import os
import platform
import resource
import subprocess
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parent.parent.parent
TICK = 1 / os.sysconf("SC_CLK_TCK")

Details = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Bar:
    """A figure that must be `at least` or `at most` another."""

    name: str
    value: float
    sense: Literal["at least", "at most"]
    bar: float
    unit: str

    @property
    def passed(self) -> bool:
        """Whether it is."""
        return self.value >= self.bar if self.sense == "at least" else self.value <= self.bar

    def row(self) -> Details:
        """As the document shows it."""
        return {"name": self.name, "value": round(self.value, 2), "bar": self.bar, "sense": self.sense,
                "unit": self.unit, "upstream": "mock", "pass": self.passed}  # fmt: skip


@dataclass(slots=True)
class Section:
    """What one scenario found. `upstream` says what stood in for a model."""

    upstream: str
    details: Details = field(default_factory=dict)
    bars: list[Bar] = field(default_factory=list)

    def document(self) -> Details:
        """As the document shows it."""
        return {"upstream": f"mock: {self.upstream}", **self.details}


class Noise:
    """How much of the machine others used meanwhile: figures from a shared machine mean little without it."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self._busy, self._steal = _machine_cpu()
        self._own = _own_cpu()

    def document(self) -> Details:
        """Cores that others used, on average; children count once they have ended, so ask after that."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        busy, steal = _machine_cpu()
        others = busy - self._busy - (_own_cpu() - self._own)
        return {
            "seconds": round(seconds, 1),
            "cores_used_by_others": round(max(0.0, others / seconds), 2),
            "cores_stolen": round((steal - self._steal) / seconds, 2),
            "load_average": [round(value, 2) for value in os.getloadavg()],
        }


def _machine_cpu() -> tuple[float, float]:
    """Seconds that all cores were busy, and that the hypervisor took."""
    fields = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields[:8]
    return (user + nice + system + irq + softirq) * TICK, steal * TICK


def _own_cpu() -> float:
    usages = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in usages)


def machine() -> Details:
    """Where and when."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = {line.partition(":")[2].strip() for line in lines if line.startswith("model name")}
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": ", ".join(sorted(models)) or platform.processor(),
        "python": platform.python_version(),
        "kernel": platform.release(),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_average": [round(value, 2) for value in os.getloadavg()],
    }


def commit() -> str:
    """The commit measured, with a plus sign where the checkout differs from it."""
    try:
        head = _git("rev-parse", "--short=12", "HEAD")
        return head + ("+" if _git("status", "--porcelain", "--", "llmctl") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def document(sections: dict[str, Details], bars: Iterable[Bar], facts: Details) -> Details:
    """The whole, bars first."""
    return {**facts, "bars": [bar.row() for bar in bars], **sections}
