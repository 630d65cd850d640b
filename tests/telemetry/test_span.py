"""Where spans go and what of a request and an answer they may say."""

import re
from base64 import b64decode
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from llmctl.config.schema_telemetry import TelemetryConfig
from llmctl.config.secrets import Environment
from llmctl.errors import ConfigError
from llmctl.telemetry.span_messages import answered, asked
from llmctl.telemetry.span_target import Target, target_of
from llmctl.testing.asking import ONE_MODEL
from llmctl.testing.config import loaded

BASE = "OTEL_EXPORTER_OTLP_ENDPOINT"
EMPTY: Mapping[str, str] = {}
TRACES = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"


def target(otlp: dict[str, Any] | None, variables: Mapping[str, str] = EMPTY) -> Target | None:
    return target_of(TelemetryConfig.model_validate({"otlp": otlp}), Environment(variables))


def some(otlp: dict[str, Any] | None, variables: Mapping[str, str] = EMPTY) -> Target:
    found = target(otlp, variables)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("otlp", "variables", "url"),
    [
        ({"endpoint": "http://c:4318"}, {BASE: "http://other"}, "http://c:4318/v1/traces"),
        ({"endpoint": "https://c/otel/"}, {}, "https://c/otel/v1/traces"),
        ({"endpoint": "https://c/v1/traces"}, {}, "https://c/v1/traces"),
        ({"endpoint": "https://c/otel?key=k"}, {}, "https://c/otel/v1/traces?key=k"),
        ({"sample": 1}, {BASE: "http://c"}, "http://c/v1/traces"),
        (None, {BASE: "http://c/"}, "http://c/v1/traces"),
        (None, {BASE: "http://c", TRACES: "http://d/spans"}, "http://d/spans"),
    ],
)
def test_the_address(otlp: dict[str, Any] | None, variables: dict[str, str], url: str) -> None:
    assert some(otlp, variables).url == url


def test_nobody_named_a_collector() -> None:
    assert target(None) is None
    assert target(None, {BASE: " "}) is None
    assert target({"endpoint": "http://c"}, {"OTEL_SDK_DISABLED": "True"}) is None
    with pytest.raises(ConfigError, match=r"telemetry\.otlp: no collector is named"):
        target({"sample": 1})
    with pytest.raises(ConfigError, match=f"{BASE}: is no http"):
        target(None, {BASE: "collector:4317"})


