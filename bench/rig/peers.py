"""Other gateways before the same upstream, under the same load. Those that are not installed are named as such.

`--peers DIR` names a folder that holds some of these, each in a venv or node_modules of its own:

    python3 -m venv DIR/litellm && DIR/litellm/bin/pip install 'litellm[proxy]'
    python3 -m venv DIR/vllm-router && DIR/vllm-router/bin/pip install vllm-router
    npm install --prefix DIR @portkey-ai/gateway
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.rig.plan import Plan
from bench.rig.processes import BenchFailed, Command, answers, cpu_seconds, free_port, process, rss_mb
from bench.rig.report import Details, Section
from bench.rig.served import MODEL, served
from bench.rig.throughput import CONNECTIONS, UPSTREAM
from bench.rig.upstreams import nginx, nginx_proxy
from bench.rig.wrk import middle, script, wrk

KEY = "sk-not-a-secret"


@dataclass(frozen=True, slots=True)
class Running:
    """A peer that answers."""

    port: int
    pid: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


Start = Callable[[Plan, int], AbstractContextManager[Running | None]]


def comparison(plan: Plan) -> Section:
    """llmctl as `gateway` has it, with records; each peer that is here with the least to do that it can be given."""
    section = Section(UPSTREAM)
    with nginx(plan.scratch) as upstream:
        for name, start in PEERS.items():
            plan.say(f"comparison, {name}")
            try:
                with start(plan, upstream.port) as running:
                    section.details[name] = "not installed" if running is None else _measure(plan, name, running)
            except BenchFailed as error:
                section.details[name] = {"failed": str(error)[-600:]}
    return section


def _measure(plan: Plan, name: str, running: Running) -> Details:
    lua = script(plan.scratch, name, MODEL, running.headers)
    wrk(running.port, lua, connections=CONNECTIONS, seconds=2)
    before = cpu_seconds(running.pid) if running.pid else None
    loads = [wrk(running.port, lua, connections=CONNECTIONS, seconds=plan.seconds) for _ in range(plan.repeats)]
    details = middle(loads)
    if running.pid and before is not None:
        answered = max(1, sum(load.requests for load in loads))
        details["cpu_us_per_request"] = round((cpu_seconds(running.pid) - before) / answered * 1e6, 1)
        details["rss_mb"] = round(rss_mb(running.pid), 1)
    return details


@contextmanager
def _llmctl(plan: Plan, upstream: int) -> Iterator[Running | None]:
    with served(plan.scratch, upstream) as it:
        yield Running(it.port, it.pid, it.authorization)


@contextmanager
def _nginx_proxy(plan: Plan, upstream: int) -> Iterator[Running | None]:
    with nginx_proxy(plan.scratch, upstream) as proxy:
        yield Running(proxy.port, proxy.pid)


@contextmanager
def _vllm_router(plan: Plan, upstream: int) -> Iterator[Running | None]:
    if (program := _program(plan, "vllm-router")) is None:
        yield None
        return
    port, metrics = free_port(), free_port()
    options = ["--host", "127.0.0.1", "--port", str(port), "--worker-urls", f"http://127.0.0.1:{upstream}"]
    options += ["--policy", "round_robin", "--prometheus-port", str(metrics), "--log-level", "error"]
    command: Command = [program, *options]
    with process(command, plan.scratch, lambda: answers(port, "/health"), within=60) as pid:
        yield Running(port, pid)


@contextmanager
def _portkey(plan: Plan, upstream: int) -> Iterator[Running | None]:
    node = shutil.which("node")
    server = "node_modules/@portkey-ai/gateway/build/start-server.js"
    if node is None or plan.peers is None or not (plan.peers / server).exists():
        yield None
        return
    port = free_port()
    headers = {"x-portkey-provider": "openai", "x-portkey-custom-host": f"http://127.0.0.1:{upstream}/v1"}
    headers["authorization"] = f"Bearer {KEY}"
    command: Command = [node, plan.peers / server, f"--port={port}", "--headless"]
    with process(command, plan.scratch, lambda: answers(port, "/"), within=60) as pid:
        yield Running(port, pid, headers)


@contextmanager
def _litellm(plan: Plan, upstream: int) -> Iterator[Running | None]:
    if (program := _program(plan, "litellm")) is None:
        yield None
        return
    port = free_port()
    params = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{upstream}/v1", "api_key": KEY}
    config = plan.scratch / "litellm.yaml"
    settings = {"model_list": [{"model_name": MODEL, "litellm_params": params}],
                "general_settings": {"master_key": KEY}, "litellm_settings": {"telemetry": False}}  # fmt: skip
    config.write_text(json.dumps(settings))
    env = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "DISABLE_ADMIN_UI": "True"}
    command: Command = [program, "--config", config, "--host", "127.0.0.1", "--port", str(port), "--num_workers", "1"]
    with process(command, plan.scratch, lambda: answers(port, "/health/liveliness"), within=120, env=env) as pid:
        yield Running(port, pid, {"authorization": f"Bearer {KEY}"})


def _program(plan: Plan, name: str) -> Path | None:
    """In its venv under the peers' folder, or on the path."""
    own = plan.peers / name / "bin" / name if plan.peers is not None else None
    if own is not None and own.exists():
        return own
    found = shutil.which(name)
    return Path(found) if found else None


PEERS: dict[str, Start] = {
    "llmctl": _llmctl,
    "nginx reverse proxy": _nginx_proxy,
    "vllm-router": _vllm_router,
    "portkey": _portkey,
    "litellm": _litellm,
}
