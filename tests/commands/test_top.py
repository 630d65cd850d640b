"""`llmctl top` against real HTTP servers, in a real terminal."""

import json
import os
import pty
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from typer.testing import CliRunner

from llmctl import __version__
from llmctl.commands.top import PATH, Asking, checked, top
from llmctl.errors import LlmctlError, UsageError
from llmctl.server.console.overview import VERSION
from llmctl.testing.process import serve
from tests.commands.seen import overview

OVERVIEW = msgspec.json.encode(overview())
READY = b'{"ready": true, "reasons": {}, "policy": "abc"}'
Answers = dict[str, tuple[int, bytes]]

app = typer.Typer()
app.command()(top)


class Gateway:
    """Answers paths with what `answers` says, else 404; `asked` are the paths and credentials that came."""

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self.asked: list[tuple[str, str | None]] = []
        gateway = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                gateway.asked.append((self.path, self.headers.get("authorization")))
                status, body = gateway.answers.get(self.path, (404, b"{}"))
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                if status == 302:
                    self.send_header("location", body.decode())
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@contextmanager
def gateway(answers: Answers) -> Iterator[Gateway]:
    found = Gateway(answers)
    thread = threading.Thread(target=lambda: found.server.serve_forever(poll_interval=0.01))
    thread.start()
    try:
        yield found
    finally:
        found.server.shutdown()
        found.server.server_close()
        thread.join()


def run(*args: str, env: dict[str, str] | None = None) -> str:
    result = CliRunner().invoke(app, args, env=env, catch_exceptions=False, standalone_mode=False)
    assert result.exit_code == 0
    return result.stdout


def test_once_prints_a_frame_and_ends() -> None:
    with gateway({PATH: (200, OVERVIEW)}) as served:
        out = run(served.url, "--once")
    assert out.startswith(f"llmctl 0.1.0 ready  {served.url}")
    assert "LlmctlLatencyBurn1h" in out
    assert "\x1b" not in out
    assert served.asked == [(PATH, None)]


def test_without_a_terminal_one_frame_is_all() -> None:
    with gateway({PATH: (200, OVERVIEW)}) as served:
        assert run(served.url).splitlines()[0].startswith("llmctl 0.1.0")
    assert len(served.asked) == 1


def test_json_is_what_the_gateway_says() -> None:
    with gateway({PATH: (200, OVERVIEW)}) as served:
        assert json.loads(run(served.url, "--once", "--json")) == json.loads(OVERVIEW)


def test_fields_that_are_new_are_no_trouble() -> None:
    newer = json.dumps(json.loads(OVERVIEW) | {"weather": "fine"}).encode()
    with gateway({PATH: (200, newer)}) as served:
        assert "llmctl 0.1.0" in run(served.url, "--once")


def test_the_key_is_sent_and_never_printed() -> None:
    with gateway({PATH: (200, OVERVIEW)}) as served:
        out = run(served.url, "--once", "--key-env", "MY_KEY", env={"MY_KEY": "llmctl_secret"})
    assert served.asked == [(PATH, "Bearer llmctl_secret")]
    assert "secret" not in out


def test_the_key_does_not_follow_a_redirect() -> None:
    with gateway({PATH: (200, OVERVIEW)}) as other, gateway({PATH: (302, f"{other.url}{PATH}".encode())}) as served:
        with pytest.raises(UsageError, match="answers 302"):
            Asking(served.url, "llmctl_secret").overview()
        assert other.asked == []


def test_a_key_in_the_clear_is_warned_of() -> None:
    env = {"MY_KEY": "llmctl_secret"}
    result = CliRunner().invoke(app, ["http://gateway.invalid", "--once", "--key-env", "MY_KEY"], env=env)
    assert "give an https:// URL" in result.stderr
    assert "secret" not in result.output
    with gateway({PATH: (200, OVERVIEW)}) as served:
        near = CliRunner().invoke(app, [served.url, "--once", "--key-env", "MY_KEY"], env=env)
    assert (near.exit_code, near.stderr) == (0, "")


def test_a_key_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_SUCH_KEY", raising=False)
    with pytest.raises(UsageError, match="--key-env: there is no environment variable NO_SUCH_KEY"):
        run("--key-env", "NO_SUCH_KEY")


