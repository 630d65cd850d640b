"""`llmctl serve`: the gateway."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from llmctl import __version__
from llmctl.commands.options import ConfigOption, config_path
from llmctl.config.load import Loaded, load
from llmctl.config.override import override
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError, UsageError
from llmctl.model.record import Record
from llmctl.server.last_good import kept
from llmctl.server.runtime import Settings, run_workers, serve_here
from llmctl.server.serve import CannotListen
from llmctl.server.supervisor import WorkerPipes
from llmctl.telemetry.log import Format


def serve(
    config: ConfigOption = None,
    host: Annotated[str | None, typer.Option(help="Address to bind, instead of server.host.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="Port to bind, instead of server.port.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, max=64, help="Processes, instead of server.workers.")] = None,
    worker_pipes: Annotated[str | None, typer.Option(hidden=True)] = None,
    metrics_dir: Annotated[Path | None, typer.Option(hidden=True)] = None,
) -> None:
    """Run the gateway until SIGTERM or Ctrl-C, which let requests under way finish. SIGHUP reloads."""
    path = config_path(config)
    env = Environment.of_process()

    def read(before: Mapping[Path, str] | None = None) -> Loaded:
        return override(load(path, env, before), host=host, port=port, workers=workers)

    pipes = _pipes(worker_pipes)
    settings = Settings(read, _log_format(env), pipes, metrics_dir, env, conditions=_condition)
    if pipes is not None:
        _work(settings, read)
        return
    loaded = read()
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    try:
        if loaded.config.server.workers == 1:
            serve_here(settings, loaded, lambda bound: _greet(loaded, bound))
        else:
            raise typer.Exit(run_workers(settings, loaded, _worker_command(path), lambda bound: _greet(loaded, bound)))
    except CannotListen as error:
        server = loaded.config.server
        raise UsageError(
            f"cannot listen on {server.host}:{server.port}: {error.strerror}; choose another --port"
        ) from None


def _work(settings: Settings, read: Callable[[Mapping[Path, str] | None], Loaded]) -> None:
    """Serve as a worker. Where the files are spoilt and one before it served, then as that one does."""
    try:
        serve_here(settings, read(None), _say_nothing)
    except ConfigError as error:
        before = kept(settings.metrics_dir) if settings.metrics_dir is not None else None
        if before is None:
            raise
        serve_here(replace(settings, failure=str(error)), read(before), _say_nothing)


def _say_nothing(port: int) -> None:
    """The supervisor has greeted."""


def _condition(text: str) -> Callable[[Record], bool]:
    """What the console is asked to search for. Not imported before somebody asks."""
    from llmctl.reports.where import parse

    return parse(text, "where").holds


def _worker_command(path: Path) -> list[str]:
    return [sys.executable, "-c", "from llmctl.commands.main import main; main()", "serve", "--config", str(path)]


def _pipes(given: str | None) -> WorkerPipes | None:
    if given is None:
        return None
    parent, _, ready = given.partition(",")
    return WorkerPipes(int(parent), int(ready))


def _log_format(env: Environment) -> Format:
    match env.get("LLMCTL_LOG_FORMAT"):
        case None | "json":
            return "json"
        case "console":
            return "console"
        case other:
            raise UsageError(f"LLMCTL_LOG_FORMAT is {other!r}; write json or console")


def _greet(loaded: Loaded, port: int) -> None:
    """On stderr: stdout is the log's."""
    host = loaded.config.server.host
    at = "localhost" if host in ("127.0.0.1", "0.0.0.0", "::", "::1") else host  # noqa: S104
    url = f"http://{at}:{port}"
    key = ' -H "authorization: Bearer $LLMCTL_KEY"' if loaded.config.keys else ""
    model = next(iter(loaded.config.models))
    models = f"{len(loaded.config.models)} model" + ("s" if len(loaded.config.models) > 1 else "")
    print(
        f"llmctl {__version__} serves {models} on {url} (policy {loaded.digest[:12]}). Try:\n\n"
        f"  curl {url}/v1/chat/completions{key} -H 'content-type: application/json' \\\n"
        f'    -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Say hello."}}]}}\'\n',
        file=sys.stderr,
        flush=True,
    )
