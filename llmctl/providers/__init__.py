"""One file per kind of upstream; `TABLE` lists them."""

from typing import Any

from llmctl.providers.anthropic import Anthropic
from llmctl.providers.gemini import Gemini
from llmctl.providers.local import Local
from llmctl.providers.openai import OpenAI
from llmctl.providers.scripted import Scripted

# `kind` in the configuration → class taking its name and decoded Options. Typed by tests/providers/test_contract.py.
TABLE: dict[str, type[Any]] = {
    "openai": OpenAI,
    "anthropic": Anthropic,
    "gemini": Gemini,
    "local": Local,
    "scripted": Scripted,
}
