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


def schema(extensions: Mapping[str, Mapping[str, type[BaseModel]]]) -> dict[str, Any]:
    """Draft 2020-12. `extensions` is section name → kind → that kind's options: {"providers": {"openai": …}}."""
    document = Config.model_json_schema(schema_generator=_Generator, ref_template="#/$defs/{model}")
    definitions: dict[str, Any] = document.setdefault("$defs", {})
    properties: dict[str, Any] = document["properties"]
    properties["include"] = {
        "description": "Further files to merge in, relative to this one.",
        "type": "array",
        "items": {"type": "string"},
    }
    for section, kinds in extensions.items():
        if kinds:
            one_of = [_kind(section, kind, options, definitions) for kind, options in kinds.items()]
            names = next(iter(properties[section]["patternProperties"]))
            properties[section] |= {"patternProperties": {names: {"oneOf": one_of}}, "additionalProperties": False}
    return {**document, "$schema": GenerateJsonSchema.schema_dialect, "title": "llmctl gateway.yaml"}


def _kind(section: str, kind: str, options: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    # Two kinds may each have a model of the same name, so definitions carry the kind's name.
    name = f"{section}-{kind}"
    described = options.model_json_schema(schema_generator=_Generator, ref_template=f"#/$defs/{name}-{{model}}")
    definitions.update({f"{name}-{inner}": d for inner, d in described.pop("$defs", {}).items()})
    described["properties"] = {"kind": {"const": kind}, **described.get("properties", {})}
    described["required"] = ["kind", *described.get("required", [])]
    definitions[name] = {**described, "title": kind}
    return {"$ref": f"#/$defs/{name}"}


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
