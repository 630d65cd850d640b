"""`llmctl init`: a first gateway.yaml."""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from llmctl.commands.options import JsonOption, print_json
from llmctl.config.template import Upstream, render
from llmctl.errors import StoreError, UsageError


def init(
    upstream: Annotated[
        str | None, typer.Option(metavar="URL", help="A server that speaks OpenAI's API, up to and with /v1.")
    ] = None,
    model: Annotated[str | None, typer.Option(metavar="NAME", help="A model of that server.")] = None,
    api_key_env: Annotated[
        str | None, typer.Option(metavar="VAR", help="Environment variable that holds that server's key.")
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write; - is stdout.")] = Path("gateway.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    json: JsonOption = False,
) -> None:
    """Write a commented, working gateway.yaml.

    Without --upstream it serves the small model that comes with llmctl.
    """
    text = render(_upstream(upstream, model, api_key_env))
    if str(output) == "-":
        print(text, end="")
        return
    _write(output, text, force)
    if json:
        print_json({"file": str(output)})
        return
    option = "" if output == Path("gateway.yaml") else f" -c {output}"
    if api_key_env:
        print(f"wrote {output}; export {api_key_env}, then: llmctl serve{option}")
    else:
        print(f"wrote {output}; next: llmctl serve{option}")


def _upstream(url: str | None, model: str | None, api_key_env: str | None) -> Upstream | None:
    if url is None:
        if model is not None or api_key_env is not None:
            raise UsageError("--model and --api-key-env describe an upstream; add --upstream URL")
        return None
    if model is None:
        raise UsageError("--upstream needs a model to ask for; add --model NAME")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,127}", model):
        raise UsageError(f"--model: {model!r} has characters that a model's name here may not have")
    if api_key_env is not None and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", api_key_env):
        raise UsageError("--api-key-env takes a variable's name, such as OPENAI_API_KEY, not the key itself")
    _check_url(url)
    return Upstream(url, model, api_key_env)


def _check_url(url: str) -> None:
    try:
        parts = urlsplit(url)
        well_formed = parts.scheme in ("http", "https") and bool(parts.hostname) and url.isprintable()
    except ValueError:
        well_formed = False
    if not well_formed:
        raise UsageError("--upstream: write a URL such as https://api.openai.com/v1")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UsageError("--upstream takes no credentials, query or fragment; put a key in a variable: --api-key-env")


def _write(path: Path, text: str, force: bool) -> None:
    if path.exists() and not force:
        raise UsageError(f"{path} exists; add --force to overwrite it, or -o FILE to write another")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Exclusive again: somebody else may have written it since.
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}); choose another with -o FILE") from None
