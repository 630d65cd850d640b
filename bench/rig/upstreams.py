"""Mock upstreams that are much faster than what they stand behind."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.rig.processes import BenchFailed, answers, free_port, process
from bench.rig.report import ROOT

NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

ANSWER = {
    "id": "chatcmpl-mock",
    "object": "chat.completion",
    "created": 1750000000,
    "model": "mock",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Hello from the mock."}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 38, "completion_tokens": 5, "total_tokens": 43},
}

_NGINX_CONF = """
daemon off; worker_processes 1; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 8192; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 1h; default_type application/json;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {upstream}
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ {action} }} }}
}}
"""


@dataclass(frozen=True, slots=True)
class Mock:
    """An upstream that runs."""

    port: int
    pid: int


@contextmanager
def nginx(scratch: Path) -> Iterator[Mock]:
    """An nginx that gives every request the same chat answer."""
    body = msgspec.json.encode(ANSWER).decode()
    with _nginx(scratch, "", f"return 200 '{body}';") as mock:
        yield mock


@contextmanager
def nginx_proxy(scratch: Path, target: int) -> Iterator[Mock]:
    """An nginx that passes every request on: what is possible in C."""
    upstream = f"upstream mock {{ server 127.0.0.1:{target}; keepalive 128; keepalive_requests 1000000000; }}"
    action = 'proxy_pass http://mock; proxy_http_version 1.1; proxy_set_header Connection "";'
    with _nginx(scratch, upstream, action) as mock:
        yield mock


@contextmanager
def _nginx(scratch: Path, upstream: str, action: str) -> Iterator[Mock]:
    if NGINX is None:
        raise BenchFailed("nginx is not here; on Debian: apt-get install nginx-light")
    port = free_port()
    folder = scratch / f"nginx-{port}"
    folder.mkdir()
    config = folder / "nginx.conf"
    config.write_text(_NGINX_CONF.format(folder=folder, port=port, upstream=upstream, action=action))
    with process([NGINX, "-p", folder, "-c", config], folder, lambda: answers(port, "/")) as pid:
        yield Mock(port, pid)


@contextmanager
def responder(scratch: Path, chunks: int, gap_us: int) -> Iterator[int]:
    """The port of an upstream whose streams have `chunks` events, `gap_us` apart, each in a write of its own."""
    port = free_port()
    command, _ = responder_command(scratch)
    with process([*command, str(port), str(chunks), str(gap_us)], scratch, lambda: answers(port, "/")):
        yield port


def responder_command(scratch: Path) -> tuple[list[str], str]:
    """How to run it, and what it is: C where there is a compiler, else Python, which may be slower than the gateway."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    binary = scratch / "responder"
    if compiler is not None and not binary.exists():
        build = [compiler, "-O2", "-o", str(binary), str(ROOT / "bench" / "responder.c")]
        result = subprocess.run(build, capture_output=True, text=True, check=False)
        if result.returncode:
            raise BenchFailed(f"bench/responder.c does not compile:\n{result.stderr}")
    if compiler is not None:
        return [str(binary)], "bench/responder.c"
    return [sys.executable, str(ROOT / "bench" / "rig" / "responder.py")], "bench/rig/responder.py (no C compiler here)"
