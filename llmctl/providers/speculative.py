"""Speculative decoding: what may be configured, and the flags by which engines are told.

Several tokens are guessed and the model judges them in one step; guesses that it would not have made are dropped, so
that greedy answers stay what they were (Leviathan, Kalman and Matias 2023, arXiv 2211.17192). Guesses come from text
that was there before (prompt lookup) or from a smaller model of the same vocabulary.

Flags: vLLM's docs/features/speculative_decoding and vllm/config/speculative.py (0.20 and later); llama-server's as of
2026, when `--draft-max` and its like were renamed to `--spec-…`.
"""

import json
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

Engine = Literal["vllm", "llama-server"]
ENGINES: tuple[Engine, ...] = get_args(Engine)

MAX_TOKENS = Field(ge=1, le=64, description="Most tokens guessed in one step.")


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class NgramOptions(_Options):
    """Guess that what followed the same tokens before follows again. Needs no second model."""

    kind: Literal["ngram"] = Field(description="What followed the same tokens earlier in the prompt or the answer.")
    max_tokens: Annotated[int, MAX_TOKENS] = 8
    min_match: int = Field(3, ge=1, le=32, description="So many last tokens must have been there before.")


class DraftOptions(_Options):
    """Guess with a smaller model of the same vocabulary."""

    kind: Literal["draft"] = Field(description="A smaller model of the same vocabulary guesses.")
    model: str = Field(min_length=1, description="The smaller model: a GGUF file for llama.cpp, any name for vLLM.")
    max_tokens: Annotated[int, MAX_TOKENS] = 4
    min_probability: float = Field(
        0.0, ge=0, lt=1, allow_inf_nan=False, description="Stop guessing at a token less probable than this."
    )


SpeculativeOptions = Annotated[NgramOptions | DraftOptions, Field(discriminator="kind")]


def for_llama(options: NgramOptions | DraftOptions) -> None:
    """Raises ValueError for what llama.cpp would take without ever speculating."""
    if isinstance(options, NgramOptions) and options.max_tokens < options.min_match:
        raise ValueError(
            f"max_tokens {options.max_tokens} is below min_match {options.min_match}, where llama.cpp guesses nothing; "
            "raise max_tokens or lower min_match"
        )


def child_arguments(options: NgramOptions | DraftOptions) -> list[str]:
    """Arguments of `local_child` that mean these options."""
    arguments = ["--speculative", options.kind, "--speculative-tokens", str(options.max_tokens)]
    if isinstance(options, NgramOptions):
        return [*arguments, "--speculative-match", str(options.min_match)]
    return [
        *arguments,
        "--speculative-model",
        options.model,
        "--speculative-probability",
        str(options.min_probability),
    ]


def flags(options: NgramOptions | DraftOptions, engine: Engine) -> list[str]:
    """The engine's arguments, unquoted. Raises ValueError, with the reason, for what it cannot do."""
    return _vllm(options) if engine == "vllm" else _llama(options)


def _vllm(options: NgramOptions | DraftOptions) -> list[str]:
    if isinstance(options, NgramOptions):
        config: dict[str, str | int] = {"method": "ngram", "num_speculative_tokens": options.max_tokens}
        # The longest match between the two is taken; alike, it is the match of llama.cpp and of `predict`.
        config |= {"prompt_lookup_min": options.min_match, "prompt_lookup_max": options.min_match}
    else:
        if options.min_probability:
            raise ValueError("min_probability: vLLM always guesses max_tokens tokens; leave it out or lower max_tokens")
        config = {"method": "draft_model", "model": options.model, "num_speculative_tokens": options.max_tokens}
    return ["--speculative-config", json.dumps(config, separators=(",", ":"))]


def _llama(options: NgramOptions | DraftOptions) -> list[str]:
    for_llama(options)
    if isinstance(options, NgramOptions):
        match, tokens = str(options.min_match), str(options.max_tokens)
        sizes = ["--spec-ngram-simple-size-n", match, "--spec-ngram-simple-size-m", tokens]
        return ["--spec-type", "ngram-simple", *sizes]
    found = ["--spec-type", "draft-simple", "--spec-draft-model", options.model]
    found += ["--spec-draft-n-max", str(options.max_tokens)]
    return [*found, "--spec-draft-p-min", f"{options.min_probability:g}"] if options.min_probability else found