@pytest.mark.parametrize(
    ("answers", "error", "told"),
    [
        ({PATH: (401, b"{}")}, UsageError, "wants an admin key; `--key-env NAME`"),
        ({PATH: (403, b"{}")}, UsageError, "wants an admin key"),
        ({"/readyz": (200, READY)}, UsageError, "an llmctl gateway without a console, so an older one"),
        ({PATH: (500, b""), "/readyz": (503, READY)}, UsageError, "answers 500; its log says why"),
        ({}, UsageError, "no llmctl gateway: it answers 404"),
        ({PATH: (200, b"<html>")}, UsageError, "this is no overview of an llmctl gateway"),
        ({PATH: (200, b"\xff")}, UsageError, "this is no overview of an llmctl gateway"),
        ({PATH: (200, b'{"v": 1}')}, UsageError, "this is no overview of an llmctl gateway"),
        ({PATH: (200, b'{"v": 99}')}, UsageError, rf"is of version 99, and {VERSION} is read here.*which is newer"),
        ({PATH: (200, b'{"v": 0}')}, UsageError, "which is older"),
    ],
)
def test_errors_teach(answers: Answers, error: type[LlmctlError], told: str) -> None:
    with gateway(answers) as served, pytest.raises(error, match=told) as caught:
        run(served.url, "--once")
    assert served.url in str(caught.value)


def test_nobody_listens() -> None:
    with gateway({}) as gone:
        url = gone.url
    with pytest.raises(LlmctlError, match=r"nothing answers there.*`llmctl serve` starts a gateway"):
        run(url, "--once")


def test_somebody_else_listens() -> None:
    with gateway({PATH: (200, OVERVIEW)}) as served, pytest.raises(LlmctlError):
        run(served.url.replace("http://", "https://"), "--once")


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.0.0.1:8080/console?x=1", "http://127.0.0.1:8080"),
        ("gateway:9000", "http://gateway:9000"),
        ("https://llm.example.com/", "https://llm.example.com"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_urls(given: str, meant: str) -> None:
    assert checked(given) == meant


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://a:b", "http://[::1", "http://me:secret@host"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(UsageError, match="URL: ") as caught:
        checked(url)
    assert "secret" not in str(caught.value)


class Terminal:
    """A process in a terminal of its own, 80 by 24."""

    def __init__(self, *args: str) -> None:
        self._screen, inside = pty.openpty()
        os.set_inheritable(inside, True)
        env = {"PATH": "/usr/bin:/bin", "TERM": "xterm", "COLUMNS": "80", "LINES": "24", "LC_ALL": "C.UTF-8"}
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from llmctl.commands.main import main; main()", "top", *args],
            stdin=inside, stdout=inside, stderr=inside, env=env, start_new_session=True,
        )  # fmt: skip
        os.close(inside)
        self.text = ""

    def until(self, wanted: str, within: float = 30.0) -> None:
        """Until this was drawn."""
        give_up = time.monotonic() + within
        while wanted not in self.text:
            assert time.monotonic() < give_up, self.text[-2000:]
            if select.select([self._screen], [], [], 0.1)[0]:
                self.text += os.read(self._screen, 65536).decode(errors="replace")

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self._screen)


def test_it_lives_through_a_gateway_that_is_away_and_ends_at_ctrl_c() -> None:
    with gateway({PATH: (200, OVERVIEW)}) as served:
        terminal = Terminal(served.url, "--interval", "0.5")
        try:
            terminal.until("LlmctlLatencyBurn1h")
            served.answers[PATH] = (500, b"")
            terminal.until("! no answer, this is")
            served.answers[PATH] = (200, msgspec.json.encode(overview(version="0.2.0")))
            terminal.until("llmctl 0.2.0")
            terminal.process.send_signal(signal.SIGINT)
            assert terminal.process.wait(10) == 0
            assert "Traceback" not in terminal.text
        finally:
            terminal.close()


def test_a_real_gateway(tmp_path: Path) -> None:
    text = "providers: {up: {kind: scripted}}\nmodels: {small: {provider: up}}\nrecords: {enabled: false}\n"
    with serve(text, tmp_path) as served:
        out = run(served.url, "--once")
    assert out.startswith(f"llmctl {__version__} ready  {served.url}")
    assert line_of(out, "small").endswith("closed")


def line_of(out: str, beginning: str) -> str:
    (found,) = [line.rstrip() for line in out.splitlines() if line.startswith(f"{beginning} ")]
    return found
