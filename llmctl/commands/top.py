"""`llmctl top`: a running gateway at a glance, in the terminal."""

import sys
import threading
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import urlsplit

import httpx
import msgspec
import typer

from llmctl.clock import SystemClock
from llmctl.commands.top_view import Screen, frame
from llmctl.config.secrets import Environment
from llmctl.errors import LlmctlError, UsageError
from llmctl.server.console.overview import VERSION, Overview

DEFAULT_URL = "http://127.0.0.1:8080"
PATH = "/console/api/overview"
TIMEOUT = 5.0
HERE = ("localhost", "127.0.0.1", "::1")
_KEY = "`--key-env NAME` names the environment variable that holds a key made by `llmctl keys new --admin`"


def top(
    url: Annotated[str, typer.Argument(metavar="URL", help="The gateway.")] = DEFAULT_URL,
    key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Environment variable with an admin key; on its own machine none is needed."),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="Print one frame and end, as also where there is no terminal.")
    ] = False,
    interval: Annotated[float, typer.Option(min=0.5, max=3600, help="Seconds between frames.")] = 2.0,
    json: Annotated[
        bool, typer.Option("--json", help="Print what the gateway says as JSON, a line each time.")
    ] = False,
) -> None:
    """Watch a running gateway in the terminal.

    Traffic, latency, cost, cache, models, budgets, guards, alerts. Ctrl-C ends it.
    """
    from rich.console import Console

    address, key = checked(url), _key(key_env)
    if key and address.startswith("http:") and urlsplit(address).hostname not in HERE:
        print("warning: the key goes over the network for everyone to read; give an https:// URL", file=sys.stderr)
    asking = Asking(address, key)
    first = asking.overview()
    screen = Console(highlight=False, markup=False, emoji=False)
    pause = threading.Event()
    try:
        if json:
            _as_json(asking, first, once=once, wait=lambda: pause.wait(interval))
        elif once or not screen.is_terminal:
            for line in _frame(first, asking.url, screen, height=100_000):
                screen.print(line, soft_wrap=True)
        else:
            _live(asking, first, screen, interval, pause)
    except KeyboardInterrupt:
        return


class _Versioned(msgspec.Struct):
    v: int


class Asking:
    """A gateway's overview, asked for with a key or none."""

    def __init__(self, url: str, key: str | None) -> None:
        headers = {"accept": "application/json"} | ({"authorization": f"Bearer {key}"} if key else {})
        # A proxy for the internet is no way to this machine.
        near = urlsplit(url).hostname in HERE
        self.url = url
        self._client = httpx.Client(headers=headers, timeout=TIMEOUT, trust_env=not near)

    def raw(self) -> bytes:
        """The answer as it came. Raises LlmctlError where none came, UsageError where it is none of a gateway's."""
        try:
            answer = self._client.get(self.url + PATH)
        except httpx.TimeoutException:
            hint = "is the gateway overloaded, or the way to it blocked?"
            raise LlmctlError(f"{self.url}: no answer within {TIMEOUT:g} s; {hint}") from None
        except httpx.ConnectError as error:
            hint = "`llmctl serve` starts a gateway and says its address, which is this command's URL"
            raise LlmctlError(f"{self.url}: nothing answers there ({error}); {hint}") from None
        except httpx.HTTPError as error:
            said = str(error) or type(error).__name__
            raise LlmctlError(f"{self.url}: no answer in HTTP ({said}); is it https, or another port?") from None
        if answer.status_code in (401, 403):
            raise UsageError(f"{self.url}: it wants an admin key; {_KEY}")
        if answer.status_code != 200:
            raise UsageError(f"{self.url}: {self._other(answer.status_code)}")
        return answer.content

    def overview(self) -> Overview:
        """The answer. Raises as `raw`."""
        raw = self.raw()
        try:
            version = msgspec.json.decode(raw, type=_Versioned).v
            if version == VERSION:
                return msgspec.json.decode(raw, type=Overview)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise UsageError(f"{self.url}{PATH}: this is no overview of an llmctl gateway; is the URL right?") from None
        newer = "newer" if version > VERSION else "older"
        hint = f"use the gateway's own llmctl, which is {newer}"
        raise UsageError(f"{self.url}: its overview is of version {version}, and {VERSION} is read here; {hint}")

    def _other(self, status: int) -> str:
        """What it may be that has no overview."""
        try:
            ready = self._client.get(f"{self.url}/readyz").json()
            gateway = isinstance(ready, dict) and {"ready", "policy"} <= set(ready)
        except (httpx.HTTPError, ValueError):
            gateway = False
        if gateway and status == 404:
            return "an llmctl gateway without a console, so an older one; its /metrics can be read"
        if gateway:
            return f"an llmctl gateway that answers {status}; its log says why"
        return f"no llmctl gateway: it answers {status} to {PATH}; is the URL right, without a path?"


def checked(url: str) -> str:
    """The URL without what follows the port; `host:port` is enough. Raises UsageError."""
    whole = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(whole)
        named, _ = parts.hostname, parts.port
    except ValueError as error:
        raise UsageError(f"URL: {url!r} is no address ({error}); write http://HOST:PORT") from None
    if parts.scheme not in ("http", "https") or not named:
        raise UsageError(f"URL: {url!r} is no address; write http://HOST:PORT")
    if parts.username is not None or parts.password is not None:
        raise UsageError(f"URL: a password in it would be seen by others on this machine; {_KEY}")
    return f"{parts.scheme}://{parts.netloc}"


def _key(name: str | None) -> str | None:
    if name is None:
        return None
    value = Environment.of_process().get(name)
    if not value:
        raise UsageError(f"--key-env: there is no environment variable {name}, or it is empty")
    return value


def _as_json(asking: Asking, first: Overview, *, once: bool, wait: Callable[[], object]) -> None:
    line = msgspec.json.encode(first)
    while True:
        print(line.decode(), flush=True)
        if once:
            return
        wait()
        line = msgspec.json.encode(asking.overview())


def _live(asking: Asking, seen: Overview, screen: Any, interval: float, pause: threading.Event) -> None:
    """Frames until Ctrl-C. A gateway that is away for a while, as in a restart, is waited for."""
    from rich.console import Group
    from rich.live import Live

    now = SystemClock().monotonic
    came, trouble = now(), ""
    with Live(console=screen, screen=True, auto_refresh=False) as live:
        while True:
            live.update(Group(*_frame(seen, asking.url, screen, height=screen.height, trouble=trouble)), refresh=True)
            pause.wait(interval)
            try:
                seen, came, trouble = asking.overview(), now(), ""
            except LlmctlError as error:
                trouble = f"{now() - came:.0f} s old: {error.message}"


def _frame(seen: Overview, source: str, screen: Any, *, height: int, trouble: str = "") -> list[Any]:
    ascii_only = not screen.encoding.startswith("utf")
    return frame(seen, source, Screen(screen.width, height, ascii_only), trouble)
