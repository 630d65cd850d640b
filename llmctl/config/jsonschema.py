"""JSON Schema for editors. It describes the file, so a number may also be written `${VAR}` and a duration `30s`."""

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from llmctl.config.schema import Config
from llmctl.config.units import parse_bytes, parse_seconds

_REFERENCE = {"type": "string", "pattern": r"\$\{"}
_UNITS = {
    parse_bytes: {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([kKmMgG]i?)?[bB]?\s*$"},
    parse_seconds: {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*(ms|s|m|h|d)?\s*$"},
}


def schema(
    extensions: Mapping[str, Mapping[str, type[BaseModel]]], parts: Mapping[str, type[BaseModel]] = {}
) -> dict[str, Any]:
    """Draft 2020-12.

    `extensions` is place → kind → that kind's options, and `parts` place → model of a section that the configuration
    knows nothing of. A place is a section or, below one, a key that all its entries have: `providers`, `routes.rules`.
    """
    document = Config.model_json_schema(schema_generator=_Generator, ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = document.setdefault("$defs", {})
    properties: dict[str, Any] = document["properties"]
    properties["include"] = {
        "description": "Further files to merge in, relative to this one.",
        "type": "array",
        "items": {"type": "string"},
    }
    for place, model in parts.items():
        owner, key = _owner(place, properties, definitions), place.rpartition(".")[2]
        definitions[place] = _described(place, model, definitions)
        owner[key] = _put(owner[key], {"$ref": f"#/$defs/{place}"})
    for place, kinds in sorted(extensions.items(), key=lambda item: -item[0].count(".")):  # what is inside goes first
        if kinds:
            owner, key = _owner(place, properties, definitions), place.rpartition(".")[2]
            common = definitions[_referred(owner[key])]
            one_of = [_kind(place, kind, options, common, definitions) for kind, options in kinds.items()]
            owner[key] = _put(owner[key], {"oneOf": one_of})
            if "patternProperties" in owner[key]:
                owner[key]["additionalProperties"] = False
    return {**document, "$schema": GenerateJsonSchema.schema_dialect, "title": "llmctl gateway.yaml"}


def _kind(
    place: str, kind: str, options: type[BaseModel], common: dict[str, Any], definitions: dict[str, Any]
) -> dict[str, Any]:
    """A reference to one kind: its own options, and those that `common` gives to all."""
    # Two kinds may each have a model of the same name, so definitions carry the kind's name.
    name = f"{place}-{kind}"
    described = _described(name, options, definitions)
    all_have = {key: value for key, value in common["properties"].items() if key != "kind"}
    described["properties"] = {"kind": {"const": kind}} | described.get("properties", {}) | all_have
    required = [*described.get("required", []), *common.get("required", [])]
    described["required"] = list(dict.fromkeys(["kind", *required]))
    definitions[name] = {**described, "title": kind}
    return {"$ref": f"#/$defs/{name}"}


def _described(name: str, model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    described = model.model_json_schema(schema_generator=_Generator, ref_template=f"#/$defs/{name}-{{model}}")
    definitions.update({f"{name}-{inner}": d for inner, d in described.pop("$defs", {}).items()})
    return described


def _owner(place: str, properties: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    """The properties among which the last key of `place` stands."""
    for part in place.split(".")[:-1]:
        properties = definitions[_referred(properties[part])]["properties"]
    return properties


def _referred(node: dict[str, Any]) -> str:
    """The definition that a property's values have, be they one, in a list or in a map."""
    if "$ref" in node:
        return str(node["$ref"]).removeprefix("#/$defs/")
    return next((name for _, _, inner in _inside(node) if (name := _referred(inner))), "")


def _put(node: dict[str, Any], value: dict[str, Any]) -> dict[str, Any]:
    """`node` with `value` in the place of the object it describes; the description stays."""
    if "$ref" in node or (node.get("type") == "object" and "patternProperties" not in node):
        return value | {"description": node["description"]} if "description" in node else value
    for holder, key, inner in _inside(node):
        holder[key] = _put(inner, value)
    return node


def _inside(node: dict[str, Any]) -> list[tuple[Any, Any, dict[str, Any]]]:
    """Descriptions of what is in a property: which dict or list holds each, under which key."""
    found: list[tuple[Any, Any, dict[str, Any]]] = []
    if "items" in node:
        found.append((node, "items", node["items"]))
    found += [(node["patternProperties"], key, inner) for key, inner in node.get("patternProperties", {}).items()]
    return found + [(node["anyOf"], at, inner) for at, inner in enumerate(node.get("anyOf", []))]


class _Generator(GenerateJsonSchema):
    """Adds the forms that loading turns into numbers and booleans."""

    def int_schema(self, schema: core_schema.IntSchema) -> JsonSchemaValue:
        return _or_reference(super().int_schema(schema))

    def float_schema(self, schema: core_schema.FloatSchema) -> JsonSchemaValue:
        return _or_reference(super().float_schema(schema))

    def bool_schema(self, schema: core_schema.BoolSchema) -> JsonSchemaValue:
        return _or_reference(super().bool_schema(schema))

    def function_before_schema(self, schema: core_schema.BeforeValidatorFunctionSchema) -> JsonSchemaValue:
        inner = super().function_before_schema(schema)
        written = next((form for parse, form in _UNITS.items() if schema["function"]["function"] is parse), None)
        return {"anyOf": [*inner["anyOf"], written]} if written and "anyOf" in inner else inner


def _or_reference(schema: JsonSchemaValue) -> JsonSchemaValue:
    return {"anyOf": [schema, _REFERENCE]}
