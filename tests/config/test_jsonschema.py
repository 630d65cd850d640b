import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from llmctl.config.jsonschema import schema


class Part(BaseModel):
    size: int = 0


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    base_url: str = Field(description="Where.")
    part: Part = Part()


def test_kinds_are_alternatives_with_their_options() -> None:
    document = schema({"providers": {"one": Options, "two": Part}, "routes": {}})
    (section,) = document["properties"]["providers"]["patternProperties"].values()
    assert section["oneOf"] == [{"$ref": "#/$defs/providers-one"}, {"$ref": "#/$defs/providers-two"}]
    one = document["$defs"]["providers-one"]
    assert one["properties"]["kind"] == {"const": "one"}
    assert one["required"] == ["kind", "base_url"]
    assert one["additionalProperties"] is False
    assert list(document["properties"]["routes"]["patternProperties"].values()) == [{"$ref": "#/$defs/Extension"}]


def test_every_reference_resolves() -> None:
    document = schema({"providers": {"one": Options}, "routes": {"one": Part}})
    for name in re.findall(r"#/\$defs/([^']+)'", str(document)):
        assert name in document["$defs"]


def test_references_and_units_are_legal_where_numbers_are() -> None:
    server = schema({})["$defs"]["ServerConfig"]["properties"]
    assert matches(server["port"], "${PORT:-8080}")
    assert not matches(server["port"], "30s")
    assert matches(server["keep_alive"], "30s")
    assert matches(server["max_body"], "10MiB")
    assert not matches(server["max_body"], "10 potatoes")


def test_includes_are_legal() -> None:
    assert schema({})["properties"]["include"]["items"] == {"type": "string"}


def matches(described: dict[str, Any], text: str) -> bool:
    texts = (form for form in described["anyOf"] if form["type"] == "string")
    return any(re.search(form["pattern"], text) for form in texts)
