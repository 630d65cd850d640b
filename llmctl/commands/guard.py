"""`llmctl guard`: list, check, bench."""

import json as jsonlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from llmctl.clock import SystemClock
from llmctl.commands.options import ConfigOption, JsonOption, config_path, print_json
from llmctl.errors import CheckFailed, LlmctlError, UsageError

app = typer.Typer(help="List guards, run them, measure them on labelled data.", no_args_is_help=True)

DirectionOption = Annotated[
    Literal["input", "output"] | None,
    typer.Option(
        "--direction",
        "--stage",
        help="Judge as what comes in or as what goes out. Default: input, unless no guard named judges that.",
    ),
]
PresetOption = Annotated[Literal["strict", "balanced", "lenient"], typer.Option(help="How cautious.")]
OptionsOption = Annotated[
    str | None,
    typer.Option("--options", metavar="JSON", help="The guard's options, as JSON or as @FILE with JSON or YAML."),
]


RATE_LIMIT: dict[str, Any] = {
    "kind": "rate_limit",
    "directions": ["input"],
    "cost_us": 3.0,
    "lookbehind": 0,
    "about": "Requests a minute, tokens a minute, requests at a time; by key, tenant and model. A policy, not a judge.",
}


@app.command("list")
def listed(json: JsonOption = False) -> None:
    """Print every kind of guard: what it judges, what it costs, what it holds back of a stream."""
    rows = [
        {
            "kind": kind,
            "directions": sorted(guard.directions),
            "cost_us": guard.cost_us,
            "lookbehind": guard.lookbehind,
            "about": _first_line(sys.modules[guard.__module__].__doc__),
        }
        for kind, guard in sorted(_table().items())
    ]
    rows = sorted([*rows, RATE_LIMIT], key=lambda row: str(row["kind"]))
    if json:
        print_json(rows)
        return
    for row in rows:
        held = "all" if row["lookbehind"] is None else row["lookbehind"]
        print(
            f"{row['kind']:<14} {'+'.join(row['directions']):<13} {row['cost_us']:>8g} µs  holds {held!s:>5}  ", end=""
        )
        print(row["about"])


@app.command()
def check(
    text: Annotated[str | None, typer.Argument(help="The text. Default: --file, else what comes on stdin.")] = None,
    file: Annotated[Path | None, typer.Option("--file", "-f", help="Read the text from this file.")] = None,
    guard: Annotated[
        list[str] | None, typer.Option("--guard", "-g", help="Kind of guard; again for more. Default: all that can.")
    ] = None,
    direction: DirectionOption = None,
    source: Annotated[
        Literal["system", "user", "assistant", "tool", "retrieved"] | None,
        typer.Option(help="Where the text comes from. Default: user, for output assistant."),
    ] = None,
    context: Annotated[
        list[str] | None, typer.Option("--context", help="A passage the answer may rest on; again for more.")
    ] = None,
    system: Annotated[str, typer.Option(help="The system prompt, for guards of answers.")] = "",
    question: Annotated[str, typer.Option(help="The user's question, for guards of answers.")] = "",
    preset: PresetOption = "balanced",
    options: OptionsOption = None,
    json: JsonOption = False,
) -> None:
    """Run guards over one text. Exits with 3 when one of them blocks."""
    from llmctl.guards.base import About

    judged = _text(text, file)
    way = direction or _direction(guard or [])
    guards, skipped = _guards(guard or [], way, preset, options)
    said_by = source or ("assistant" if way == "output" else "user")
    about = About(way, said_by, tuple(context or ()), question, system)
    verdicts = {kind: made.judge(judged, about) for kind, made in guards.items()}
    blocking = [kind for kind, verdict in verdicts.items() if verdict.outcome == "block"]
    if json:
        shown = {kind: _plain(verdict) for kind, verdict in verdicts.items()}
        print_json({"direction": way, "blocked": bool(blocking), "guards": shown, "skipped": skipped})
    else:
        for kind, verdict in verdicts.items():
            print(f"{kind:<14} {verdict.outcome:<7} {verdict.score:.3f}  {verdict.reason}".rstrip())
        for kind, why in skipped.items():
            print(f"not run: {kind}: {why}", file=sys.stderr)
    if blocking:
        raise typer.Exit(CheckFailed.exit_code)


