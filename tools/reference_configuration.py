"""The configuration's reference, from the pydantic schema and the options of every provider and routing strategy."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo

from llmctl import embedding, providers, routing
from llmctl.compress.options import TABLE as COMPRESSION
from llmctl.config.schema import Config
from llmctl.config.section import Extension
from llmctl.config.units import parse_bytes, parse_seconds
from llmctl.gateway.build_routes import EXPERIMENTS
from llmctl.gateway.hedge import HedgeOptions
from llmctl.gateway.prices_options import PricesOptions
from llmctl.gateway.resilience import ResilienceOptions
from llmctl.routing.conditions import When

INTRODUCTION = """# Configuration

One YAML file, by default `gateway.yaml`. Unknown keys are errors. A size is a number of bytes or `64KiB`, `10MB`; a
duration a number of seconds or `250ms`, `30s`, `5m`. `${VAR}` and `${VAR:-default}` are taken from the environment.
`llmctl config check` names every mistake with its file, line and key; `llmctl config schema` prints a JSON Schema.
"""

ENTRIES = {
    "Providers": "An entry of `providers` is",
    "Routing strategies": "An entry of `routes`, and of a route's `rules`, is what stands above for all of them, and",
    "Experiments": "A route's `experiment` is",
    "Compression": "`compress`, of the gateway and of a route, is",
    "Embedders": "`cache.semantic.embedder` is",
}
SECTIONS: tuple[tuple[str, str, type[BaseModel]], ...] = (
    ("Conditions", "routes.NAME.rules[].when", When),
    ("Hedging", "routes.NAME.hedge", HedgeOptions),
    ("Resilience", "resilience", ResilienceOptions),
    ("Prices", "prices", PricesOptions),
)
PLAIN = {
    str: "text",
    SecretStr: "text",
    int: "integer",
    float: "number",
    bool: "`true` or `false`",
    datetime: "time",
    Any: "anything",
}
BOUNDS = {"ge": "at least {}", "gt": "over {}", "le": "at most {}", "lt": "under {}"}


def configuration_reference() -> str:
    """The root's section, one per nested section, one per `kind`, and those that the schema knows nothing of."""
    parts = [INTRODUCTION, *_sections("gateway.yaml", "", Config)]
    tables: tuple[tuple[str, str, Mapping[str, type[Any]]], ...] = (
        ("Providers", "providers.NAME", providers.TABLE),
        ("Routing strategies", "routes.NAME", routing.TABLE),
        ("Experiments", "routes.NAME.experiment", EXPERIMENTS),
        ("Compression", "compress", COMPRESSION),
        ("Embedders", "cache.semantic.embedder", embedding.TABLE),
    )
    for title, path, table in tables:
        kinds = ", ".join(f"`{kind}`" for kind in table)
        parts.append(f"## {title}\n\n{ENTRIES[title]} a `kind` ({kinds}) and that kind's options.\n")
        for kind, extension in table.items():
            options = getattr(extension, "Options", extension)
            parts += _sections(f"{path} with `kind: {kind}`", path, options, doc=extension, level=3)
    for title, path, model in SECTIONS:
        parts += [f"## {title}\n", *_sections(path, path, model, level=3)]
    return "\n".join(parts)


def _sections(
    title: str, path: str, model: type[BaseModel], *, doc: type[Any] | None = None, level: int = 2
) -> Iterator[str]:
    heading = title if "`" in title else f"`{title}`"
    lines = [f"{'#' * level} {heading}", "", inspect.getdoc(doc or model) or "", ""]
    if model.model_fields:
        lines += ["| key | value | default | meaning |", "|---|---|---|---|"]
        lines += [_row(name, field) for name, field in model.model_fields.items()]
    else:
        lines.append("No options.")
    yield "\n".join([*lines, ""])
    for name, field in model.model_fields.items():
        for suffix, nested in _nested(field.annotation):
            where = f"{path}.{name}{suffix}" if path else f"{name}{suffix}"
            yield from _sections(where, where, nested, level=level)


def _nested(annotation: Any) -> Iterator[tuple[str, type[BaseModel]]]:
    """Section models within a type, with what stands between the key and them: `.NAME` in a map, `[]` in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        if annotation is not Extension:
            yield "", annotation
        return
    args = get_args(annotation)
    origin = get_origin(annotation)
    if origin is Annotated:
        args = args[:1]
    between = {dict: ".NAME", list: "[]", tuple: "[]"}.get(origin, "")
    for arg in args:
        for suffix, model in _nested(arg):
            yield between + suffix, model


def _row(name: str, field: FieldInfo) -> str:
    value = _describe(field.annotation, field.metadata)
    cells = (f"`{field.alias or name}`", value, _default(field), " ".join((field.description or "").split()))
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _describe(annotation: Any, metadata: Sequence[Any] = ()) -> str:
    """What may stand there, in words."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        inner = [item for arg in args[1:] for item in (arg.metadata if isinstance(arg, FieldInfo) else [arg])]
        return _describe(args[0], (*inner, *metadata))
    if origin in (Union, UnionType):
        return " or ".join(_describe(arg, metadata) for arg in args if arg is not NoneType)
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in args)
    if origin in (list, tuple, set, frozenset):
        return f"list of {_describe(args[0])}"
    if origin in (dict, Mapping):
        return "section" if args[1] is Any else f"map of name to {_describe(args[1])}"
    if isinstance(annotation, type) and issubclass(annotation, Extension):
        return "`kind` and options"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "section"
    word = _unit(metadata) or PLAIN.get(annotation) or getattr(annotation, "__name__", str(annotation)).lower()
    return ", ".join([word, *_limits(metadata)])


def _unit(metadata: Sequence[Any]) -> str | None:
    parsers = [getattr(item, "func", None) for item in metadata]
    return "size" if parse_bytes in parsers else "duration" if parse_seconds in parsers else None


def _limits(metadata: Sequence[Any]) -> Iterator[str]:
    """The bounds in words. A type alias may bring a bound that the field's own tightens."""
    bounds: dict[str, float] = {}
    for key in BOUNDS:
        found = [bound for item in metadata if (bound := getattr(item, key, None)) is not None]
        if found:
            bounds[key] = max(found) if key in ("ge", "gt") else min(found)
    if "gt" in bounds and bounds.get("ge", bounds["gt"]) <= bounds["gt"]:
        bounds.pop("ge", None)
    size = _unit(metadata) == "size"
    yield from (BOUNDS[key].format(_size(int(bound)) if size else f"{bound:g}") for key, bound in bounds.items())


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if value is None or isinstance(value, BaseModel):
        return ""
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    within = [item for part in get_args(field.annotation) for item in get_args(part)[1:]]  # of a type or None
    if (unit := _unit(field.metadata) or _unit(within)) is not None:
        return f"`{_size(int(value)) if unit == 'size' else f'{value:g}s'}`"
    if isinstance(value, tuple | list | frozenset):
        ordered = sorted(value) if isinstance(value, frozenset) else value
        return ", ".join(f"`{one}`" for one in ordered) or "empty"
    return f"`{value}`" if value or value == 0 else "empty"


def _size(value: int) -> str:
    """Bytes in the largest binary unit that divides them."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if value and value % factor == 0:
            return f"{value // factor}{unit}"
    return str(value)
