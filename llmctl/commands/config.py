"""`llmctl config`: check, show, schema, diff."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from llmctl.commands.options import ConfigOption, JsonOption, config_path, print_json
from llmctl.config.diff import Difference, diff, plain
from llmctl.config.jsonschema import schema as json_schema
from llmctl.config.load import Loaded, load
from llmctl.config.secrets import Environment, masked
from llmctl.config.show import to_yaml
from llmctl.errors import ConfigError

app = typer.Typer(help="Check, print, describe and compare configurations.", no_args_is_help=True)


@app.command()
def check(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Load the configuration, build the gateway, and throw it away. Connects to nothing."""
    path = config_path(config)
    try:
        loaded = _load(path)
        _build(loaded)
    except ConfigError as error:
        if not json:
            raise
        print_json({"file": str(path), "ok": False, "findings": error.findings})
        raise typer.Exit(error.exit_code) from None
    if json:
        print_json({"file": str(path), "ok": True, "policy": loaded.digest, "warnings": loaded.warnings})
        return
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(f"{path}: ok (policy {loaded.digest})")


@app.command()
def show(
    config: ConfigOption = None,
    defaults: Annotated[bool, typer.Option("--defaults", help="Fill in what the files leave out.")] = False,
    json: JsonOption = False,
) -> None:
    """Print the resolved configuration: includes merged, references replaced, secrets masked."""
    loaded = _load(config_path(config))
    tree = masked(plain(loaded.config) if defaults else loaded.tree)
    if json:
        print_json(tree)
    else:
        print(to_yaml(tree), end="")


@app.command()
def schema() -> None:
    """Print the JSON Schema of gateway.yaml, for completion and checking in editors."""
    # Kinds are imported for this alone: the other commands need none of them.
    from llmctl.compress.options import TABLE as COMPRESSION
    from llmctl.embedding import TABLE as EMBEDDERS
    from llmctl.gateway.build_routes import EXPERIMENTS
    from llmctl.gateway.hedge import HedgeOptions
    from llmctl.gateway.prices_options import PricesOptions
    from llmctl.gateway.resilience import ResilienceOptions
    from llmctl.providers import TABLE as PROVIDERS
    from llmctl.routing import TABLE as STRATEGIES
    from llmctl.routing.conditions import When

    strategies = {kind: strategy.Options for kind, strategy in STRATEGIES.items()}
    print_json(
        json_schema(
            {
                "providers": {kind: provider.Options for kind, provider in PROVIDERS.items()},
                "routes": strategies,
                "routes.rules": strategies,
                "routes.experiment": EXPERIMENTS,
                "compress": COMPRESSION,
                "routes.compress": COMPRESSION,
                "cache.semantic.embedder": {kind: embedder.Options for kind, embedder in EMBEDDERS.items()},
            },
            {
                "routes.rules.when": When,
                "routes.hedge": HedgeOptions,
                "resilience": ResilienceOptions,
                "prices": PricesOptions,
            },
        )
    )


@app.command("diff")
def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Configuration file.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Configuration file.")],
    json: JsonOption = False,
) -> None:
    """Say what differs in meaning between two configurations. Exits with 0 either way."""
    differences = diff(_load(old).config, _load(new).config)
    if json:
        print_json([{"change": d.change, "path": d.path, "old": d.old, "new": d.new} for d in differences])
        return
    for difference in differences:
        print(_line(difference))
    if not differences:
        print("no difference in meaning")


def _load(path: Path) -> Loaded:
    return load(path, Environment.of_process())


def _build(loaded: Loaded) -> None:
    from llmctl.gateway.build import check as check_build

    check_build(loaded)
    if loaded.config.evals:
        from random import Random

        from llmctl.clock import SystemClock
        from llmctl.server.scores import Asking, online_scores

        online_scores(loaded, Asking(SystemClock(), Random()), Random(), SystemClock(), lambda _: None)


def _line(difference: Difference) -> str:
    if difference.change == "added":
        return f"+ {difference.path}: {difference.new}"
    if difference.change == "removed":
        return f"- {difference.path}: {difference.old}"
    return f"~ {difference.path}: {difference.old} -> {difference.new}"