@app.command()
def bench(
    data: Annotated[Path, typer.Option("--data", help="JSON lines: text, and label (1 = bad) or spans.")],
    guard: Annotated[str, typer.Option("--guard", "-g", help="Kind of guard.")],
    scores: Annotated[
        Path | None, typer.Option("--scores", help="Write score, outcome and spans of every row to this file.")
    ] = None,
    direction: DirectionOption = None,
    preset: PresetOption = "balanced",
    options: OptionsOption = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Count spans of this type only; again for more.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Measure a guard on labelled rows: precision, recall, F1, AUC, false positives, cost."""
    from llmctl.commands import guard_bench

    way = direction or _direction([guard])
    made = _guards([guard], way, preset, options)[0][guard]
    rows = list(guard_bench.read(data, way))
    if not rows:
        raise UsageError(f"{data}: has no rows")
    clock = SystemClock()
    judged = [guard_bench.judge(made, row, clock) for row in _tracked(rows, json)]
    if scores is not None:
        try:
            scores.write_text("".join(guard_bench.out_row(one) for one in judged), encoding="utf-8")
        except OSError as error:
            raise UsageError(f"--scores: {scores}: cannot be written: {error.strerror}") from None
    figures = guard_bench.result(rows, judged, types or [])
    if json:
        print_json({"guard": guard, "preset": preset, "direction": way, "data": str(data), **figures})
        return
    for line in guard_bench.lines(figures):
        print(line)


@app.command()
def policies(config: ConfigOption = None, json: JsonOption = False) -> None:
    """Print the guardrail policies of a configuration, the preset's included, in the order in which they are asked."""
    from llmctl.commands.guard_policies import lines, rows
    from llmctl.config.load import load
    from llmctl.config.secrets import Environment

    table = rows(load(config_path(config), Environment.of_process()).config.guardrails)
    if json:
        print_json(table)
        return
    for line in lines(table):
        print(line)


def _table() -> dict[str, Any]:
    from llmctl.guards import TABLE

    return TABLE


def _direction(kinds: Sequence[str]) -> Literal["input", "output"]:
    """Input, unless guards are named of which none judges that."""
    known = [_kind(kind) for kind in kinds]
    return "output" if known and all("input" not in guard.directions for guard in known) else "input"


def _kind(kind: str) -> Any:
    try:
        return _table()[kind]
    except KeyError:
        if kind == RATE_LIMIT["kind"]:
            raise UsageError(
                "--guard rate_limit: counts requests and judges no text; see `llmctl guard policies`"
            ) from None
        raise UsageError(f"--guard: no guard {kind}; there are {', '.join(sorted(_table())) or 'none'}") from None


def _guards(kinds: list[str], way: str, preset: str, options: str | None) -> tuple[dict[str, Any], dict[str, str]]:
    """The guards to run, and why others are not. What was named must run. Raises UsageError."""
    given = _options(options)
    if given and len(kinds) != 1:
        raise UsageError("--options: they are one guard's: name it with --guard, and no other")
    made: dict[str, Any] = {}
    skipped: dict[str, str] = {}
    for kind in kinds or sorted(_table()):
        found = _kind(kind)
        if way not in found.directions:
            if kinds:
                raise UsageError(f"--guard {kind}: judges {' and '.join(sorted(found.directions))} only")
            continue
        try:
            made[kind] = found(found.Options(**{"preset": preset, **given}))
        except (ValueError, LlmctlError) as error:  # pydantic's ValidationError is one
            if kinds:
                raise UsageError(f"--options: {kind}: {_wrong(error)}") from None
            skipped[kind] = f"needs options: {_wrong(error)}"
    return made, skipped


def _options(text: str | None) -> dict[str, Any]:
    import yaml

    if text is None:
        return {}
    try:
        raw = Path(text[1:]).read_text(encoding="utf-8") if text.startswith("@") else text
        value = yaml.safe_load(raw) if text.startswith("@") else jsonlib.loads(raw)
    except OSError as error:
        raise UsageError(f"--options: {text[1:]}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError, yaml.YAMLError):
        raise UsageError("--options: is not JSON; write '{\"key\": value}', or @FILE") from None
    if not isinstance(value, dict):
        raise UsageError("--options: give an object of options")
    return {str(key): inner for key, inner in value.items()}


def _wrong(error: Exception) -> str:
    """What is wrong with options, without what was given."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return str(error)
    first = error.errors()[0]
    place = ".".join(map(str, first["loc"]))
    return f"{place}: {first['msg']}" if place else str(first["msg"])


def _text(text: str | None, file: Path | None) -> str:
    if text is not None and file is not None:
        raise UsageError("give the text or --file, not both")
    if text is not None:
        return text
    try:
        raw = file.read_bytes() if file is not None else sys.stdin.buffer.read()
        return raw.decode()
    except OSError as error:
        raise UsageError(f"--file: {file}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"{file or 'stdin'}: is not UTF-8 at byte {error.start}") from None


def _plain(verdict: Any) -> dict[str, Any]:
    import msgspec

    return {"outcome": verdict.outcome, "score": verdict.score, **msgspec.to_builtins(verdict)}


def _tracked(rows: list[Any], quiet: bool) -> Any:
    """The rows, with a progress bar where someone watches a terminal."""
    if quiet or not sys.stderr.isatty():
        return rows
    from rich.console import Console
    from rich.progress import track

    return track(rows, "judging", console=Console(stderr=True), transient=True)


def _first_line(text: str | None) -> str:
    return (text or "").strip().partition("\n")[0]
