from typing import Any

import pytest

from llmctl.errors import UpstreamUnsupported
from llmctl.providers.base import Call
from llmctl.providers.gemini_request import UNSIGNED, body_of, embedding_body

HI = [{"role": "user", "content": "hi"}]
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {"type": "object"}}}


def body(model: str = "gemini-3-pro", **payload: Any) -> dict[str, Any]:
    return body_of("p", Call("chat", {"messages": HI, **payload}, model, False, 0.0))


def contents(*messages: dict[str, Any], model: str = "gemini-2.5-flash") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = body(model, messages=list(messages))["contents"]
    return found


def test_the_least_request() -> None:
    assert body() == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"temperature": 0, "top_p": 0.5, "top_k": 3, "seed": 1},
            {"temperature": 0, "topP": 0.5, "topK": 3, "seed": 1},
        ),
        ({"presence_penalty": 1, "frequency_penalty": 2}, {"presencePenalty": 1, "frequencyPenalty": 2}),
        ({"n": 2}, {"candidateCount": 2}),
        ({"max_tokens": 5}, {"maxOutputTokens": 5}),
        ({"max_tokens": 5, "max_completion_tokens": 7}, {"maxOutputTokens": 7}),
        ({"stop": "x"}, {"stopSequences": ["x"]}),
        ({"stop": ["x", "y"]}, {"stopSequences": ["x", "y"]}),
        ({"response_format": {"type": "json_object"}}, {"responseMimeType": "application/json"}),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": {"type": "object"}}}},
            {"responseMimeType": "application/json", "responseJsonSchema": {"type": "object"}},
        ),
        ({"reasoning_effort": "high"}, {"thinkingConfig": {"thinkingLevel": "high"}}),
        ({"reasoning_effort": "low", "model": "gemini-2.5-pro"}, {"thinkingConfig": {"thinkingBudget": 1024}}),
        ({"reasoning_effort": "none", "model": "gemini-2.5-pro"}, {"thinkingConfig": {"thinkingBudget": 0}}),
        ({"thinking": {"type": "disabled"}}, {"thinkingConfig": {"thinkingBudget": 0}}),
        (
            {"thinking": {"type": "enabled", "budget_tokens": 2000}},
            {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": 2000}},
        ),
        ({"thinking": {"type": "adaptive"}}, {"thinkingConfig": {"includeThoughts": True}}),
        ({"thinking_config": {"thinkingBudget": 5}}, {"thinkingConfig": {"thinkingBudget": 5}}),
    ],
)
def test_generation_config(given: dict[str, Any], expected: dict[str, Any]) -> None:
    assert body(**given)["generationConfig"] == expected


def test_tools_and_their_choice() -> None:
    bare = {"type": "function", "function": {"name": "g"}}
    found = body(tools=[TOOL, bare, {"googleSearch": {}}], tool_choice="required")
    assert found["tools"] == [
        {
            "functionDeclarations": [
                {"name": "f", "description": "d", "parametersJsonSchema": {"type": "object"}},
                {"name": "g"},
            ]
        },
        {"googleSearch": {}},
    ]
    assert found["toolConfig"] == {"functionCallingConfig": {"mode": "ANY"}}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ({"type": "function", "function": {"name": "f"}}, {"mode": "ANY", "allowedFunctionNames": ["f"]}),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "f"}}]},
            },
            {"mode": "VALIDATED", "allowedFunctionNames": ["f"]},
        ),
    ],
)
def test_tool_choices(choice: Any, expected: dict[str, Any]) -> None:
    assert body(tools=[TOOL], tool_choice=choice)["toolConfig"]["functionCallingConfig"] == expected


def test_gemini_s_own_fields_pass() -> None:
    found = body(safety_settings=[{"category": "c"}], cachedContent="cachedContents/x", store=True)
    assert found["safetySettings"] == [{"category": "c"}]
    assert found["cachedContent"] == "cachedContents/x"
    assert "store" not in found


def call(number: int, **more: Any) -> dict[str, Any]:
    return {"id": f"c{number}", "type": "function", "function": {"name": f"f{number}", "arguments": "{}"}, **more}


