import json
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from llmctl.providers import TABLE
from llmctl.providers.base import Call
from llmctl.providers.local import LocalOptions
from llmctl.providers.speculative import (
    DraftOptions,
    Engine,
    NgramOptions,
    SpeculativeOptions,
    child_arguments,
    flags,
    for_llama,
)

ADAPTER: TypeAdapter[NgramOptions | DraftOptions] = TypeAdapter(SpeculativeOptions)
NGRAM = NgramOptions(kind="ngram", max_tokens=6, min_match=4)
DRAFT = DraftOptions(kind="draft", model="small one.gguf", max_tokens=5)


def test_each_kind() -> None:
    assert ADAPTER.validate_python({"kind": "ngram"}) == NgramOptions(kind="ngram", max_tokens=8, min_match=3)
    assert ADAPTER.validate_python({"kind": "draft", "model": "m"}) == DraftOptions(kind="draft", model="m")


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({}, "kind"),
        ({"kind": "eagle"}, "'ngram', 'draft'"),
        ({"kind": "draft"}, "model"),
        ({"kind": "draft", "model": ""}, "model"),
        ({"kind": "draft", "model": "m", "min_match": 3}, "min_match"),
        ({"kind": "draft", "model": "m", "min_probability": 1.0}, "min_probability"),
        ({"kind": "draft", "model": "m", "min_probability": float("nan")}, "min_probability"),
        ({"kind": "ngram", "model": "m"}, "model"),
        ({"kind": "ngram", "max_tokens": 0}, "max_tokens"),
        ({"kind": "ngram", "max_tokens": 65}, "max_tokens"),
    ],
)
def test_what_is_refused(raw: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        ADAPTER.validate_python(raw)


def test_what_llama_would_take_in_silence_is_refused() -> None:
    short = NgramOptions(kind="ngram", max_tokens=2, min_match=3)
    with pytest.raises(ValueError, match=r"llama\.cpp guesses nothing; raise max_tokens or lower min_match"):
        for_llama(short)
    with pytest.raises(ValueError, match="guesses nothing"):
        flags(short, "llama-server")
    with pytest.raises(ValidationError, match="guesses nothing"):
        LocalOptions(speculative=short)
    assert "num_speculative_tokens" in flags(short, "vllm")[1]
    for_llama(NgramOptions(kind="ngram", max_tokens=3, min_match=3))


@pytest.mark.parametrize(
    ("options", "engine", "expected"),
    [
        (
            NGRAM,
            "llama-server",
            ["--spec-type", "ngram-simple", "--spec-ngram-simple-size-n", "4", "--spec-ngram-simple-size-m", "6"],
        ),
        (
            DRAFT,
            "llama-server",
            ["--spec-type", "draft-simple", "--spec-draft-model", "small one.gguf", "--spec-draft-n-max", "5"],
        ),
        (
            DraftOptions(kind="draft", model="m", min_probability=0.75),
            "llama-server",
            [
                *("--spec-type", "draft-simple", "--spec-draft-model", "m"),
                *("--spec-draft-n-max", "4", "--spec-draft-p-min", "0.75"),
            ],
        ),
    ],
)
def test_llama_servers_flags(options: NgramOptions | DraftOptions, engine: Engine, expected: list[str]) -> None:
    assert flags(options, engine) == expected


def test_vllms_flags() -> None:
    name, config = flags(NGRAM, "vllm")
    assert name == "--speculative-config"
    assert json.loads(config) == {
        "method": "ngram",
        "num_speculative_tokens": 6,
        "prompt_lookup_min": 4,
        "prompt_lookup_max": 4,
    }
    drafting = {"method": "draft_model", "model": "small one.gguf", "num_speculative_tokens": 5}
    assert json.loads(flags(DRAFT, "vllm")[1]) == drafting
    with pytest.raises(ValueError, match="min_probability: vLLM always guesses max_tokens"):
        flags(DraftOptions(kind="draft", model="m", min_probability=0.5), "vllm")


def test_the_childs_arguments() -> None:
    assert child_arguments(NGRAM) == ["--speculative", "ngram", "--speculative-tokens", "6", "--speculative-match", "4"]
    assert child_arguments(DRAFT)[-4:] == ["--speculative-model", "small one.gguf", "--speculative-probability", "0.0"]


def test_every_field_is_described() -> None:
    for model in (NgramOptions, DraftOptions):
        assert all(field.description for field in model.model_fields.values())


PREDICTED = {"type": "content", "content": "what is probably said"}


def asked(kind: str) -> bytes:
    provider = TABLE[kind]("p", TABLE[kind].Options())
    payload = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "prediction": PREDICTED}
    body: bytes = provider.request(Call("chat", payload, "m", False, 60.0)).body
    return body


def test_openais_prediction_is_passed_through() -> None:
    assert json.loads(asked("openai"))["prediction"] == PREDICTED


@pytest.mark.parametrize("kind", ["anthropic", "gemini"])
def test_prediction_is_a_hint_that_others_are_not_given(kind: str) -> None:
    assert b"probably said" not in asked(kind)
