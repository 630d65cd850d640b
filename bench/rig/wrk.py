"""wrk: closed-loop load from C, which leaves the cores to what is measured."""

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import msgspec

from bench.rig.processes import BenchFailed

WRK = shutil.which("wrk")

# 150 characters.
PROMPT = (
    "Summarise in two sentences why a gateway between applications and language models should add as little "
    "latency as it can, and how one measures that."
)

_SCRIPT = """
wrk.method = "POST"
{headers}
{body}
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format(
    '\\nRESULT {{"requests":%d,"us":%d,"errors":%d,"p50":%.1f,"p90":%.1f,"p99":%.1f,"max":%.1f}}\\n',
    summary.requests, summary.duration, e.connect + e.read + e.write + e.status + e.timeout,
    latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max))
end
"""


_FIXED = "wrk.body = [==[{body}]==]"

# Made before the load begins, and taken in turns.
_TURNS = """
local requests, turn = {{}}, 0
function init()
  for body in io.lines({bodies}) do requests[#requests + 1] = wrk.format(nil, nil, nil, body) end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
"""


@dataclass(frozen=True, slots=True)
class Load:
    """What one run found. Times in milliseconds; `errors` counts answers over 399, timeouts and broken sockets."""

    requests: int
    seconds: float
    errors: int
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @property
    def rate(self) -> float:
        """Answers per second."""
        return self.requests / self.seconds


def chat_body(model: str, *, stream: bool = False, prompt: str = PROMPT) -> bytes:
    """A chat request."""
    body = {"model": model, "messages": [{"role": "user", "content": prompt}]}
    return msgspec.json.encode({**body, "stream": True} if stream else body)


def script(
    scratch: Path, name: str, model: str, headers: Mapping[str, str], prompts: Sequence[str] | None = None
) -> Path:
    """A Lua script that posts chat requests: `PROMPT` each time, or `prompts` in turns."""
    given = {"content-type": "application/json", **headers}
    lines = "\n".join(f"wrk.headers[{json.dumps(key)}] = {json.dumps(value)}" for key, value in given.items())
    path = scratch / f"{name}.lua"
    if prompts is None:
        body = _FIXED.format(body=chat_body(model).decode())
    else:
        bodies = scratch / f"{name}.jsonl"
        bodies.write_bytes(b"".join(chat_body(model, prompt=prompt) + b"\n" for prompt in prompts))
        body = _TURNS.format(bodies=json.dumps(str(bodies)))
    path.write_text(_SCRIPT.format(body=body, headers=lines))
    return path


def wrk(port: int, lua: Path, *, connections: int, seconds: float, path: str = "/v1/chat/completions") -> Load:
    """One run. Raises BenchFailed where wrk itself fails."""
    if WRK is None:
        raise BenchFailed("wrk is not here; on Debian: apt-get install wrk")
    command = [WRK, "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", "--timeout", "10s", "-s", str(lua)]
    done = subprocess.run([*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=False)
    _, found, result = done.stdout.partition("RESULT ")
    if done.returncode or not found:
        raise BenchFailed(f"wrk failed:\n{done.stdout[-1000:]}{done.stderr[-1000:]}")
    got = json.loads(result)
    p50, p90, p99, most = (got[key] / 1000 for key in ("p50", "p90", "p99", "max"))
    return Load(got["requests"], got["us"] / 1e6, got["errors"], p50, p90, p99, most)


def middle(loads: list[Load]) -> dict[str, object]:
    """Medians over runs, with the rates themselves, which show the spread."""
    return {
        "requests_per_s": round(median(load.rate for load in loads)),
        "p50_ms": round(median(load.p50_ms for load in loads), 3),
        "p99_ms": round(median(load.p99_ms for load in loads), 3),
        "errors": sum(load.errors for load in loads),
        "runs_requests_per_s": [round(load.rate) for load in loads],
    }
