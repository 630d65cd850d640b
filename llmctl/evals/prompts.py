"""Prompts of a suite: jinja2 texts, compiled once, in a sandbox in which a name that is not there is an error."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from llmctl.model.json import JsonObject

Render = Callable[[Mapping[str, Any]], Any]


class UnfitPrompt(ValueError):
    """A prompt that is no template, or asks for a column that an item does not have."""


class Prompt:
    """A text, which is what the user says, or a list of messages. Every text in it is a template."""

    def __init__(self, raw: str | list[JsonObject]) -> None:
        """Raises UnfitPrompt where a text is no template."""
        env = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
        self.raw = [{"role": "user", "content": raw}] if isinstance(raw, str) else raw
        self._messages = [_compiled(env, message) for message in self.raw]

    def messages(self, columns: Mapping[str, Any]) -> list[JsonObject]:
        """Rendered for one item. Raises UnfitPrompt."""
        try:
            return [render(columns) for render in self._messages]
        except (TemplateError, TypeError, ValueError, ArithmeticError, LookupError, AttributeError) as error:
            raise UnfitPrompt(str(error)) from None


def _compiled(env: ImmutableSandboxedEnvironment, value: Any) -> Render:
    """How this part of a prompt is made; parts without a reference are the same for every item."""
    if isinstance(value, str):
        if not any(mark in value for mark in ("{{", "{%", "{#")):
            return lambda columns: value
        try:
            template = env.from_string(value)
        except TemplateError as error:
            line = getattr(error, "lineno", None)
            raise UnfitPrompt(f"is no template{f', line {line} of it' if line else ''}: {error}") from None
        return lambda columns: template.render(columns)
    if isinstance(value, Mapping):
        parts = {key: _compiled(env, below) for key, below in value.items()}
        return lambda columns: {key: render(columns) for key, render in parts.items()}
    if isinstance(value, list):
        members = [_compiled(env, below) for below in value]
        return lambda columns: [render(columns) for render in members]
    return lambda columns: value