def test_the_files_headers_go_before_the_environments() -> None:
    variables = {"OTEL_EXPORTER_OTLP_HEADERS": "x-api-key=a%3Db, X-Team = ops ,junk", BASE: "http://c"}
    assert some(None, variables).headers == {"x-api-key": "a=b", "X-Team": "ops"}
    assert some({"headers": {"k": "v"}}, variables).headers == {"k": "v"}
    assert some(None, variables | {"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "t=1"}).headers == {"t": "1"}


@pytest.mark.parametrize("value", ["sekret\n", " sekret", "sekrét", "se\rkret"])
def test_a_header_that_cannot_be_sent_is_refused_without_showing_it(value: str) -> None:
    with pytest.raises(ConfigError, match="'x-key'") as caught:
        target({"endpoint": "http://c", "headers": {"x-key": value}})
    assert "kr" not in caught.value.message
    with pytest.raises(ConfigError, match="no name of a header"):
        target({"endpoint": "http://c", "headers": {"x key": "v"}})


def test_credentials_in_the_address_become_a_header() -> None:
    found = some({"endpoint": "https://pk:s%40k@c:1/otel"})
    assert (found.url, dict(found.headers)) == ("https://c:1/otel/v1/traces", {"Authorization": "Basic cGs6c0Br"})
    assert some({"endpoint": "https://a:b@c", "headers": {"authorization": "Bearer t"}}).headers == {
        "authorization": "Bearer t"
    }
    assert some({"endpoint": "https://c/@me"}).url == "https://c/@me/v1/traces"
    assert "s%40k" not in repr(found)
    assert "cGs6" not in repr(found)


@pytest.mark.parametrize(("value", "wanted"), [("true", True), ("SPAN_ONLY", True), ("false", False), ("", False)])
def test_content_may_be_wanted_by_the_environment(value: str, wanted: bool) -> None:
    variables = {BASE: "http://c", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": value}
    assert some(None, variables).content is wanted
    assert some({"content": True}, variables).content


def test_the_documentations_settings_are_taken(tmp_path: Path) -> None:
    names = ("LANGSMITH_API_KEY", "LANGFUSE_PUBLIC_KEY", "LANGFUSE_SECRET_KEY", "PHOENIX_API_KEY", "DD_API_KEY")
    text = (Path(__file__).resolve().parents[2] / "docs/tracing.md").read_text()
    blocks = re.findall(r"```yaml\n(telemetry:.*?)```", text, re.DOTALL)
    env = {name: f"value-of-{name}" for name in names}
    made = [target_of(loaded(ONE_MODEL + block, tmp_path, env).config.telemetry, Environment(env)) for block in blocks]
    assert [one.url for one in made if one] == [
        "http://127.0.0.1:4318/v1/traces",
        "http://tempo:4318/v1/traces",
        "https://api.smith.langchain.com/otel/v1/traces",
        "https://cloud.langfuse.com/api/public/otel/v1/traces",
        "http://phoenix:6006/v1/traces",
        "https://otlp.datadoghq.com/v1/traces",
    ]
    langfuse = made[3]
    assert langfuse is not None
    credentials = b64decode(langfuse.headers["Authorization"].removeprefix("Basic "))
    assert credentials == b"value-of-LANGFUSE_PUBLIC_KEY:value-of-LANGFUSE_SECRET_KEY"


def test_certificates_and_what_else_is_said_of_the_service() -> None:
    variables = {
        BASE: "http://c",
        "OTEL_EXPORTER_OTLP_CERTIFICATE": "/ca",
        "OTEL_EXPORTER_OTLP_TRACES_CERTIFICATE": "/traces-ca",
        "OTEL_EXPORTER_OTLP_CLIENT_KEY": "/key",
        "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=prod,team=a%20b",
    }
    found = some(None, variables)
    assert (found.certificate, found.client_key, found.client_certificate) == ("/traces-ca", "/key", None)
    assert found.resource == {"deployment.environment.name": "prod", "team": "a b"}


def test_a_conversation_in_the_conventions_shape() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "sum", "arguments": '{"a":1}'}}
    image = {"type": "image_url", "image_url": {"url": "https://x/y.png"}}
    request = {
        "messages": [
            {"role": "system", "content": "Be kind."},
            {
                "role": "user",
                "name": "ann",
                "content": [{"type": "text", "text": "Look"}, image, {"type": "odd", "n": 1}],
            },
            {"role": "assistant", "content": None, "reasoning": "hm", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "3"},
        ]
    }
    assert asked(request) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be kind."}]},
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "Look"},
                {"type": "uri", "modality": "image", "uri": "https://x/y.png"},
                {"type": "odd", "n": 1},
            ],
            "name": "ann",
        },
        {
            "role": "assistant",
            "parts": [
                {"type": "reasoning", "content": "hm"},
                {"type": "tool_call", "id": "call_1", "name": "sum", "arguments": '{"a":1}'},
            ],
        },
        {"role": "tool", "parts": [{"type": "tool_call_response", "id": "call_1", "response": "3"}]},
    ]


def test_other_operations_and_answers() -> None:
    assert asked({"prompt": "Once"}) == [{"role": "user", "parts": [{"type": "text", "content": "Once"}]}]
    assert [one["parts"][0]["content"] for one in asked({"input": ["a", "b"]})] == ["a", "b"]
    assert asked({"omitted_bytes": 9}) == asked(None) == answered({"data": []}) == answered(None) == []
    said = answered(
        {
            "choices": [
                {"message": {"role": "assistant", "content": None, "refusal": "No."}, "finish_reason": "stop"},
                {"text": "upon a time", "finish_reason": "length"},
                {"message": {"tool_calls": [{"id": "c", "function": {"name": "f"}}]}, "finish_reason": "tool_calls"},
                {"message": {"content": "cut"}},
            ]
        }
    )
    assert [(one["role"], one["finish_reason"]) for one in said] == [
        ("assistant", "stop"), ("assistant", "length"), ("assistant", "tool_call"), ("assistant", "error"),
    ]  # fmt: skip
    assert said[0]["parts"] == [{"type": "refusal", "content": "No."}]
    assert said[1]["parts"] == [{"type": "text", "content": "upon a time"}]
