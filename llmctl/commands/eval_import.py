"""`llmctl eval import`: a promptfoo configuration as a suite."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer


def import_(
    path: Annotated[Path, typer.Argument(metavar="promptfooconfig.yaml", help="promptfoo's configuration.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Where to; otherwise stdout.")
    ] = None,
    skip_unsupported: Annotated[
        bool, typer.Option("--skip-unsupported", help="Go on without what has no equal here; it is listed on stderr.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Make a suite of promptfoo's prompts, providers, tests and assertions. What has no equal here is listed."""
    from llmctl.errors import UsageError
    from llmctl.evals.promptfoo import imported, refused

    found = imported(path)
    if found.unsupported and not skip_unsupported:
        raise refused(path, found.unsupported)
    for line in found.unsupported:
        print(f"not imported: {line}", file=sys.stderr)
    text = f"# From {path.name}, by `llmctl eval import`.\n{as_yaml(found.tree)}"
    if output is None:
        sys.stdout.write(text)
        return
    if output.exists() and not force:
        raise UsageError(f"{output} is there already; --force writes over it")
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{output}: cannot be written: {error.strerror or error}") from None
    print(f"wrote {output}; run it with: llmctl eval {output}", file=sys.stderr)


def as_yaml(tree: dict[str, Any]) -> str:
    """Values as our YAML: references to the environment escaped, no aliases."""
    import yaml

    class Plain(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    text: str = yaml.dump(_escaped(tree), Dumper=Plain, sort_keys=False, allow_unicode=True, width=110)
    return text


def _escaped(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("${", "$${")
    if isinstance(value, dict):
        return {key: _escaped(below) for key, below in value.items()}
    return [_escaped(one) for one in value] if isinstance(value, list) else value
