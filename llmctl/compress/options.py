"""How prompts are compressed: the options of a `compress` section, one model a kind."""

from typing import Annotated, Any, Literal

import re2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, TypeAdapter, model_validator

Source = Literal["retrieved", "tool", "document"]


def _pattern(text: str) -> str:
    try:
        _compiled(text)
    except re2.error as error:
        why = error.args[0].decode() if error.args and isinstance(error.args[0], bytes) else error
        raise ValueError(f"{text!r} is no regular expression of RE2: {why}") from None
    return text


def _compiled(text: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    return re2.compile(text, options)


Pattern = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_pattern)]


class MinifyOptions(BaseModel):
    """Take out white space that means nothing, and nothing else."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    kind: Literal["minify"] = Field(description="Lossless: JSON that is parsed again is equal, words stay as they are.")
    sources: tuple[Source, ...] = Field(
        ("retrieved", "tool", "document"),
        strict=False,
        min_length=1,
        description="What is touched: `retrieved` passages marked as such in a user message, `tool` results, and a "
        "long `document` that a user message asks about.",
    )
    min_tokens: int = Field(50, ge=0, description="A text of fewer tokens is left alone.")
    history: bool = Field(
        False,
        description="Earlier user messages too, each by its own question: they come out as they did when they "
        "were the last, as prompt caches want it. Leave it off where few-shot examples are sent as messages: they look "
        "the same.",
    )


class ExtractiveOptions(MinifyOptions):
    """Keep the whole sentences, passages and turns that the user's question is about."""

    kind: Literal["extractive"] = Field(  # type: ignore[assignment]
        description="Query-aware: whole units are kept, in order, marked where something is left out."
    )
    share: float | None = Field(
        None, gt=0, le=1, allow_inf_nan=False, description="Budget of each text, as a share of it. Default: a third."
    )
    tokens: int | None = Field(None, ge=1, description="Budget of each text, in tokens; instead of `share`.")
    min_tokens: int = Field(500, ge=0, description="A text of fewer tokens is left alone.")
    protect: tuple[Pattern, ...] = Field(
        (),
        strict=False,
        max_length=100,
        description="Expressions (RE2); a unit where one matches is always kept.",
    )
    mark: str = Field("[…]", max_length=40, description="Stands where something was left out; may be empty.")

    @model_validator(mode="after")
    def _one_budget(self) -> "ExtractiveOptions":
        if self.share is not None and self.tokens is not None:
            raise ValueError("share and tokens are both set; give one of them")
        return self

    @property
    def budget(self) -> int | float:
        """Tokens as int, or a share of the text as float."""
        return self.tokens if self.tokens is not None else self.share or 1 / 3

    def patterns(self) -> tuple[Any, ...]:
        """`protect`, compiled: each has `search`, in linear time."""
        return tuple(_compiled(text) for text in self.protect)


class LinguaOptions(ExtractiveOptions):
    """Keep the words that a token classifier of one's own calls needed."""

    kind: Literal["llmlingua"] = Field(  # type: ignore[assignment]
        description="LLMLingua-2: words that the classifier thinks dispensable are dropped, whatever was asked."
    )
    path: str = Field(min_length=1, description="Folder with model.onnx and tokenizer.json of an LLMLingua-2 model.")
    max_tokens: int = Field(512, ge=8, le=131_072, description="Of the model; longer texts go in so many at a time.")
    keep_label: int = Field(1, ge=0, le=1, description="Which of the model's two outputs means keep.")


TABLE: dict[str, type[MinifyOptions]] = {
    "minify": MinifyOptions,
    "extractive": ExtractiveOptions,
    "llmlingua": LinguaOptions,
}
"""Every kind's options."""

Options = Annotated[MinifyOptions | ExtractiveOptions | LinguaOptions, Field(discriminator="kind")]

_ADAPTER: TypeAdapter[MinifyOptions | ExtractiveOptions | LinguaOptions] = TypeAdapter(Options)


def options(raw: dict[str, Any]) -> MinifyOptions | ExtractiveOptions | LinguaOptions:
    """The options of `raw`, by its `kind`. Raises pydantic's ValidationError naming the key that is wrong."""
    return _ADAPTER.validate_python(raw)
