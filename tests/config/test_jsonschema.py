import re
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from llmctl.config.jsonschema import schema
from llmctl.config.schema import RouteConfig


class Part(BaseModel):
    size: int = 0


class Options(BaseModel):
    model_config = ConfigDict(extra="forbid")

    base_url: str = Field(description="Where.")
    part: Part = Part()


class Conditions(BaseModel):
    json_: bool = Field(alias="json")


def test_kinds_are_alternatives_with_their_options() -> None:
    document = schema({"providers": {"one": Options, "two": Part}, "routes": {}})
    (section,) = document["properties"]["providers"]["patternProperties"].values()
    assert section["oneOf"] == [{"$ref": "#/$defs/providers-one"}, {"$ref": "#/$defs/providers-two"}]
    one = document["$defs"]["providers-one"]
    assert one["properties"]["kind"] == {"const": "one"}
    assert one["required"] == ["kind", "base_url"]
    assert one["additionalProperties"] is False
    assert list(document["properties"]["routes"]["patternProperties"].values()) == [{"$ref": "#/$defs/RouteConfig"}]


def routes() -> dict[str, Any]:
    kinds: dict[str, type[BaseModel]] = {"one": Options, "two": Part}
    return schema(
        {"routes": kinds, "routes.rules": kinds, "routes.experiment": {"ab": Part}},
        {"routes.rules.when": Conditions, "routes.hedge": Part, "resilience": Options},
    )


def test_a_routes_kinds_have_the_keys_that_all_routes_have() -> None:
    document = routes()
    one = document["$defs"]["routes-one"]
    assert {"kind", "base_url", "part", *RouteConfig.model_fields} == set(one["properties"])
    assert one["required"] == ["kind", "base_url"]
    assert one["additionalProperties"] is False
    rules = one["properties"]["rules"]["items"]["oneOf"]
    assert rules == [{"$ref": "#/$defs/routes.rules-one"}, {"$ref": "#/$defs/routes.rules-two"}]
    rule = document["$defs"]["routes.rules-one"]
    assert set(rule["properties"]) == {"kind", "base_url", "part", "when"}
    assert rule["required"] == ["kind", "base_url", "when"]
    assert rule["properties"]["when"]["$ref"] == "#/$defs/routes.rules.when"
    assert document["$defs"]["routes.rules.when"]["properties"]["json"]


def test_sections_that_the_configuration_knows_nothing_of_have_their_own_models() -> None:
    document = routes()
    one = document["$defs"]["routes-one"]["properties"]
    assert one["experiment"]["anyOf"][0] == {"oneOf": [{"$ref": "#/$defs/routes.experiment-ab"}]}
    assert one["hedge"]["anyOf"][0] == {"$ref": "#/$defs/routes.hedge"}
    assert one["hedge"]["description"]
    assert document["properties"]["resilience"]["$ref"] == "#/$defs/resilience"
    assert document["properties"]["resilience"]["description"]
    assert document["$defs"]["resilience"]["properties"]["part"]["$ref"] == "#/$defs/resilience-Part"


def test_every_reference_resolves() -> None:
    for document in (schema({"providers": {"one": Options}, "routes": {"one": Part}}), routes()):
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


def test_kinds_within_sections_that_may_be_absent() -> None:
    document = schema({"cache.semantic.embedder": {"one": Options, "two": Part}})
    embedder = document["$defs"]["SemanticConfig"]["properties"]["embedder"]
    assert [one.get("oneOf") or one for one in embedder["anyOf"]] == [
        [{"$ref": "#/$defs/cache.semantic.embedder-one"}, {"$ref": "#/$defs/cache.semantic.embedder-two"}],
        {"type": "null"},
    ]
    one = document["$defs"]["cache.semantic.embedder-one"]
    assert (set(one["properties"]), one["required"]) == ({"kind", "base_url", "part"}, ["kind", "base_url"])
    assert (
        document["$defs"]["CachePolicyConfig"]["properties"]["semantic"]
        == (document["$defs"]["CacheConfig"]["properties"]["semantic"])
    ), "a route's cache has the same embedders"
