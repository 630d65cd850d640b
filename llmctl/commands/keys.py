"""`llmctl keys`: virtual keys for the gateway's clients."""

from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from llmctl.clock import Clock, SystemClock
from llmctl.commands.options import JsonOption, print_json
from llmctl.config.keys import new_key
from llmctl.config.schema import KeyConfig
from llmctl.config.show import to_yaml
from llmctl.config.units import parse_seconds
from llmctl.errors import UsageError

app = typer.Typer(help="Make virtual keys.", no_args_is_help=True)


@app.callback()
def keys() -> None:
    """Make virtual keys."""


@app.command()
def new(
    tenant: Annotated[str, typer.Option(help="Who the key belongs to.")] = "default",
    models: Annotated[
        list[str] | None,
        typer.Option(help="Model or route it may ask for; again or with commas for more. Default: all."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="TIME", help="2030-01-31T00:00:00Z, or a time from now such as 90d.")
    ] = None,
    admin: Annotated[bool, typer.Option("--admin", help="May also read /metrics from another host.")] = False,
    json: JsonOption = False,
) -> None:
    """Print a fresh key, this once, and the entry for `keys:` that lets it in."""
    key, entry = new_key()
    fields: dict[str, Any] = dict(entry)
    if tenant != "default":
        fields["tenant"] = tenant
    if models:
        fields["models"] = [name.strip() for given in models for name in given.split(",") if name.strip()]
        if not fields["models"]:
            raise UsageError("--models names no model; leave it out to allow all")
    if expires is not None:
        fields["expires"] = expiry(expires, SystemClock())
    if admin:
        fields["admin"] = True
    try:
        KeyConfig.model_validate(fields)
    except ValidationError as error:
        wrong = error.errors()[0]
        raise UsageError(f"--{wrong['loc'][0]}: {wrong['msg']}") from None
    if json:
        print_json({"key": key, "config": fields})
        return
    print(f"# The key. It is shown this once; give it to the client.\n{key}\n")
    print("# Its entry in gateway.yaml, under `keys:`.")
    print(to_yaml({"keys": [fields]}), end="")


def expiry(text: str, clock: Clock) -> str:
    """An RFC 3339 time in the future, from one or from a duration. Raises UsageError."""
    try:
        at = datetime.fromtimestamp(clock.wall() + parse_seconds(text), UTC).replace(microsecond=0)
    except (ValueError, OverflowError, OSError):
        at = _time(text)
    if at.timestamp() <= clock.wall():
        raise UsageError(f"--expires: {text} has passed; give a time to come, such as 90d")
    return at.isoformat().replace("+00:00", "Z")


def _time(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise UsageError(f"--expires: {text} is no time; write 2030-01-31T00:00:00Z, or a time from now such as 90d")
    return at
