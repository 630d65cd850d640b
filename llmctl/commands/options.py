"""Options that several verbs have, and how they print results."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        "-c",
        envvar="LLMCTL_CONFIG",
        show_envvar=True,
        show_default="./gateway.yaml, else configs/gateway.yaml",
        help="Configuration file.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]


def config_path(given: Path | None) -> Path:
    """The file to read: the one given, else the first that exists of `gateway.yaml` and `configs/gateway.yaml`."""
    if given is not None:
        return given
    usual = Path("gateway.yaml")
    shipped = Path("configs/gateway.yaml")
    return shipped if shipped.is_file() and not usual.exists() else usual


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, indent=2, ensure_ascii=False, default=str))
