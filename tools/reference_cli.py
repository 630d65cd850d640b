"""The command line's reference, from the Typer application: every command, argument and option."""

import inspect
from collections.abc import Iterator
from typing import Any

from typer import Typer
from typer.core import TyperGroup
from typer.main import get_command

from llmctl.commands.main import app

HEAD = """# Command line

Every command takes `-h` or `--help`. Exit codes: 0 ok, 1 error, 2 wrong usage, 3 a check or gate said no.

"""


def cli_reference() -> str:
    """One section per command, in the order in which `llmctl --help` lists them."""
    root = get_command(app) if isinstance(app, Typer) else app
    context = root.make_context("llmctl", [], resilient_parsing=True)
    return HEAD + "\n".join(_sections(root, context))


def _sections(command: Any, context: Any) -> Iterator[str]:
    yield _section(command, context)
    if not isinstance(command, TyperGroup):
        return
    for name in command.list_commands(context):
        child = command.get_command(context, name)
        if child is not None and not child.hidden:
            yield from _sections(child, child.make_context(name, [], parent=context, resilient_parsing=True))


def _section(command: Any, context: Any) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"## {context.command_path}", "", "```text", usage, "```", ""]
    if command.help:
        lines += [inspect.cleandoc(command.help).replace("\f", ""), ""]
    if isinstance(command, TyperGroup):
        lines += ["| command | what it does |", "|---|---|"]
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            if child is not None and not child.hidden:
                anchor = f"{context.command_path} {name}".replace(" ", "-")
                lines.append(f"| [`{name}`](#{anchor}) | {_cell(child.get_short_help_str(200))} |")
        lines.append("")
    params = [param for param in command.get_params(context) if param.name != "help"]
    records = [record for param in params if (record := param.get_help_record(context))]
    if records:
        lines += ["| argument or option | meaning |", "|---|---|"]
        lines += [f"| `{_cell(left)}` | {_cell(right)} |" for left, right in records]
        lines.append("")
    return "\n".join(lines)


def _cell(text: str) -> str:
    """Text for a Markdown table's cell."""
    return " ".join(text.split()).replace("|", "\\|")
