"""`llmctl chaos`: run, list, check."""

from pathlib import Path
from typing import Annotated

import typer

from llmctl.commands.chaos_run import run_
from llmctl.commands.options import JsonOption, print_json

app = typer.Typer(help="Fault drills: break things, see whether promises hold.", no_args_is_help=True)

app.command("run")(run_)
FOLDER = Path("configs/chaos")


@app.callback()
def root() -> None:
    """Fault drills: break things, see whether promises hold."""


@app.command("list")
def list_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder with experiments.")] = FOLDER,
    json: JsonOption = False,
) -> None:
    """List the experiments in a folder, and how long each takes."""
    from llmctl.chaos.load import load_experiment
    from llmctl.config.secrets import Environment
    from llmctl.errors import UsageError

    env = Environment.of_process()
    files = sorted(folder.glob("*.yaml"))
    if not files:
        raise UsageError(f"{folder}: there are no experiments (*.yaml); name a folder that has some")
    found = [(path, load_experiment(path, env).config) for path in files]
    if json:
        rows = [{"file": str(p), "name": c.name, "description": c.description, "seconds": c.seconds} for p, c in found]
        print_json(rows)
        return
    width = max(len(config.name) for _, config in found)
    for _, config in found:
        print(f"{config.name:{width}}  {config.seconds:3.0f} s  {config.description}")


@app.command("check")
def check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Experiments.")], json: JsonOption = False
) -> None:
    """Read experiments and build their gateways, without running anything. Exits 1 with every finding."""
    from llmctl.chaos.checked import checked
    from llmctl.config.secrets import Environment

    env = Environment.of_process()
    found = [checked(path, env) for path in files]
    if json:
        print_json([{"file": str(one.path), "name": one.config.name, "ok": True} for one in found])
        return
    for one in found:
        print(f"{one.path}: {one.config.name} is in order")