def test_a_tool_conversation() -> None:
    signed = call(1, extra_content={"google": {"thought_signature": "sig"}})
    found = body(
        "gemini-2.5-flash",
        messages=[
            {"role": "system", "content": "s"},
            {"role": "developer", "content": "d"},
            *HI,
            {"role": "assistant", "content": "x", "tool_calls": [signed, call(2)]},
            {"role": "tool", "tool_call_id": "c2", "content": "two"},
            {"role": "tool", "tool_call_id": "c1", "content": '{"one": 1}'},
            {"role": "tool", "tool_call_id": "c1", "content": "bad", "is_error": True},
            {"role": "user", "content": "go"},
        ],
    )
    assert found["systemInstruction"] == {"parts": [{"text": "s"}, {"text": "d"}]}
    assert [turn["role"] for turn in found["contents"]] == ["user", "model", "user"]
    assert found["contents"][1]["parts"] == [
        {"text": "x"},
        {"functionCall": {"id": "c1", "name": "f1", "args": {}}, "thoughtSignature": "sig"},
        {"functionCall": {"id": "c2", "name": "f2", "args": {}}},
    ]
    assert found["contents"][2]["parts"] == [
        {"functionResponse": {"id": "c2", "name": "f2", "response": {"output": "two"}}},
        {"functionResponse": {"id": "c1", "name": "f1", "response": {"one": 1}}},
        {"functionResponse": {"id": "c1", "name": "f1", "response": {"error": "bad"}}},
        {"text": "go"},
    ]


def test_calls_that_another_model_made_are_marked_for_models_that_want_signatures() -> None:
    history = {"role": "assistant", "content": None, "tool_calls": [call(1), call(2)]}
    first, second = contents(history, model="gemini-3-pro")[0]["parts"]
    assert first["thoughtSignature"] == UNSIGNED
    assert "thoughtSignature" not in second
    assert "thoughtSignature" not in contents(history)[0]["parts"][0]


def test_a_signature_on_text_goes_back() -> None:
    message = {"role": "assistant", "content": "x", "extra_content": {"google": {"thought_signature": "sig"}}}
    assert contents(message)[0]["parts"] == [{"text": "x", "thoughtSignature": "sig"}]


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,QQ=="}},
            {"inlineData": {"mimeType": "image/png", "data": "QQ=="}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x/a.JPG?s=1"}},
            {"fileData": {"fileUri": "https://x/a.JPG?s=1", "mimeType": "image/jpeg"}},
        ),
        ({"type": "file", "file": {"file_id": "files/a"}}, {"fileData": {"fileUri": "files/a"}}),
        (
            {"type": "input_audio", "input_audio": {"data": "QQ==", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "QQ=="}},
        ),
        ({"type": "text", "text": "t", "cache_control": {"type": "ephemeral"}}, {"text": "t"}),
    ],
)
def test_parts(part: dict[str, Any], expected: dict[str, Any]) -> None:
    assert contents({"role": "user", "content": [part]})[0]["parts"] == [expected]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({"logprobs": True}, "logprobs"),
        ({"parallel_tool_calls": False, "tools": [TOOL]}, "parallel_tool_calls"),
        ({"tools": [{"type": "web_search_20250305"}]}, "tools"),
        ({"tools": [TOOL], "tool_choice": "maybe"}, "tool_choice"),
        ({"reasoning_effort": "extreme"}, "reasoning_effort"),
        ({"messages": [{"role": "function", "name": "f", "content": "1"}]}, "messages.0"),
        ({"messages": [{"role": "tool", "tool_call_id": "c9", "content": "1"}]}, "messages.0"),
        ({"messages": [*HI, {"role": "user", "content": [{"type": "search_result"}]}]}, "messages.1"),
    ],
)
def test_what_cannot_be_asked_says_so(given: dict[str, Any], param: str) -> None:
    with pytest.raises(UpstreamUnsupported, match="provider p: ") as caught:
        body(**given)
    assert caught.value.param == param


def test_embeddings() -> None:
    made = embedding_body("p", Call("embedding", {"input": ["a", "b"], "dimensions": 3}, "e-1", False, 0.0))
    first = {"model": "models/e-1", "content": {"parts": [{"text": "a"}]}, "outputDimensionality": 3}
    assert made == {"requests": [first, {**first, "content": {"parts": [{"text": "b"}]}}]}
    single = embedding_body("p", Call("embedding", {"input": "a"}, "models/e-1", False, 0.0))
    assert single == {"requests": [{"model": "models/e-1", "content": {"parts": [{"text": "a"}]}}]}
    with pytest.raises(UpstreamUnsupported, match="text"):
        embedding_body("p", Call("embedding", {"input": [1, 2]}, "e-1", False, 0.0))
