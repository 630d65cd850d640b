"""The entry point. Importing it, and `llmctl --help`, loads no command: each verb's module is loaded when it is run."""

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Annotated, Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group

from llmctl import __version__
from llmctl.clock import SystemClock
from llmctl.commands.crash import report
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError, LlmctlError


class Verb(NamedTuple):
    """Where a verb's command is: a function with Typer's annotations, or a Typer application for a group."""

    module: str
    attribute: str
    help: str


VERBS = {
    "init": Verb("llmctl.commands.init", "init", "Write a commented, working gateway.yaml."),
    "serve": Verb("llmctl.commands.serve", "serve", "Run the gateway."),
    "config": Verb("llmctl.commands.config", "app", "Check, print, describe and compare configurations."),
    "guard": Verb("llmctl.commands.guard", "app", "List guards, run them, measure them on labelled data."),
    "keys": Verb("llmctl.commands.keys", "app", "Make virtual keys."),
    "route": Verb("llmctl.commands.route", "app", "Why a model was chosen; fit and measure what judges prompts."),
    "cost": Verb("llmctl.commands.cost", "app", "What records cost: report, forecast, reconcile."),
    "cache": Verb("llmctl.commands.cache", "app", "Measure semantic caching; look into a cache."),
    "compress": Verb("llmctl.commands.compress", "app", "Measure prompt compression."),
    "speculate": Verb("llmctl.commands.speculate", "app", "Speculative decoding: predict, set up, measure."),
    "alerts": Verb("llmctl.commands.alerts", "app", "Rules that tell when promises (SLOs) are broken."),
    "dashboards": Verb("llmctl.commands.dashboards", "app", "Grafana dashboards of a gateway's metrics."),
    "eval": Verb("llmctl.commands.eval", "app", "Run evals: score variants over items, and compare them."),
    "chaos": Verb("llmctl.commands.chaos", "app", "Fault drills: break things, see whether promises hold."),
    "top": Verb("llmctl.commands.top", "top", "Watch a running gateway in the terminal."),
    "traces": Verb("llmctl.commands.traces", "app", "List, show, export, compact and prune recorded exchanges."),
    "replay": Verb("llmctl.commands.replay", "replay", "Ask recorded requests again and compare what comes."),
    "plan": Verb("llmctl.commands.plan", "plan", "Say what a change would have done to recorded traffic."),
}


class Verbs(TyperGroup):
    """A group that lists its table and imports only what is run."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._listing = False
        self.commands = {
            name: TyperCommand(name, help=verb.help, rich_markup_mode=None) for name, verb in VERBS.items()
        }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As in Typer, with flags that are False where not given."""
        for param in self.get_params(ctx):
            # Typer's own flags default to None, and it imports all of pydantic (200 ms) to convert that.
            param.default = False if param.default is None else param.default
        return super().parse_args(ctx, args)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The verb's own command; its entry in the table while only listing."""
        if self._listing or cmd_name not in VERBS:
            return self.commands.get(cmd_name)
        return _command(cmd_name)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """As in Typer, from the table."""
        with self._from_table():
            super().format_commands(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """As in Typer, from the table."""
        with self._from_table():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _from_table(self) -> Iterator[None]:
        self._listing = True
        try:
            yield
        finally:
            self._listing = False


def _command(name: str) -> Any:
    verb = VERBS[name]
    found = getattr(import_module(verb.module), verb.attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(rich_markup_mode=None)
        single.command(name)(found)
        return get_group(single).commands[name]
    # Rich takes 150 ms to import, more than everything else that help needs.
    found.rich_markup_mode = None
    group = get_group(found)
    group.name = name
    return group


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"llmctl {__version__}")
        raise typer.Exit


app = typer.Typer(
    cls=Verbs,
    help="The ops toolkit for LLMs in production.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """The ops toolkit for LLMs in production."""


def main(args: Sequence[str] | None = None) -> None:
    """Run one command line and exit. A user's mistake is a message; a bug is a file with its traceback."""
    try:
        try:
            typer.main.get_command(app).main(args, prog_name="llmctl")
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read us has gone. The interpreter flushes once more at exit, which must not complain either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
    except LlmctlError as error:
        prefix = "" if isinstance(error, ConfigError) else "error: "
        print(f"{prefix}{error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except Exception as error:
        print(report(error, Environment.of_process(), SystemClock()), file=sys.stderr)
        sys.exit(1)
