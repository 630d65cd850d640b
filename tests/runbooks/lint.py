"""What is wrong with a runbook, as sentences."""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import typer.main

from llmctl.commands.main import app
from llmctl.config.units import parse_seconds
from llmctl.errors import LlmctlError
from llmctl.reports.where import parse as parse_where
from llmctl.telemetry.reader import parse_when
from tests.runbooks.books import SECTIONS, Book, Step, read

RUNS = {"llmctl", "http", "promql", "shell", "edit"}
ATTRIBUTES = {"id", "run", "mutates", "timeout", "verify", "rollback", "on_failure"}
LANGUAGES = {"llmctl": "bash", "http": "bash", "shell": "bash", "promql": "promql", "edit": "yaml"}
CHANGING = {"cp", "mv", "rm", "kill", "pkill", "nohup", "systemctl", "tee"}
FILTERS = {"echo", "grep", "python3", "sleep"}


_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABELS = re.compile(r"\{[^}]*\}|\b(?:by|on|without|ignoring)\s*\([^)]*\)")
_OURS = re.compile(r"(llmctl|gen_ai|llm)_")


def structure(book: Book) -> Iterator[str]:
    """Front matter, sections, and attributes of steps."""
    for key in ("alerts", "severity", "owner", "last_tested"):
        if not book.front.get(key):
            yield f"front matter has no {key}"
    if book.sections != SECTIONS:
        yield f"sections are {book.sections}"
    ids = [step.id for step in book.steps]
    for step in book.steps:
        yield from (f"{step.id or step.text[:30]!r}: {what}" for what in _attributes(step, ids))


def _attributes(step: Step, ids: list[str]) -> Iterator[str]:
    if unknown := set(step.attributes) - ATTRIBUTES:
        yield f"unknown attributes {sorted(unknown)}"
    if not step.id or ids.count(step.id) > 1:
        yield "its id is missing or not the only one"
    if step.run not in RUNS or LANGUAGES[step.run] != step.language:
        yield f"run={step.run} in {step.language}"
    if step.run != "edit" and not 0 < parse_seconds(step.attributes.get("timeout", "0s")) <= 120:
        yield "no timeout, or one over two minutes"
    for name in ("verify", "rollback", "on_failure"):
        target = step.attributes.get(name)
        if target is not None and target not in ids and (name, target) != ("rollback", "none"):
            yield f"{name} names no step: {target}"
    if step.mutates and step.run != "edit" and step.id != "undo" and "rollback" not in step.attributes:
        yield "it changes something and names no rollback"


def commands(book: Book) -> Iterator[str]:
    """Commands that do not exist, options they do not have, and steps that change something and do not say so."""
    for step in book.steps:
        if step.language == "bash":
            for words in step.commands:
                yield from (f"{step.id}: {what}" for what in _command(step, words))
    for code in book.codes:
        if code.startswith("llmctl "):
            words = Step("bash", {}, code).commands[0]
            # A command that is only mentioned need not be whole.
            yield from (f"`{code}`: {what}" for what in cli(words) if not what.startswith("Missing"))


def _command(step: Step, words: list[str]) -> Iterator[str]:
    program = next(word for word in words if word not in ("nohup", "!"))
    if words[0] in CHANGING and not step.mutates:
        yield f"{words[0]} changes something"
    if step.run == "llmctl" and program != "llmctl":
        yield f"run=llmctl runs {program}"
    if step.run == "http" and program not in {"curl", *FILTERS}:
        yield f"run=http runs {program}"
    if program == "curl" and (any(word in ("-d", "-X", "--data") for word in words) or not _to_us(words)):
        yield "curl does more than GET, or asks somebody else"
    if program == "llmctl":
        yield from cli(words[words.index("llmctl") :])


def _to_us(words: list[str]) -> bool:
    return any(word.startswith(("$GATEWAY/", "$PROMETHEUS/")) for word in words)


def cli(words: list[str]) -> Iterator[str]:
    """What the real command line says against these words; nothing is run."""
    args = [re.sub(r"\$\w+", "x", word) for word in words[1:] if not word.startswith((">", "2>"))]
    args = args[: args.index("llmctl.log")] if "llmctl.log" in args else args
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="llmctl")
    try:
        while hasattr(command, "commands"):
            name, command, args = command.resolve_command(context, args)
            context = command.context_class(command, info_name=name, parent=context)
        found = command.make_context(context.info_name, args, parent=context.parent)
        if where := found.params.get("where"):
            parse_where(where)
        if since := found.params.get("since"):
            parse_when(since, 0.0)
    except Exception as error:
        if isinstance(error, LlmctlError | ValueError):
            yield str(error)
        elif said := getattr(error, "format_message", None):  # Typer's own errors, whose base class it keeps to itself
            yield said()
        else:
            raise


def queries(book: Book, declared: Collection[str]) -> Iterator[str]:
    """Metrics that nobody declares, in queries and in the prose."""
    for step in book.steps:
        if step.run == "promql":
            bare = _LABELS.sub(" ", step.text)
            names = [name for name in _NAME.findall(re.sub(r"\[[^\]]*\]|\b\d\w*", " ", bare)) if _OURS.match(name)]
            if not names:
                yield f"{step.id}: queries no metric of ours"
            yield from (f"{step.id}: there is no metric {name}" for name in names if name not in declared)
    for code in book.codes:
        if _OURS.match(code) and _NAME.fullmatch(code) and code not in declared:
            yield f"there is no metric {code}"


def links(book: Book) -> Iterator[str]:
    """Links to files or headings that are not there."""
    for link in book.links:
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        path = (book.path.parent / name).resolve()
        if not path.exists():
            yield f"dead link {link}"
        elif anchor:
            target = read(path) if name else book
            if anchor not in target.anchors:
                yield f"no such heading: {link}"


def settings(book: Book, schema: Mapping[str, Any]) -> Iterator[str]:
    """Keys of gateway.yaml in backticks, as `cache.semantic.max_error`, that the schema does not have."""
    for code in book.codes:
        names = re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", code) and code.split(".")
        if names and names[0] in schema["properties"] and not _exists(schema, schema, names):
            yield f"there is no key {code}"


def _exists(schema: Mapping[str, Any], at: Mapping[str, Any], path: list[str]) -> bool:
    if not path:
        return True
    own = at.get("properties", {})
    if path[0] in own and _exists(schema, own[path[0]], path[1:]):
        return True
    inside = [*at.get("anyOf", []), *at.get("oneOf", []), *at.get("allOf", [])]
    # Names of models, routes and policies are the user's own: a key of an entry stands right behind the section.
    inside += [*at.get("patternProperties", {}).values(), at.get("additionalProperties"), at.get("items")]
    if reference := at.get("$ref"):
        inside.append(schema["$defs"][reference.removeprefix("#/$defs/")])
    return any(_exists(schema, one, path) for one in inside if isinstance(one, dict))
