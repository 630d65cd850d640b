"""promptfoo's providers as targets of ours: those that speak OpenAI's dialect.

Source: https://www.promptfoo.dev/docs/providers/
"""

import re
from typing import Any, NamedTuple

from llmctl.evals.promptfoo_assertions import Unsupported

JUDGE = "openai:chat:gpt-4.1-2025-04-14"
"""Who judges where a file names nobody: promptfoo's own default with a key of OpenAI's."""
ENDPOINTS = {
    "openai": ("https://api.openai.com/v1", "OPENAI_API_KEY"),
    "openrouter": ("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "groq": ("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "deepseek": ("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "mistral": ("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
    "ollama": ("http://localhost:11434/v1", None),
}
PARAMETERS = frozenset(
    {"temperature", "max_tokens", "max_completion_tokens", "top_p", "frequency_penalty", "presence_penalty", "stop",
     "seed", "response_format", "tools", "tool_choice", "reasoning_effort"}
)  # fmt: skip
_UNFIT = re.compile(r"[^A-Za-z0-9._:/@-]+")


class Provider(NamedTuple):
    """A target, and what it is called."""

    name: str
    target: dict[str, Any]


def provider(raw: Any) -> Provider:
    """A provider, as text, as `{id, label, config}` or as `{ID: {config}}`. Raises Unsupported."""
    if isinstance(raw, str):
        return Provider(named(raw), _target(raw, {}))
    if isinstance(raw, dict) and "id" not in raw and len(raw) == 1:
        ((ident, below),) = raw.items()
        raw = {"id": ident, **(below if isinstance(below, dict) else {})}
    if not isinstance(raw, dict) or not isinstance(raw.get("id"), str):
        raise Unsupported("a provider without an id")
    if unknown := sorted(set(raw) - {"id", "label", "config"}):
        raise Unsupported(f"provider {raw['id']}: {', '.join(unknown)}")
    config = raw.get("config") or {}
    if not isinstance(config, dict):
        raise Unsupported(f"provider {raw['id']}: a config that is no mapping")
    return Provider(named(str(raw.get("label") or raw["id"])), _target(raw["id"], config))


def named(text: str) -> str:
    """A name as suites have them."""
    return _UNFIT.sub("-", text).strip("-._:/@")[:100] or "target"


def _target(ident: str, config: dict[str, Any]) -> dict[str, Any]:
    vendor, _, model = ident.partition(":")
    if vendor in ("openai", "ollama") and model.partition(":")[0] == "chat":
        model = model.removeprefix("chat").removeprefix(":") or str(config.get("model") or "")
    legacy = vendor == "openai" and model.split(":")[0] in (
        "completion", "embedding", "embeddings", "assistant", "realtime", "responses", "image", "moderation", "chatkit",
    )  # fmt: skip
    if vendor not in ENDPOINTS or not model or legacy:
        raise Unsupported(
            f"provider {ident}; put its model into a gateway.yaml, and give the suite a target of kind gateway"
        )
    if unknown := sorted(set(config) - PARAMETERS - {"apiBaseUrl", "apiHost", "apiKeyEnvar", "model"}):
        raise Unsupported(f"provider {ident}: config.{', config.'.join(unknown)}")
    url, variable = ENDPOINTS[vendor]
    host = config.get("apiHost")
    base = config.get("apiBaseUrl") or (f"https://{host}/v1" if host else url)
    if "{{" in str(base):
        raise Unsupported(f"provider {ident}: a template in its address")
    parameters = {key: config[key] for key in sorted(PARAMETERS & config.keys())}
    target = {"kind": "url", "base_url": base, "model": model}
    if (key := config.get("apiKeyEnvar", variable)) is not None:
        target["api_key_env"] = key
    return {**target, "parameters": parameters} if parameters else target
